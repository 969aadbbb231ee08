/** Rules for device ids. Also runs in a browser. */

/** The longest device id that is followed, in bytes. The firmware itself allows 32. */
export const MAX_ID = 64;

const utf8 = new TextEncoder();

/**
 * Returns whether this may be the id of a device. The Homie convention allows only a-z, 0-9 and `-`, but the firmware
 * accepts more (seen on homie-esp8266 ba452ea), and such devices exist. An id must be a single topic level (not empty,
 * no `/`, `+`, `#`), must not look like a pattern or a `$` topic (no `*`, no leading `$`), must not contain white space
 * or invisible characters, and must not be longer than 64 bytes.
 */
export function isDeviceId(id: string): boolean {
  return /^(?!\$)[^/+#*\s\p{C}]+$/u.test(id) && utf8.encode(id).length <= MAX_ID;
}

/**
 * Returns whether this may be the id of a device, or a pattern that matches some. In a pattern, `*` stands for any
 * characters.
 */
export function isDeviceIdOrPattern(text: string): boolean {
  const fixed = text.replaceAll('*', '');
  return isDeviceId(fixed) || (fixed === '' && text !== '');
}
