import SparkMD5 from 'spark-md5';
import { CHIP_ID, chipName, FIRST_ADDRESS, isEsp8266Address, MAGIC, MARKS, MAX_TEXT } from './format';

/** What a file says of itself at first sight. Nothing of it is checked. */
export interface Glance {
  /** Bytes. */
  readonly size: number;
  /** Of the whole file, in lower case. */
  readonly md5: string;
  /** Undefined when it does not begin like an image. */
  readonly chip?: string;
  readonly name?: string;
  readonly version?: string;
  readonly brand?: string;
}

const SMALLEST_HEADER = 14;

/** Looks at a file in a browser, where there is no Buffer. `inspect` says whether it is a sound image. */
export function glance(file: ArrayBuffer): Glance {
  const bytes = new Uint8Array(file);
  const seen = { size: bytes.length, md5: SparkMD5.ArrayBuffer.hash(file) };
  if (bytes[0] !== MAGIC || bytes.length < SMALLEST_HEADER) return seen;
  const view = new DataView(file);
  const isEsp8266 = isEsp8266Address(view.getUint32(FIRST_ADDRESS, true));
  const [name, version, brand] = [MARKS.name, MARKS.version, MARKS.brand].map((marks) => textBetween(bytes, marks));
  return {
    ...seen,
    chip: isEsp8266 ? 'esp8266' : chipName(view.getUint16(CHIP_ID, true)),
    ...(name !== undefined && { name }),
    ...(version !== undefined && { version }),
    ...(brand !== undefined && { brand }),
  };
}

/** The first readable text between the two marks. */
function textBetween(bytes: Uint8Array, [before, after]: readonly [string, string]): string | undefined {
  const begin = parse(before);
  for (let at = find(bytes, begin, 0); at >= 0; at = find(bytes, begin, at + 1)) {
    const start = at + begin.length;
    const rest = bytes.subarray(start, start + MAX_TEXT + after.length / 2);
    const end = find(rest, parse(after), 0);
    const text = end > 0 ? new TextDecoder().decode(rest.subarray(0, end)) : '';
    if (text !== '' && !/\p{Cc}/u.test(text)) return text;
  }
  return undefined;
}

function find(bytes: Uint8Array, mark: readonly number[], from: number): number {
  const [first = 0] = mark;
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (mark.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}

function parse(hex: string): number[] {
  return (hex.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));
}
