import { newMd5 } from './md5';
import { slices } from './slices';

/** MD5 of the parts one after the other, in lower-case hex: what a Homie device calls `$fw/checksum`. */
export async function md5(...parts: Buffer[]): Promise<string> {
  const hash = newMd5();
  for (const part of parts) {
    for await (const slice of slices(part)) hash.update(slice);
  }
  return hash.end();
}

/** XOR of all bytes, begun with `start`. */
export async function xor(bytes: Buffer, start: number): Promise<number> {
  let result = start;
  for await (const slice of slices(bytes)) result = xorSlice(slice, result);
  return result;
}

/**
 * CRC32 of the parts one after the other, as the Arduino core for ESP8266 takes it: polynomial 0x04C11DB7, begun with
 * 0xFFFFFFFF, highest bit first, nothing done at the end (esp8266/Arduino, tools/elf2bin.py, crc8266).
 */
export async function crc32(...parts: Buffer[]): Promise<number> {
  let crc = -1;
  for (const part of parts) {
    for await (const slice of slices(part)) crc = crcSlice(slice, crc);
  }
  return crc >>> 0;
}

// Loops by index and four bytes at a time: over millions of bytes, iterators and single bytes take several times as long.

function xorSlice(bytes: Buffer, start: number): number {
  const whole = bytes.length - (bytes.length % 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let words = 0;
  for (let index = 0; index < whole; index += 4) words ^= view.getInt32(index);
  let result = start ^ (words & 0xff) ^ ((words >>> 8) & 0xff) ^ ((words >>> 16) & 0xff) ^ (words >>> 24);
  for (let index = whole; index < bytes.length; index += 1) result ^= view.getUint8(index);
  return result;
}

function crcSlice(bytes: Buffer, start: number): number {
  const whole = bytes.length - (bytes.length % 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let crc = start;
  for (let index = 0; index < whole; index += 4) {
    const next = crc ^ view.getInt32(index);
    crc =
      entry(CRC_AFTER_3, next >>> 24) ^
      entry(CRC_AFTER_2, (next >>> 16) & 0xff) ^
      entry(CRC_AFTER_1, (next >>> 8) & 0xff) ^
      entry(CRC_TABLE, next & 0xff);
  }
  for (let index = whole; index < bytes.length; index += 1) {
    crc = (crc << 8) ^ entry(CRC_TABLE, (crc >>> 24) ^ view.getUint8(index));
  }
  return crc;
}

function entry(table: Int32Array, byte: number): number {
  return table[byte] ?? 0;
}

/** The CRC that a byte leaves. */
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc;
});

/** The same, when one, two or three zeros follow the byte. */
const CRC_AFTER_1 = followed(CRC_TABLE);
const CRC_AFTER_2 = followed(CRC_AFTER_1);
const CRC_AFTER_3 = followed(CRC_AFTER_2);

function followed(table: Int32Array): Int32Array {
  return table.map((crc) => (crc << 8) ^ entry(CRC_TABLE, crc >>> 24));
}
