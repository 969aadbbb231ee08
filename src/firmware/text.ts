/** How many bytes determine the kind of the data. */
const HEAD = 1024;

/**
 * Returns the kind of data that is not an image: a page (HTML or XML), other text, or neither. UTF-8 counts as text,
 * and so does UTF-16 with a byte order mark.
 */
export function kindOf(bytes: Buffer): 'page' | 'text' | 'binary' {
  const start = firstVisible(bytes);
  const head = bytes.subarray(start, start + HEAD);
  if (isPage(head.toString('latin1'))) return 'page';
  try {
    // `stream`: the cut may split a character.
    const text = new TextDecoder(encodingOf(head), { fatal: true }).decode(head, { stream: true });
    if (isPage(text)) return 'page';
    return isReadable(text) ? 'text' : 'binary';
  } catch {
    return 'binary';
  }
}

/** Returns whether a text begins like an HTML or XML page. */
export function isPage(text: string): boolean {
  return /^<[a-z!?]/i.test(text.trimStart());
}

/** Returns whether a text has no control characters except white space, and no U+FFFD from bytes that are not text. */
export function isReadable(text: string): boolean {
  return !/[^\P{Cc}\s]|\u{FFFD}/u.test(text);
}

function encodingOf(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return 'utf-8';
}

/** Returns the offset of the first byte that is not white space. Some pages begin with many empty lines. */
function firstVisible(bytes: Buffer): number {
  const index = bytes.findIndex((byte) => byte !== 0x20 && (byte < 0x09 || byte > 0x0d));
  return index < 0 ? bytes.length : index;
}
