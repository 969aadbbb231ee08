/** Recognizes files given by mistake as an image. No error contains bytes of the file, which may hold secrets. */
import { HomieError } from '../errors';
import type { ErrorKey, Values } from '../texts/text';

const SECTOR = 0x1000;

/** Returns an error that names the kind of binary data that does not begin like an image; undefined if unknown. */
export function otherFile(bytes: Buffer): HomieError | undefined {
  const table = partitionsOf(bytes);
  return table === undefined ? kindAmong(files, bytes) : wholeFlash(bytes, table);
}

/** Returns an error that names the kind of data that begins as text, from that beginning; undefined if unknown. */
export function otherText(bytes: Buffer): HomieError | undefined {
  return kindAmong(texts, bytes);
}

/**
 * Refuses an image that is only the beginning of the file: a boot loader of the ESP32 family, followed by its partition
 * table, or the whole flash of a device.
 *
 * @param end where the image ends by its structure, in bytes
 * @throws {HomieError} FIRMWARE_FACTORY, FIRMWARE_DUMP
 */
export function refuseWholeFlash(bytes: Buffer, end: number): void {
  const table = partitionsOf(bytes);
  if (table !== undefined && end <= table.offset) throw wholeFlash(bytes, table);
  // A signature or padding is shorter, or does not end at a sector.
  const isWhole = bytes.length % SECTOR === 0 && bytes.length - end >= 16 * SECTOR;
  if (isWhole && !isBlank(bytes.subarray(end))) throw new HomieError('FIRMWARE_DUMP');
}

interface Kind {
  readonly is: (bytes: Buffer) => boolean;
  readonly key: ErrorKey;
  readonly values?: Values;
}

const texts: readonly Kind[] = [
  { is: isIntelHex, key: 'FIRMWARE_IS_TEXT.intelHex' },
  { is: isMultipart, key: 'FIRMWARE_IS_TEXT.form' },
];

const files: readonly Kind[] = [
  { is: begins('PK\x03\x04', 'PK\x05\x06'), key: 'FIRMWARE_MAGIC.zip' },
  { is: begins('\x7fELF'), key: 'FIRMWARE_MAGIC.elf' },
  { is: begins('UF2\n'), key: 'FIRMWARE_MAGIC.uf2' },
  { is: isLittleFs, key: 'FIRMWARE_MAGIC.fileSystem', values: { type: 'LittleFS' } },
  { is: isSpiffs, key: 'FIRMWARE_MAGIC.fileSystem', values: { type: 'SPIFFS' } },
];

function kindAmong(kinds: readonly Kind[], bytes: Buffer): HomieError | undefined {
  const kind = kinds.find(({ is }) => is(bytes));
  return kind && new HomieError(kind.key, kind.values);
}

function begins(...marks: string[]): (bytes: Buffer) => boolean {
  return (bytes) => marks.some((mark) => bytes.toString('latin1', 0, mark.length) === mark);
}

/** Each record is a colon, then count, address, type, data and checksum in hex digits. */
function isIntelHex(bytes: Buffer): boolean {
  return /^\s*:[0-9a-f]{10,}\s*(?:\n|$)/i.test(bytes.toString('latin1', 0, 600));
}

/** RFC 2046, section 5.1.1: two hyphens, the boundary, the header fields of the first part. */
function isMultipart(bytes: Buffer): boolean {
  return /^(?:\r?\n)?--[^\r\n]{1,70}\r?\nContent-[a-z-]+:/i.test(bytes.toString('latin1', 0, 200));
}

/** The superblock, in one of the first two blocks, holds the name (littlefs, SPEC.md). */
function isLittleFs(bytes: Buffer): boolean {
  return [0, SECTOR, 2 * SECTOR].some((block) => bytes.toString('latin1', block + 8, block + 16) === 'littlefs');
}

/** The last but one lookup entry of each block is a 16-bit magic number (spiffs_nucleus.h, SPIFFS_MAGIC). */
function isSpiffs(bytes: Buffer): boolean {
  const PAGE = 256;
  const ENTRY = 2;
  return [SECTOR, 2 * SECTOR, 4 * SECTOR, 8 * SECTOR, 16 * SECTOR].some((block) => {
    const count = bytes.length / block;
    if (count < 2 || !Number.isInteger(count)) return false;
    const lookup = Math.max(1, Math.floor(((block / PAGE) * ENTRY) / PAGE)) * PAGE;
    const magics = [0, 1].map((index) => bytes.readUInt16LE(index * block + lookup - 2 * ENTRY));
    return [0, count].some((length) =>
      magics.every((magic, index) => magic === ((0x0529 ^ PAGE ^ (length && length - index)) & 0xffff)),
    );
  });
}

interface Partitions {
  /** The offset of the table, in bytes. */
  readonly offset: number;
  readonly entries: readonly {
    readonly type: number;
    readonly subtype: number;
    readonly start: number;
    readonly size: number;
  }[];
}

/** Offsets of the table in a file that starts at flash address 0, or at 0x1000 like the boot loader of the ESP32. */
const TABLES = [0x8000, 0x7000];
const ENTRY_BYTES = 32;
/** ESP-IDF, "Partition Tables": 3072 bytes. */
const MAX_ENTRIES = 96;

/**
 * Reads the partition table of a factory image (ESP-IDF, esp_partition_info_t): 0xAA 0x50, type, subtype, offset, size,
 * label. Partitions do not overlap (ESP-IDF, gen_esp32part.py), so reading all of them takes no longer than reading the
 * file.
 */
function partitionsOf(bytes: Buffer): Partitions | undefined {
  for (const offset of TABLES) {
    const entries: Partitions['entries'][number][] = [];
    for (let at = offset; at + ENTRY_BYTES <= bytes.length && entries.length < MAX_ENTRIES; at += ENTRY_BYTES) {
      if (bytes.readUInt16LE(at) !== 0x50aa) break;
      const [type, subtype] = [bytes.readUInt8(at + 2), bytes.readUInt8(at + 3)];
      const [start, size] = [bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 8)];
      if (start === 0 || start % SECTOR !== 0 || size === 0) break;
      if (entries.some((other) => start < other.start + other.size && other.start < start + size)) break;
      entries.push({ type, subtype, start, size });
    }
    if (entries.length > 0) return { offset, entries };
  }
  return undefined;
}

/** Distinguishes a factory image, whose data partitions are empty, from a dump of a device, which holds settings. */
function wholeFlash(bytes: Buffer, { offset, entries }: Partitions): HomieError {
  const shift = 0x8000 - offset;
  const isUsed = entries.some(
    ({ type, subtype, start, size }) =>
      type === DATA && subtype === NVS && !isBlank(bytes.subarray(start - shift, start - shift + size)),
  );
  return new HomieError(isUsed ? 'FIRMWARE_DUMP' : 'FIRMWARE_FACTORY');
}

const DATA = 1;
const NVS = 2;

const ERASED = Buffer.alloc(16 * SECTOR, 0xff);

/** Whether the bytes are only padding. Comparing whole runs is a hundred times faster than comparing single bytes. */
function isBlank(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += ERASED.length) {
    const run = bytes.subarray(at, at + ERASED.length);
    if (!run.equals(ERASED.subarray(0, run.length)) && !isPadding(run)) return false;
  }
  return true;
}

function isPadding(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte !== 0xff && byte !== 0) return false;
  return true;
}
