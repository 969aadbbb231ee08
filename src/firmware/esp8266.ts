import { HomieError } from '../errors';
import { crc32 } from './checksum';
import { FIRST_ADDRESS, FLASH_MODE, isEsp8266Address, MAGIC } from './format';
import { checksumOf, hex, readSegments, requireChecksum, type Segments } from './segments';

const HEADER = 8;
/** Where the Arduino core puts the application. The boot image ends at or below this offset. */
const APPLICATION = 0x1000;
/** Where newer cores put the length and the CRC32 of the file: the first 8 bytes of the first application segment. */
const LENGTH = 0x1010;
const CRC = 0x1014;
const CODE = 0x1018;
/** The flash is mapped from this address on. */
const MAPPED = 0x40200000;

/** The highest flash mode, DOUT. */
const MAX_MODE = 3;

/** Flash sizes in bytes by the upper half of byte 3 (esptool, ESP8266ROM.FLASH_SIZES). */
const FLASH_SIZES: Readonly<Record<number, number>> = {
  0: 512 * 1024,
  1: 256 * 1024,
  2: 1024 * 1024,
  3: 2 * 1024 * 1024,
  4: 4 * 1024 * 1024,
  5: 2 * 1024 * 1024,
  6: 4 * 1024 * 1024,
  8: 8 * 1024 * 1024,
  9: 16 * 1024 * 1024,
};

/** Returns whether an image is for the ESP8266, from the address of its first segment. */
export function isEsp8266(image: Buffer): boolean {
  return isEsp8266Address(image.readUInt32LE(FIRST_ADDRESS));
}

/**
 * Checks an image for the ESP8266: a boot image at 0 that ends at or below 0x1000, and the application at 0x1000
 * (esp8266/Arduino, tools/elf2bin.py). Refuses anything else: the updater copies the file to flash address 0, where a
 * part of an image overwrites the boot loader. In ten real images (seven of them Homie, cores 2.3 to 3.x), the checksum
 * of the application was the last byte of the file, so every truncation is detected. Ignores what follows, such as a
 * signature or padding, as the boot loader does.
 *
 * @returns `end`: where the image ends by its structure, in bytes, as in `ESP.getSketchSize()`; `flashSize` in bytes;
 *   `segments`: those of the application
 * @throws {HomieError} FIRMWARE_TRUNCATED, FIRMWARE_DAMAGED, FIRMWARE_PART, FIRMWARE_FLASH_MODE, FIRMWARE_CHECKSUM,
 *   FIRMWARE_CRC
 */
export async function inspectEsp8266(
  image: Buffer,
): Promise<{ end: number; flashSize: number | undefined; segments: Segments }> {
  const flashSize = FLASH_SIZES[image.readUInt8(3) >> 4];
  const boot = readSegments(image, image.readUInt8(1), HEADER);
  // Checked before the checksum, which for an application is computed with length and CRC32 zeroed.
  const inFlash = image.readUInt32LE(FIRST_ADDRESS) >= MAPPED;
  if (boot.end > APPLICATION && inFlash) throw new HomieError('FIRMWARE_PART.application');
  requireChecksum(await checksumOf(boot), boot.checksum, 'bootImage');
  if (boot.end > APPLICATION) throw new HomieError('FIRMWARE_PART.firstFile');

  if (image.length < APPLICATION + HEADER) {
    throw new HomieError('FIRMWARE_TRUNCATED.noApplication', { size: image.length });
  }
  if (image[APPLICATION] !== MAGIC) throw new HomieError('FIRMWARE_DAMAGED.noApplication');
  const application = readSegments(image, image.readUInt8(APPLICATION + 1), APPLICATION + HEADER);
  await checkApplication(image, application);
  requireFlashMode(image.readUInt8(FLASH_MODE));
  return { end: application.end, flashSize, segments: application };
}

/**
 * Refuses any other flash mode: on core 2, the updater hashes 0xFF in its place (UpdaterClass::_writeBuffer), and Homie
 * answers `400 BAD_CHECKSUM`.
 *
 * @throws {HomieError} FIRMWARE_FLASH_MODE
 */
function requireFlashMode(mode: number): void {
  if (mode > MAX_MODE) throw new HomieError('FIRMWARE_FLASH_MODE.found', { mode: hex(mode) });
}

/**
 * Checks the checksum of an application, and its length and CRC32 if it has them. Older cores have code in their place,
 * so an application counts as having them only if one of the two is right. The CRC32 and the XOR checksum are computed
 * with these 8 bytes zeroed (esp8266/Arduino, tools/elf2bin.py, add_crc).
 *
 * @throws {HomieError} FIRMWARE_CHECKSUM, FIRMWARE_CRC
 */
async function checkApplication(image: Buffer, application: Segments): Promise<void> {
  const checksum = await checksumOf(application);
  const room = (application.data[0]?.length ?? 0) >= CODE - LENGTH;
  if (!room) return requireChecksum(checksum, application.checksum, 'application');

  const length = image.readUInt32LE(LENGTH);
  // A signature is appended after the length is stored, so the length may be that of the file or of the image.
  const known = length === application.end || length === image.length;
  const covered = known ? length : application.end;
  const zeros = Buffer.alloc(CODE - LENGTH);
  const crc = await crc32(image.subarray(0, LENGTH), zeros, image.subarray(CODE, covered));
  const stored = image.readUInt32LE(CRC);
  if (!known && crc !== stored) return requireChecksum(checksum, application.checksum, 'application');

  const lengthAndCrc = image.subarray(LENGTH, CODE).reduce((all, byte) => all ^ byte, 0);
  requireChecksum(checksum ^ lengthAndCrc, application.checksum, 'application');
  if (!known) throw new HomieError('FIRMWARE_CRC.length', { stated: length, actual: application.end });
  if (crc !== stored) throw new HomieError('FIRMWARE_CRC');
}
