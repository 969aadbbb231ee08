// Runs in the page, and finds what overlaps and what is cut off.
(function () {
  const CONTROLS = 'input:not([type=hidden]), select, textarea, button, summary, a[href], [role=button], [role=tab]';

  /** Overlap in px up to which two elements seem to touch only. */
  const TOUCH = 1.5;

  function shown(element) {
    return element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  }

  function rect({ left, right, top, bottom }) {
    return { left, right, top, bottom };
  }

  function empty({ left, right, top, bottom }) {
    return right - left < TOUCH || bottom - top < TOUCH;
  }

  function common(one, other) {
    return {
      left: Math.max(one.left, other.left),
      right: Math.min(one.right, other.right),
      top: Math.max(one.top, other.top),
      bottom: Math.min(one.bottom, other.bottom),
    };
  }

  /** Returns the inner box of an element, in which its content is visible. */
  function inside(element) {
    const box = element.getBoundingClientRect();
    const left = box.left + element.clientLeft;
    const top = box.top + element.clientTop;
    return { left, top, right: left + element.clientWidth, bottom: top + element.clientHeight };
  }

  function around(element, part) {
    const found = [];
    for (let up = element; up && up !== part.parentElement; up = up.parentElement) found.push(up);
    return found;
  }

  /** Returns the visible part of a box in an element: any element around it may cut it off. */
  function visible(box, element, part) {
    let seen = box;
    for (let up = element; up; up = up.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(up);
      if (up === document.body || up === document.documentElement || up.clientWidth === 0) continue;
      if (overflowX !== 'visible' || overflowY !== 'visible') seen = common(seen, inside(up));
      if (up === part) break;
    }
    return seen;
  }

  function named(element, text) {
    const id = element.id ? '#' + element.id : element.getAttribute('class') ? '.' + element.classList[0] : '';
    const words = (text ?? element.textContent ?? '').trim().replace(/\s+/g, ' ').slice(0, 60);
    return element.tagName.toLowerCase() + id + (words === '' ? '' : ' "' + words + '"');
  }

  /** Returns the lines of text of a part; `holder` is the element that may cut off the line. */
  function lines(part) {
    const found = [];
    const walk = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      const element = node.parentElement;
      if (node.data.trim() === '' || element.closest('option, script, style, textarea') || !shown(element)) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const box of range.getClientRects()) {
        if (!empty(box)) found.push({ element, holder: element, box: rect(box), name: named(element, node.data) });
      }
    }
    return found;
  }

  function controls(part) {
    return [...part.querySelectorAll(CONTROLS)]
      .filter(shown)
      .map((element) => ({
        element,
        holder: element.parentElement,
        box: rect(element.getBoundingClientRect()),
        name: named(element),
      }))
      .filter(({ box }) => !empty(box));
  }

  function overlaps(part) {
    const pieces = [...controls(part), ...lines(part)]
      .map((piece) => ({ ...piece, box: visible(piece.box, piece.holder, part) }))
      .filter(({ box }) => !empty(box));
    const found = [];
    pieces.forEach((one, index) => {
      for (const other of pieces.slice(index + 1)) {
        if (one.element.contains(other.element) || other.element.contains(one.element)) continue;
        if (!empty(common(one.box, other.box))) found.push(one.name + ' overlaps ' + other.name);
      }
    });
    return found;
  }

  const brush = document.createElement('canvas').getContext('2d');

  /** Returns whether the text of a field is wider than its space. */
  function tooWide(field, text, more) {
    const { font, letterSpacing, paddingLeft, paddingRight } = getComputedStyle(field);
    brush.font = font;
    brush.letterSpacing = letterSpacing;
    const room = field.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight) - more;
    return brush.measureText(text).width > room + TOUCH;
  }

  /** Width of the arrow of a select, in px. */
  const ARROW = 16;

  /** Returns the texts that are too wide for a field. Typed text can be scrolled, and does not count. */
  function cutInField(field) {
    if (field.tagName === 'SELECT') {
      return [...field.options].map(({ text }) => text).filter((text) => tooWide(field, text, ARROW));
    }
    const placeholder = field.placeholder ?? '';
    return placeholder !== '' && tooWide(field, placeholder, 0) ? [placeholder] : [];
  }

  /** Returns whether a text ends with an ellipsis on purpose, and a title shows the full text. */
  function shortened(element, part) {
    const all = around(element, part);
    const cut = all.find((each) => getComputedStyle(each).textOverflow === 'ellipsis');
    return cut !== undefined && all.some((each) => each.title !== '' && each.contains(cut));
  }

  /** Width in px that a text with an ellipsis needs at least: some letters of it. */
  const LEGIBLE = 48;

  /** Returns the elements that leave nothing of their text but the ellipsis, where no icon says the same. */
  function squeezed(part) {
    const cut = [...part.querySelectorAll('*')].filter(
      (each) => shown(each) && getComputedStyle(each).textOverflow === 'ellipsis',
    );
    return cut.filter(
      (each) =>
        each.clientWidth < Math.min(each.scrollWidth, LEGIBLE) &&
        each.querySelector('.fa') === null &&
        !each.previousElementSibling?.matches('.fa'),
    );
  }

  function cutOff(part) {
    const found = [];
    const bounds = part.getBoundingClientRect();
    for (const { element, holder, box, name } of [...controls(part), ...lines(part)]) {
      const isBeyond = box.left < bounds.left - TOUCH || box.right > bounds.right + TOUCH;
      if (isBeyond && !shortened(element, part)) found.push(name + ' reaches beyond');
      for (const up of around(holder, part)) {
        const { overflowX, overflowY } = getComputedStyle(up);
        const edge = up.tagName === 'BUTTON' ? rect(up.getBoundingClientRect()) : inside(up);
        if (up.tagName !== 'BUTTON' && overflowX === 'visible' && overflowY === 'visible') continue;
        if (up.clientWidth === 0 || shortened(element, part)) continue;
        const wide = box.left < edge.left - TOUCH || box.right > edge.right + TOUCH;
        const scrolls = overflowY === 'auto' || overflowY === 'scroll';
        const high = !scrolls && (box.top < edge.top - TOUCH || box.bottom > edge.bottom + TOUCH);
        if (wide || high) found.push(name + ' is cut off by ' + named(up, ''));
        if (scrolls) break;
      }
    }
    for (const each of squeezed(part)) found.push(named(each) + ' is squeezed');
    for (const { element, name } of controls(part)) {
      if (!element.matches('select, input, textarea')) continue;
      for (const text of cutInField(element)) found.push(name + ' has no room for "' + text + '"');
    }
    return found;
  }

  window.pageLayout = function (selector) {
    const parts = [...document.querySelectorAll(selector)].filter(shown);
    if (parts.length === 0) return ['there is no ' + selector];
    return [...new Set(parts.flatMap((part) => [...overlaps(part), ...cutOff(part)]))];
  };
})();
