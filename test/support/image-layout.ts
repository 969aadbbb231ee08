import { createHash } from 'node:crypto';

/** A piece of an image, and the address to which the chip loads it. */
export interface Segment {
  readonly address: number;
  readonly data: Buffer;
}

/** Address to which an ESP8266 maps byte 0 of its flash. */
const FLASH_START = 0x40200000;
/** Offset of the application in an image of the Arduino core for ESP8266, in bytes. */
export const APPLICATION = 0x1000;
/** Bytes that an application needs besides the data of its segments. The block with the checksum adds at most 16. */
export const OVERHEAD = { header: 8, segment: 8, block: 16 } as const;
/** Address of the code if it is the first segment of the application. */
export const FIRST_CODE = FLASH_START + APPLICATION + OVERHEAD.header + OVERHEAD.segment;

export interface Esp8266Layout {
  /** Byte 2 of both headers: 0 QIO, 1 QOUT, 2 DIO, 3 DOUT. */
  readonly flashMode: number;
  /** Byte 3 of both headers: flash size in the upper half, frequency in the lower one. */
  readonly flashSizeAndFrequency: number;
  readonly boot: { readonly entry: number; readonly segments: readonly Segment[] };
  readonly application: { readonly entry: number; readonly segments: readonly Segment[] };
  /** Whether length and CRC32, at 0x1010, replace the first 8 bytes of the application's first segment. */
  readonly crc: boolean;
}

/**
 * Lays out an image as the Arduino core for ESP8266 does (its tools/elf2bin.py): the boot image at 0, 0xAA up to
 * 0x1000, the application there.
 */
export function layOutEsp8266({ boot, application, ...layout }: Esp8266Layout): Buffer {
  const bootImage = layOutPart({ ...layout, ...boot });
  if (bootImage.length > APPLICATION) throw new RangeError('The boot image does not fit below the application.');
  const gap = Buffer.alloc(APPLICATION - bootImage.length, 0xaa);
  const segments = layout.crc ? withoutCrc(application.segments) : application.segments;
  const image = Buffer.concat([bootImage, gap, layOutPart({ ...layout, entry: application.entry, segments })]);
  if (layout.crc) {
    const crc = crc32(image);
    image.writeUInt32LE(image.length, 0x1010);
    image.writeUInt32LE(crc, 0x1014);
  }
  return image;
}

/** Lays out one image for the ESP8266 by itself: a boot image, an application, or the first file of `elf2image`. */
export function layOutPart({
  entry,
  segments,
  ...layout
}: Omit<Esp8266Layout, 'boot' | 'application' | 'crc'> & Esp8266Layout['boot']): Buffer {
  const header = Buffer.alloc(OVERHEAD.header);
  header.set([0xe9, segments.length, layout.flashMode, layout.flashSizeAndFrequency]);
  header.writeUInt32LE(entry, 4);
  return withSegments(header, segments);
}

interface Esp32Layout {
  readonly flashMode: number;
  readonly flashSizeAndFrequency: number;
  readonly entry: number;
  readonly chipId: number;
  readonly segments: readonly Segment[];
  /** Whether the image ends with the SHA-256 of everything before. */
  readonly sha256: boolean;
}

/** Lays out an application image for the ESP32 family, as esptool does: a header of 24 bytes, then the segments. */
export function layOutEsp32({ segments, ...layout }: Esp32Layout): Buffer {
  const header = Buffer.alloc(24);
  header.set([0xe9, segments.length, layout.flashMode, layout.flashSizeAndFrequency]);
  header.writeUInt32LE(layout.entry, 4);
  header[8] = 0xee;
  header.writeUInt16LE(layout.chipId, 12);
  header[23] = layout.sha256 ? 1 : 0;
  const image = withSegments(header, segments);
  return layout.sha256 ? Buffer.concat([image, createHash('sha256').update(image).digest()]) : image;
}

/** Joins header, segments, and the XOR checksum as the last byte of a block of 16. */
function withSegments(header: Buffer, segments: readonly Segment[]): Buffer {
  const parts = [header];
  let checksum = 0xef;
  for (const { address, data } of segments) {
    const head = Buffer.alloc(OVERHEAD.segment);
    head.writeUInt32LE(address, 0);
    head.writeUInt32LE(data.length, 4);
    parts.push(head, data);
    for (const byte of data) checksum ^= byte;
  }
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const padding = Buffer.alloc(OVERHEAD.block - (length % OVERHEAD.block));
  padding[padding.length - 1] = checksum;
  return Buffer.concat([...parts, padding]);
}

function withoutCrc([first, ...others]: readonly Segment[]): Segment[] {
  if (first === undefined) throw new RangeError('Length and CRC32 need a first segment.');
  return [{ address: first.address, data: Buffer.from(first.data).fill(0, 0, 8) }, ...others];
}

/**
 * CRC32 as the Arduino core takes it: polynomial 0x04C11DB7, from 0xFFFFFFFF, highest bit first, nothing at the end.
 */
function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc << 8) ^ (ofByte[(crc >>> 24) ^ byte] ?? 0);
  return crc >>> 0;
}

/** The CRC of each value of a byte. */
const ofByte = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc;
});
