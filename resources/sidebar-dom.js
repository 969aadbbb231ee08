/** Returns the text of a key in the locale file. Values are not escaped: for text nodes and attributes only. */
export function t(key, values) {
  return RED._('@homie-ota/node-red-homie-ota/homie-sidebar:homie-sidebar.' + key, values);
}

/** Returns a text with a number, in the singular or plural: `<key>.one` or `<key>.other`. */
export function count(key, number, values) {
  const form = number === 1 ? 'one' : 'other';
  return t(`${key}.${form}`, { ...values, number: number.toLocaleString(language()) });
}

export function language() {
  return RED.i18n.lang();
}

/**
 * Creates an element. It shows all children as text, because anyone who may publish on the broker chooses the names.
 *
 * @param attributes names that start with `on` are listeners; false and undefined values are omitted
 * @param children elements and texts
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

export function icon(name) {
  return el('i', { class: `fa fa-${name}`, 'aria-hidden': 'true' });
}

/** Sets a text only if it has changed, so that nothing flickers. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Creates a progress bar. */
export function progressBar() {
  const bar = el('div', { class: 'homie-bar' });
  const element = el(
    'div',
    { class: 'homie-progress', role: 'progressbar', 'aria-valuemin': '0', 'aria-valuemax': '100' },
    bar,
  );
  return {
    element,
    /** @param percent 0 to 100 */
    set(percent, label) {
      setAttribute(element, 'aria-valuenow', String(Math.round(percent)));
      setAttribute(element, 'aria-label', label);
      bar.style.width = `${percent}%`;
    },
  };
}

/** Formats a number of bytes. */
export function size(bytes) {
  return `${(bytes / 1024).toLocaleString(language(), { maximumFractionDigits: bytes < 102_400 ? 1 : 0 })} KiB`;
}

/** Formats a time relative to now; both in ms. */
export function ago(then, now) {
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  const [value, unit] =
    seconds < 60
      ? [0, 'second']
      : seconds < 3600
        ? [Math.floor(seconds / 60), 'minute']
        : seconds < 86_400
          ? [Math.floor(seconds / 3600), 'hour']
          : [Math.floor(seconds / 86_400), 'day'];
  const format = new Intl.RelativeTimeFormat(language(), { style: 'narrow', numeric: 'auto' });
  return format.format(-value, unit);
}
