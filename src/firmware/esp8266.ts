import { HomieError } from '../errors';
import { crc32 } from './checksum';
import { FIRST_ADDRESS, FLASH_MODE, isEsp8266Address, MAGIC } from './format';
import { checksumOf, hex, readSegments, requireChecksum, type Segments } from './segments';

const HEADER = 8;
/** Where the Arduino core puts the application; the boot image below it ends before. */
const APPLICATION = 0x1000;
/** Where newer cores put the file's length and its CRC32: the first 8 bytes of the application's first segment. */
const LENGTH = 0x1010;
const CRC = 0x1014;
const CODE = 0x1018;
/** From here on the flash is mapped. */
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

/** Whether an image is for the ESP8266. */
export function isEsp8266(image: Buffer): boolean {
  return isEsp8266Address(image.readUInt32LE(FIRST_ADDRESS));
}

/**
 * Checks an image for the ESP8266: a boot image at 0 that ends at or below 0x1000, and the application there
 * (esp8266/Arduino, tools/elf2bin.py). Anything else is refused: the updater copies the file to flash address 0, where
 * a part of an image overwrites the boot loader. On ten real images (seven of them Homie, cores 2.3 to 3.x) the
 * application's checksum was the last byte of the file, so that every truncation shows. Where something follows (a
 * signature, padding), it is not looked at: the boot loader does not either.
 *
 * @returns `end`: where the image ends by its structure, in bytes, as `ESP.getSketchSize()` reckons it;
 *   `flashSize` in bytes; `segments`: those of the application
 * @throws {HomieError} FIRMWARE_TRUNCATED, FIRMWARE_DAMAGED, FIRMWARE_PART, FIRMWARE_FLASH_MODE, FIRMWARE_CHECKSUM,
 *   FIRMWARE_CRC
 */
export async function inspectEsp8266(
  image: Buffer,
): Promise<{ end: number; flashSize: number | undefined; segments: Segments }> {
  const flashSize = FLASH_SIZES[image.readUInt8(3) >> 4];
  const boot = readSegments(image, image.readUInt8(1), HEADER);
  // Before the checksum: that of an application is taken with length and CRC32 zeroed.
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
 * Homie answers any other mode with `400 BAD_CHECKSUM` on core 2: the updater hashes 0xFF in its place
 * (UpdaterClass::_writeBuffer).
 */
function requireFlashMode(mode: number): void {
  if (mode > MAX_MODE) throw new HomieError('FIRMWARE_FLASH_MODE.found', { mode: hex(mode) });
}

/**
 * Whether an application carries length and CRC32 can only be told by one of the two being right: older cores have
 * code there. Both are reckoned with these 8 bytes zeroed, and so is the XOR checksum (esp8266/Arduino,
 * tools/elf2bin.py, add_crc).
 */
async function checkApplication(image: Buffer, application: Segments): Promise<void> {
  const checksum = await checksumOf(application);
  const room = (application.data[0]?.length ?? 0) >= CODE - LENGTH;
  if (!room) return requireChecksum(checksum, application.checksum, 'application');

  const length = image.readUInt32LE(LENGTH);
  // A signature is put behind an image whose length is already in it, so the length may be the file's or the image's.
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
