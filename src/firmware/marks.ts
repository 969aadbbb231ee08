import { MARKS, MAX_TEXT } from './format';

/** What an image tells of itself. */
export interface Marks {
  /** Whether it carries the signature of Homie for ESP8266. */
  readonly homie: boolean;
  readonly name?: string;
  readonly version?: string;
  readonly brand?: string;
}

const NAME = bytesOf(MARKS.name);
const VERSION = bytesOf(MARKS.version);
const BRAND = bytesOf(MARKS.brand);

/** homie-esp8266 Homie.cpp, __HOMIE_SIGNATURE. */
const SIGNATURE = Buffer.from('%HOMIE_ESP8266_FW%', 'latin1');

/** Its first bytes. Node.js finds up to 6 bytes in less than half the time that it takes for more. */
const SIGNATURE_BEGIN = SIGNATURE.subarray(0, 6);

/**
 * Finds the marks that the Homie library leaves in an image.
 *
 * @param image the image up to its structural end: what is behind it does not run
 */
export function readMarks(image: Buffer): Marks {
  const name = textBetween(image, NAME);
  const version = textBetween(image, VERSION);
  const brand = textBetween(image, BRAND);
  return {
    homie: hasSignature(image),
    ...(name !== undefined && { name }),
    ...(version !== undefined && { version }),
    ...(brand !== undefined && { brand }),
  };
}

function hasSignature(image: Buffer): boolean {
  let start = image.indexOf(SIGNATURE_BEGIN);
  while (start >= 0) {
    if (image.subarray(start, start + SIGNATURE.length).equals(SIGNATURE)) return true;
    start = image.indexOf(SIGNATURE_BEGIN, start + SIGNATURE_BEGIN.length);
  }
  return false;
}

/** The first readable text between the two marks. Each byte is passed a few times at most, whatever the image holds. */
function textBetween(image: Buffer, [before, after]: readonly [Buffer, Buffer]): string | undefined {
  let start = image.indexOf(before);
  while (start >= 0) {
    start += before.length;
    const end = image.indexOf(after, start);
    if (end < 0) return undefined;
    const text = end - start <= MAX_TEXT ? image.toString('utf8', start, end) : '';
    if (text !== '' && !/\p{Cc}/u.test(text)) return text;
    start = image.indexOf(before, Math.max(start, end - MAX_TEXT - before.length));
  }
  return undefined;
}

function bytesOf([before, after]: readonly [string, string]): readonly [Buffer, Buffer] {
  return [Buffer.from(before, 'hex'), Buffer.from(after, 'hex')];
}
