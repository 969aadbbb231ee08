import type { Node, NodeStatus } from 'node-red';

/** ms between two statuses: each looks at every device of the jobs, and goes to every open editor if it is another one. */
const INTERVAL = 250;

/** The status below a node: shown at once when it has been quiet, else at the end of the interval, always the newest. */
export class ThrottledStatus {
  readonly #node: Pick<Node, 'status'>;
  readonly #current: () => NodeStatus;
  #shown = '';
  #timer: NodeJS.Timeout | undefined;
  #stale = false;
  #closed = false;

  /** @param current tells the status as it is now */
  constructor(node: Pick<Node, 'status'>, current: () => NodeStatus) {
    this.#node = node;
    this.#current = current;
  }

  /** The status may have changed. */
  refresh(): void {
    this.#stale = true;
    if (this.#timer === undefined && !this.#closed) this.#show();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #show(): void {
    this.#timer = undefined;
    if (!this.#stale) return;
    this.#stale = false;
    this.#timer = setTimeout(() => {
      this.#show();
    }, INTERVAL);
    const status = this.#current();
    const text = JSON.stringify(status);
    if (text === this.#shown) return;
    this.#shown = text;
    this.#node.status(status);
  }
}
