import { HomieError } from '../errors';
import { phrase, type Text } from '../texts/text';
import { xor } from './checksum';
import { MAX_IMAGE } from './format';

/** The most segments that a boot loader accepts (esptool, BaseFirmwareImage.verify). */
const MAX_SEGMENTS = 16;
const SEGMENT_HEADER = 8;
const BLOCK = 16;

/** The segments of an image and what follows them. Offsets and lengths in bytes. */
export interface Segments {
  /** The bytes of each segment, as views into the image. */
  readonly data: readonly Buffer[];
  /** The address of each segment in the memory of the chip. */
  readonly addresses: readonly number[];
  /** The XOR checksum that is stored in the image. */
  readonly checksum: number;
  /** Offset of the first byte after the checksum. */
  readonly end: number;
}

/**
 * Reads the segments of an image: `u32 address, u32 length, bytes` each, then the checksum as the last byte of a
 * 16-byte block (esptool documentation, "Firmware Image Format"). Trusts lengths only as far as the file reaches.
 *
 * @param count the number of segments in the header of the image
 * @param start offset of the first segment, in bytes
 * @throws {HomieError} FIRMWARE_TRUNCATED: the file ends too early; FIRMWARE_DAMAGED: a count or length is impossible
 */
export function readSegments(image: Buffer, count: number, start: number): Segments {
  if (count < 1 || count > MAX_SEGMENTS) {
    throw new HomieError('FIRMWARE_DAMAGED.segmentCount', { count });
  }
  const data: Buffer[] = [];
  const addresses: number[] = [];
  let offset = start;
  for (let number = 1; number <= count; number += 1) {
    const segment = phrase('partSegment', { number, count });
    requireBytes(image, offset + SEGMENT_HEADER, segment);
    const length = image.readUInt32LE(offset + 4);
    if (length > MAX_IMAGE) throw new HomieError('FIRMWARE_DAMAGED.segmentLength', { number, count, length });
    addresses.push(image.readUInt32LE(offset));
    offset += SEGMENT_HEADER;
    requireBytes(image, offset + length, segment);
    data.push(image.subarray(offset, offset + length));
    offset += length;
  }
  const end = offset - (offset % BLOCK) + BLOCK;
  requireBytes(image, end, phrase('partChecksum'));
  return { data, addresses, checksum: image.readUInt8(end - 1), end };
}

/** @throws {HomieError} FIRMWARE_TRUNCATED: the file ends before `end` (bytes) */
export function requireBytes(image: Buffer, end: number, part: Text): void {
  if (image.length < end) throw new HomieError('FIRMWARE_TRUNCATED.part', { part, end, size: image.length });
}

/** Returns the XOR checksum that the segments should have: starting from 0xEF, over their bytes without headers. */
export async function checksumOf(segments: Segments): Promise<number> {
  let checksum = 0xef;
  for (const data of segments.data) checksum = await xor(data, checksum);
  return checksum;
}

/** @throws {HomieError} FIRMWARE_CHECKSUM: the two differ */
export function requireChecksum(actual: number, stored: number, what: 'image' | 'bootImage' | 'application'): void {
  if (actual === stored) return;
  throw new HomieError(`FIRMWARE_CHECKSUM.${what}`, { stored: hex(stored), actual: hex(actual) });
}

/** Returns a byte as text, such as `0x0f`. */
export function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}
