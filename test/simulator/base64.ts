/**
 * The base64 decoder of the Arduino core (libb64, cdecode.cpp), whose state continues from one TCP segment to the next,
 * and the way in which homie-esp8266 decodes in place with it.
 */

/** State of the decoder between two calls. */
interface DecodeState {
  /** Index of the next character in its group of four: 0 to 3. */
  step: number;
  /** The byte under construction. */
  plain: number;
}

export const newDecodeState = (): DecodeState => ({ step: 0, plain: 0 });

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const VALUES = Int8Array.from({ length: 256 }, (_, code) => ALPHABET.indexOf(String.fromCharCode(code)));

/** Returns whether the byte is a character of the base64 alphabet, which does not include the padding. */
export function isBase64Character(byte: number): boolean {
  return (VALUES[byte] ?? -1) >= 0;
}

/**
 * Decodes `length` bytes of `code` from `codeAt` on into `out` at `outAt`, where both may be the same memory. Like
 * libb64, it writes the byte under construction to `out` before it reads the first character: the result of decoding
 * in place depends on that.
 * @returns the number of whole bytes written
 */
export function decodeBlock(
  code: Buffer,
  codeAt: number,
  length: number,
  out: Buffer,
  outAt: number,
  state: DecodeState,
): number {
  const end = codeAt + length;
  let at = codeAt;
  let to = outAt;
  const put = (value: number) => {
    if (to < out.length) out[to] = value & 0xff;
  };
  put(state.plain);
  while (at < end) {
    const value = VALUES[code[at++] ?? 0] ?? -1;
    if (value < 0) continue;
    const under = out[to] ?? 0;
    switch (state.step) {
      case 0:
        put(value << 2);
        break;
      case 1:
        put(under | (value >> 4));
        to++;
        put(value << 4);
        break;
      case 2:
        put(under | (value >> 2));
        to++;
        put(value << 6);
        break;
      case 3:
        put(under | value);
        to++;
        break;
    }
    state.step = (state.step + 1) % 4;
  }
  state.plain = out[to] ?? 0;
  return to - outAt;
}

/**
 * Decodes the base64 characters at the start of a segment in place, in the two steps of the firmware: the first two
 * characters go to a single byte on the stack, the rest over the segment itself (homie-esp8266 BootNormal.cpp,
 * __handleOTAUpdates). The result is correct only if the segment starts at the first or the last character of a group
 * of four. Otherwise the second byte of the first step is lost, and the byte under construction overwrites a character
 * that has not been read yet. The memory behind the byte on the stack differs between devices; here it is 0.
 * @returns the length of the result, which is at the start of `segment`, in bytes
 */
export function decodeInPlace(segment: Buffer, characters: number, state: DecodeState): number {
  const first = Math.min(2, characters);
  const stack = Buffer.alloc(4);
  const decoded = decodeBlock(segment, 0, first, stack, 0, state);
  segment[0] = stack[0] ?? 0;
  if (characters === 1) return decoded;
  return decoded + decodeBlock(segment, first, characters - first, segment, decoded, state);
}
