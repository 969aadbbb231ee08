/** How much is looked at to tell what it is, in bytes. */
const HEAD = 1024;

/**
 * What bytes are that are no image: a page (HTML or XML), other text, or neither. UTF-8 is text, and so is UTF-16 with
 * a byte order mark.
 */
export function kindOf(bytes: Buffer): 'page' | 'text' | 'binary' {
  const start = firstVisible(bytes);
  const head = bytes.subarray(start, start + HEAD);
  if (isPage(head.toString('latin1'))) return 'page';
  try {
    // `stream`: the cut may go through a character.
    const text = new TextDecoder(encodingOf(head), { fatal: true }).decode(head, { stream: true });
    if (isPage(text)) return 'page';
    return isReadable(text) ? 'text' : 'binary';
  } catch {
    return 'binary';
  }
}

/** Whether it begins as an HTML or XML page does. */
export function isPage(text: string): boolean {
  return /^<[a-z!?]/i.test(text.trimStart());
}

/** Whether it has no control characters but white space, and none that stands for bytes that were not text. */
export function isReadable(text: string): boolean {
  return !/[^\P{Cc}\s]|\u{FFFD}/u.test(text);
}

function encodingOf(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return 'utf-8';
}

/** Some pages begin with a lot of empty lines. */
function firstVisible(bytes: Buffer): number {
  const index = bytes.findIndex((byte) => byte !== 0x20 && (byte < 0x09 || byte > 0x0d));
  return index < 0 ? bytes.length : index;
}
