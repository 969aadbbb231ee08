import SparkMD5 from 'spark-md5';
import { CHIP_ID, chipName, FIRST_ADDRESS, isEsp8266Address, MAGIC } from './format';
import { readMarks, type Find, type Loaded } from './marks';

/** What a file says about itself at first sight. None of it is verified. */
export interface BrowserInfo {
  /** Bytes. */
  readonly size: number;
  /** MD5 of the whole file, in lower case. */
  readonly md5: string;
  /** Undefined if the file does not begin like an image. */
  readonly chip?: string;
  readonly name?: string;
  readonly version?: string;
  readonly brand?: string;
}

const SMALLEST_HEADER = 14;

/** Returns what a file says about itself, without a Buffer, as in a browser. `inspect` checks whether it is valid. */
export function browserInfo(file: ArrayBuffer): BrowserInfo {
  const bytes = new Uint8Array(file);
  const seen = { size: bytes.length, md5: SparkMD5.ArrayBuffer.hash(file) };
  if (bytes[0] !== MAGIC || bytes.length < SMALLEST_HEADER) return seen;
  const view = new DataView(file);
  const isEsp8266 = isEsp8266Address(view.getUint32(FIRST_ADDRESS, true));
  const { end, ...segments } = segmentsOf(bytes, isEsp8266 ? APPLICATION : 0, isEsp8266 ? 8 : 24);
  const { homie: _, ...texts } = readMarks(bytes.subarray(0, end), find, segments);
  return { ...seen, chip: isEsp8266 ? 'esp8266' : chipName(view.getUint16(CHIP_ID, true)), ...texts };
}

/** Where the Arduino core for ESP8266 puts the application. */
const APPLICATION = 0x1000;

/** Returns the segments of an application, as far as the file has them, and where they end. */
function segmentsOf(bytes: Uint8Array, start: number, header: number): Loaded & { readonly end: number } {
  const view = new DataView(bytes.buffer);
  const [data, addresses]: [Uint8Array[], number[]] = [[], []];
  let end = start + header;
  for (let left = bytes[start + 1] ?? 0; left > 0 && end + 8 <= bytes.length; left -= 1) {
    const from = end + 8;
    addresses.push(view.getUint32(end, true));
    end = from + view.getUint32(end + 4, true);
    data.push(bytes.subarray(from, end));
  }
  return { data, addresses, end };
}

const find: Find = (bytes, mark, from) => {
  const [first] = mark;
  for (let at = from; at <= bytes.length - mark.length; at += 1) {
    if (bytes[at] !== first) continue;
    let same = 1;
    while (same < mark.length && bytes[at + same] === mark[same]) same += 1;
    if (same === mark.length) return at;
  }
  return -1;
};
