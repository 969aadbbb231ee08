import { HomieError } from '../errors';
import { fitsWildcards } from '../wildcards';
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
  if (!isPattern(text)) {
    checkDeviceId(text);
    return (id) => id === text;
  }
  if (!isDeviceIdOrPattern(text)) {
    throw new HomieError('INVALID_DEVICE_ID.pattern', { pattern: JSON.stringify(text.slice(0, 80)) });
  }
  return (id) => fitsWildcards(id, text);
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
