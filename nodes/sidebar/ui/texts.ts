/** Texts in the language of the editor. */
import { render, type Value } from '../../../src/texts/render';

/** Returns the text of a key in the locale file. Values are not escaped: for text nodes and attributes only. */
export function t(key: string, values?: Readonly<Record<string, string | number>>): string {
  return RED._(`@homie-ota/node-red-homie-ota/homie-sidebar:homie-sidebar.${key}`, values);
}

/** Returns the text of a key, or undefined if the key is not there. */
export function known(key: string): string | undefined {
  const text = t(key);
  return text.endsWith(key) ? undefined : text;
}

/** Returns a text with a number, in the singular or plural: `<key>.one` or `<key>.other`. */
export function count(key: string, number: number, values: Readonly<Record<string, string>> = {}): string {
  return t(`${key}.${number === 1 ? 'one' : 'other'}`, { ...values, number: localNumber(number) });
}

function language(): string {
  return RED.i18n.lang();
}

/** Returns sentences from Node-RED. The build puts the texts of errors into the catalog of homie-broker. */
export function sentences(says: readonly Value[]): string {
  const lookUp = (key: string, values: Readonly<Record<string, string>>): string =>
    RED._(`@homie-ota/node-red-homie-ota/homie-broker:${key}`, values);
  return says.map((each) => render(each, lookUp)).join(' ');
}

export function localNumber(number: number): string {
  return number.toLocaleString(language());
}

/** Formats a number of bytes. */
export function size(bytes: number): string {
  const digits = bytes < 102_400 ? 1 : 0;
  return `${(bytes / 1024).toLocaleString(language(), { maximumFractionDigits: digits })} KiB`;
}

const units = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;

/** Formats a time relative to now, for instance `3 min. ago`. Both in ms. */
export function ago(then: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  const [unit, length] = units.find(([, each]) => seconds >= each) ?? (['second', seconds + 1] as const);
  const format = new Intl.RelativeTimeFormat(language(), { style: 'short', numeric: 'auto' });
  return format.format(-Math.floor(seconds / length), unit);
}

/** Formats a duration in the largest unit that fits, for instance `42 s` or `3 days`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [unit, length] = units.find(([, each]) => seconds >= 2 * each) ?? (['second', 1] as const);
  return Math.round(seconds / length).toLocaleString(language(), { style: 'unit', unit, unitDisplay: 'short' });
}

/** Formats a moment: only the time of day if it is less than a day away, or else with the date. Both in ms. */
export function clock(at: number, now: number): string {
  const isNear = Math.abs(at - now) < 22 * 3_600_000;
  return new Date(at).toLocaleString(
    language(),
    isNear ? { timeStyle: 'short' } : { dateStyle: 'short', timeStyle: 'short' },
  );
}

/** Formats a moment exactly. */
export function exact(at: number): string {
  return new Date(at).toLocaleString(language());
}
