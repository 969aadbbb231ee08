/**
 * Texts of the firmware are bytes, not necessarily valid UTF-8. A byte that belongs to no character becomes a lone
 * surrogate, U+DC80 to U+DCFF, so that a text can be written back unchanged and keeps its length.
 */

const ESCAPED = 0xdc00;

/** Returns the text of these bytes. */
export function textOf(bytes: Buffer): string {
  const text = bytes.toString();
  if (!text.includes('\uFFFD')) return text;
  let escaped = '';
  for (let at = 0; at < bytes.length;) {
    const length = characterAt(bytes, at);
    escaped += length === 0 ? String.fromCharCode(ESCAPED + (bytes[at] ?? 0)) : bytes.toString('utf8', at, at + length);
    at += Math.max(length, 1);
  }
  return escaped;
}

/** Returns the bytes of a text. */
export function bytesOf(text: string): Buffer {
  if (!/[\uDC80-\uDCFF]/.test(text)) return Buffer.from(text);
  return Buffer.concat(
    Array.from(text, (character) => {
      const code = character.charCodeAt(0) - ESCAPED;
      return character.length === 1 && code >= 0x80 && code <= 0xff ? Buffer.of(code) : Buffer.from(character);
    }),
  );
}

/** Returns the length of a text in bytes. */
export function byteLength(text: string): number {
  return bytesOf(text).length;
}

/** Returns the length in bytes of the character that starts at `at`; 0 for a byte that belongs to no character. */
function characterAt(bytes: Buffer, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length += 1) {
    const text = bytes.toString('utf8', at, at + length);
    if (!text.includes('\uFFFD') || bytes.subarray(at, at + length).equals(Buffer.from('\uFFFD'))) return length;
  }
  return 0;
}
