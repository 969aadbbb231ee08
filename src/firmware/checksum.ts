import { newMd5 } from './md5';
import { slices } from './slices';

/** Returns the MD5 of the parts in sequence, in lower-case hex: what a Homie device reports as `$fw/checksum`. */
export async function md5(...parts: Buffer[]): Promise<string> {
  const hash = newMd5();
  for (const part of parts) {
    for await (const slice of slices(part)) hash.update(slice);
  }
  return hash.end();
}

/** Returns the XOR of all bytes, starting from `start`. */
export async function xor(bytes: Buffer, start: number): Promise<number> {
  let result = start;
  for await (const slice of slices(bytes)) result = xorSlice(slice, result);
  return result;
}

/**
 * Returns the CRC32 of the parts in sequence, as the Arduino core for ESP8266 computes it: polynomial 0x04C11DB7,
 * initial value 0xFFFFFFFF, most significant bit first, no final XOR (esp8266/Arduino, tools/elf2bin.py, crc8266).
 */
export async function crc32(...parts: Buffer[]): Promise<number> {
  let crc = -1;
  for (const part of parts) {
    for await (const slice of slices(part)) crc = crcSlice(slice, crc);
  }
  return crc >>> 0;
}

// Loops by index over several words at a time: for millions of bytes, iterators and single bytes are much slower.

function xorSlice(bytes: Buffer, start: number): number {
  // An Int32Array must start at a multiple of 4 bytes.
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, Math.floor(aligned.length / 4));
  const whole = words.length - (words.length % 4);
  let all = 0;
  for (let index = 0; index < whole; index += 4) {
    all ^= (words[index] ?? 0) ^ (words[index + 1] ?? 0) ^ (words[index + 2] ?? 0) ^ (words[index + 3] ?? 0);
  }
  let result = start ^ (all & 0xff) ^ ((all >>> 8) & 0xff) ^ ((all >>> 16) & 0xff) ^ (all >>> 24);
  for (let index = whole * 4; index < bytes.length; index += 1) result ^= bytes[index] ?? 0;
  return result;
}

function crcSlice(bytes: Buffer, start: number): number {
  const whole = bytes.length - (bytes.length % 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let crc = start;
  for (let index = 0; index < whole; index += 8) {
    const one = crc ^ view.getInt32(index);
    const two = view.getInt32(index + 4);
    crc =
      entry(7, one >>> 24) ^
      entry(6, (one >>> 16) & 0xff) ^
      entry(5, (one >>> 8) & 0xff) ^
      entry(4, one & 0xff) ^
      entry(3, two >>> 24) ^
      entry(2, (two >>> 16) & 0xff) ^
      entry(1, (two >>> 8) & 0xff) ^
      entry(0, two & 0xff);
  }
  for (let index = whole; index < bytes.length; index += 1) {
    crc = (crc << 8) ^ entry(0, (crc >>> 24) ^ view.getUint8(index));
  }
  return crc;
}

/** Returns the CRC of a byte that is followed by `zeros` zero bytes. */
function entry(zeros: number, byte: number): number {
  return CRC_TABLE[zeros * 256 + byte] ?? 0;
}

const CRC_TABLE = new Int32Array(8 * 256);
for (let byte = 0; byte < 256; byte += 1) {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  CRC_TABLE[byte] = crc;
}
for (let index = 256; index < CRC_TABLE.length; index += 1) {
  const before = CRC_TABLE[index - 256] ?? 0;
  CRC_TABLE[index] = (before << 8) ^ entry(0, before >>> 24);
}
