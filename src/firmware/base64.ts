import { setImmediate as nextTurn } from 'node:timers/promises';
import { HomieError } from '../errors';

/** The start of base64 of an image (first byte 0xE9) or of gzip (0x1F 0x8B 0x08). */
const FIRMWARE_BEGINS = /^\s*(?:6[Q-f]|H4sI)/;

/** The shortest base64 in decoded bytes. Shorter text counts as a word. */
const SHORTEST = 48;

/** Characters that are decoded between two turns of the event loop. */
const SLICE = 256 * 1024;

/**
 * Decodes base64 (RFC 4648 section 4, padded), in one piece or wrapped.
 *
 * @returns undefined if the text does not look like base64
 * @throws {HomieError} FIRMWARE_BASE64: the text begins like an image in base64, but is not valid base64
 */
export async function readBase64(text: string): Promise<Buffer | undefined> {
  const bytes = await decode(text);
  if (FIRMWARE_BEGINS.test(text)) {
    if (bytes === undefined) throw new HomieError('FIRMWARE_BASE64');
    return bytes;
  }
  return bytes === undefined || bytes.length < SHORTEST ? undefined : bytes;
}

async function decode(text: string): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let rest = '';
  let ended = false;
  for (let start = 0; start < text.length; start += SLICE) {
    if (start > 0) await nextTurn();
    rest += text.slice(start, start + SLICE).replaceAll(/\s+/g, '');
    const whole = rest.slice(0, rest.length - (rest.length % 4));
    rest = rest.slice(whole.length);
    if (whole === '') continue;
    if (ended || !/^[A-Za-z0-9+/]+={0,2}$/.test(whole)) return undefined;
    ended = whole.endsWith('=');
    parts.push(Buffer.from(whole, 'base64'));
  }
  return rest === '' ? Buffer.concat(parts) : undefined;
}
