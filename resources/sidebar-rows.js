/** Rows of a scrolling list. Only visible rows exist in the page. */
export class Rows {
  #viewport;
  #body;
  #options;
  #items = [];
  #known = new Map();
  #asked = false;

  /**
   * @param viewport the scrolling element
   * @param body the element in the viewport that is as high as all rows together
   * @param options.key returns a unique key of a row
   * @param options.make creates a row: `{ element, update(item, index) }`
   * @param options.height returns the height of a row, in px
   * @param options.above returns the height of other content in the viewport, in px
   */
  constructor(viewport, body, options) {
    this.#viewport = viewport;
    this.#body = body;
    this.#options = options;
    viewport.addEventListener('scroll', () => this.refresh(), { passive: true });
    new ResizeObserver(() => this.refresh()).observe(viewport);
  }

  get length() {
    return this.#items.length;
  }

  show(items) {
    this.#items = items;
    this.refresh();
  }

  /** Draws the visible rows before the next frame. */
  refresh() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#draw();
    });
  }

  /** Scrolls until a row is visible. */
  reveal(index) {
    const { height, above } = this.#options;
    const room = this.#viewport.clientHeight - above();
    const top = index * height();
    const { scrollTop } = this.#viewport;
    if (top < scrollTop) this.#viewport.scrollTop = top;
    else if (top + height() > scrollTop + room) this.#viewport.scrollTop = top + height() - room;
  }

  #draw() {
    const { key, make, height, above } = this.#options;
    const each = height();
    this.#body.style.height = `${this.#items.length * each}px`;
    const room = Math.max(0, this.#viewport.clientHeight - above());
    const first = Math.max(0, Math.floor(this.#viewport.scrollTop / each) - 2);
    const last = room === 0 ? first : Math.min(this.#items.length, first + Math.ceil(room / each) + 5);
    const shown = new Map();
    for (let index = first; index < last; index += 1) {
      const item = this.#items[index];
      const row = this.#known.get(key(item)) ?? make(item);
      row.element.style.top = `${index * each}px`;
      row.update(item, index);
      shown.set(key(item), row);
    }
    this.#known = shown;
    const elements = [...shown.values()].map(({ element }) => element);
    const { children } = this.#body;
    const isSame =
      children.length === elements.length && elements.every((element, index) => children[index] === element);
    if (!isSame) this.#body.replaceChildren(...elements);
  }
}
