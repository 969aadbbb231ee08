import { subtle } from 'node:crypto';
import { HomieError } from '../errors';
import { phrase } from '../texts/text';
import { CHIP_ID, chipName } from './format';
import { checksumOf, readSegments, requireBytes, requireChecksum, type Segments } from './segments';

const HEADER = 24;
const SHA256 = 32;

/**
 * Checks an application image for a chip of the ESP32 family: a 24-byte header, the segments, their checksum, and a
 * SHA-256 of all that if byte 23 is 1 (ESP-IDF, "App Image Format"). Ignores what follows.
 *
 * @returns the name of the chip, `esp32-<id>` if the id is unknown; `end`: where the image ends by its structure, and
 *   `flashSize`, both in bytes
 * @throws {HomieError} FIRMWARE_TRUNCATED, FIRMWARE_DAMAGED, FIRMWARE_CHECKSUM, FIRMWARE_SHA256
 */
export async function inspectEsp32(
  image: Buffer,
): Promise<{ chip: string; end: number; flashSize: number | undefined; segments: Segments }> {
  requireBytes(image, HEADER, phrase('partHeader'));
  const chip = chipName(image.readUInt16LE(CHIP_ID));
  const flashSize = flashSizeOf(image.readUInt8(3) >> 4);
  const segments = readSegments(image, image.readUInt8(1), HEADER);
  requireChecksum(await checksumOf(segments), segments.checksum, 'image');

  const hashed = image.readUInt8(23);
  if (hashed === 0) return { chip, end: segments.end, flashSize, segments };
  if (hashed !== 1) throw new HomieError('FIRMWARE_DAMAGED.sha256Flag', { value: hashed });
  const end = segments.end + SHA256;
  requireBytes(image, end, phrase('partSha256'));
  // `digest` runs in another thread.
  const hash = Buffer.from(await subtle.digest('SHA-256', image.subarray(0, segments.end)));
  if (!hash.equals(image.subarray(segments.end, end))) throw new HomieError('FIRMWARE_SHA256');
  return { chip, end, flashSize, segments };
}

/** Returns 1 MiB to 128 MiB for the codes 0 to 7 (esptool, ESP32ROM.FLASH_SIZES). */
function flashSizeOf(code: number): number | undefined {
  return code <= 7 ? 1024 * 1024 * 2 ** code : undefined;
}
