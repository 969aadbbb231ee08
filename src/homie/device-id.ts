/** What the id of a device may be. Runs in a browser, too. */

/** The longest device id that is followed, in bytes. The firmware itself allows 32. */
export const MAX_ID = 64;

const utf8 = new TextEncoder();

/**
 * Whether this may be the id of a device. The Homie convention has only a-z, 0-9 and `-`, but the firmware takes more
 * (seen on homie-esp8266 ba452ea), and such devices exist. Refused is what is no single topic level (empty, `/`, `+`,
 * `#`), what a pattern or a `$` topic could be taken for (`*`, a leading `$`), white space and invisible characters,
 * and more than 64 bytes.
 */
export function isDeviceId(id: string): boolean {
  return /^(?!\$)[^/+#*\s\p{C}]+$/u.test(id) && utf8.encode(id).length <= MAX_ID;
}

/** Whether this may be the id of a device, or a pattern that matches some, in which `*` stands for any characters. */
export function isDeviceIdOrPattern(text: string): boolean {
  const fixed = text.replaceAll('*', '');
  return isDeviceId(fixed) || (fixed === '' && text !== '');
}
