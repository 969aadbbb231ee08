import SparkMD5 from 'spark-md5';
import { slices } from './slices';

/**
 * MD5 of the parts one after the other, in lower-case hex: what a Homie device calls `$fw/checksum`. spark-md5 does it,
 * since node:crypto has no MD5 where FIPS forbids it.
 */
export async function md5(...parts: Buffer[]): Promise<string> {
  const hash = new SparkMD5.ArrayBuffer();
  for (const part of parts) {
    // The copy matters: a Buffer may be a view into a larger pool, and spark-md5 takes a whole ArrayBuffer.
    for await (const slice of slices(part)) hash.append(new Uint8Array(slice).buffer);
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

// Loops by index: over millions of bytes, iterators take several times as long.

function xorSlice(bytes: Buffer, start: number): number {
  let result = start;
  for (let index = 0; index < bytes.length; index += 1) result ^= bytes[index] ?? 0;
  return result;
}

function crcSlice(bytes: Buffer, start: number): number {
  let crc = start;
  for (let index = 0; index < bytes.length; index += 1) {
    crc = (crc << 8) ^ (CRC_TABLE[(crc >>> 24) ^ (bytes[index] ?? 0)] ?? 0);
  }
  return crc;
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc;
});
