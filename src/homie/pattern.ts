import { HomieError } from '../errors';
import { isDeviceIdOrPattern } from './device-id';
import { checkDeviceId } from './topics';

/** Returns whether a text is a pattern, in which `*` stands for any characters. */
export function isPattern(text: string): boolean {
  return text.includes('*');
}

/**
 * Returns a function that tests whether an id or a pattern matches the id of a device.
 *
 * @throws {HomieError} INVALID_DEVICE_ID: no device can have such an id
 */
export function readPattern(text: string): (id: string) => boolean {
  const parts = text.split('*');
  const [first = '', ...middle] = parts;
  const last = middle.pop();
  if (last === undefined) {
    checkDeviceId(text);
    return (id) => id === text;
  }
  const fixed = parts.join('');
  if (!isDeviceIdOrPattern(text)) {
    throw new HomieError('INVALID_DEVICE_ID.pattern', { pattern: JSON.stringify(text.slice(0, 80)) });
  }
  return (id) => {
    if (id.length < fixed.length || !id.startsWith(first) || !id.endsWith(last)) return false;
    const end = id.length - last.length;
    let from = first.length;
    for (const part of middle) {
      const at = id.indexOf(part, from);
      if (at < 0 || at + part.length > end) return false;
      from = at + part.length;
    }
    return from <= end;
  };
}

/**
 * Returns a function that tests whether any of these ids and patterns matches the id of a device.
 *
 * @throws {HomieError} INVALID_DEVICE_ID: no device can have such an id
 */
export function matchAny(patterns: readonly string[]): (id: string) => boolean {
  const matches = patterns.map(readPattern);
  return (id) => matches.some((match) => match(id));
}
