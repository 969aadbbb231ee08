import { setImmediate as nextTurn } from 'node:timers/promises';
import { HomieError } from '../errors';

/** How base64 begins whose first byte is 0xE9, or that of gzip (0x1F 0x8B 0x08). */
const FIRMWARE_BEGINS = /^\s*(?:6[Q-f]|H4sI)/;

/** Bytes. What has fewer is taken for a word. */
const SHORTEST = 48;

/** Characters that are worked on in one go. */
const SLICE = 256 * 1024;

/**
 * Reads base64 (RFC 4648 section 4, padded), in one piece or wrapped.
 *
 * @returns `undefined` when the text does not look like base64
 * @throws {HomieError} FIRMWARE_BASE64 when it begins like a firmware in base64 but does not go on so
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
