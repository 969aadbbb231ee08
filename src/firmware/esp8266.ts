import { HomieError } from '../errors';
import { crc32 } from './checksum';
import { FIRST_ADDRESS, isEsp8266Address, MAGIC } from './format';
import { checksumOf, readSegments, requireBytes, requireChecksum, type Segments } from './segments';

const HEADER = 8;
/** Where the Arduino core puts the application; the boot image below it ends before. */
const APPLICATION = 0x1000;
/** Where newer cores put the file's length and its CRC32: the first 8 bytes of the application's first segment. */
const LENGTH = 0x1010;
const CRC = 0x1014;
const CODE = 0x1018;

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
 * Checks an image for the ESP8266. The Arduino core's has a boot image at 0 and the application at 0x1000
 * (esp8266/Arduino, tools/elf2bin.py); of others there is a single image at 0, and it is longer than that. On ten real
 * images (seven of them Homie, cores 2.3 to 3.x) the application's checksum was the last byte of the file, so that
 * every truncation shows. Where something follows (a signature, padding), it is not looked at: the boot loader does
 * not either.
 *
 * @returns `end`: where the image ends by its structure, in bytes, as `ESP.getSketchSize()` reckons it;
 *   `flashSize` in bytes
 * @throws {HomieError} FIRMWARE_TRUNCATED, FIRMWARE_DAMAGED, FIRMWARE_CHECKSUM, FIRMWARE_CRC
 */
export async function inspectEsp8266(image: Buffer): Promise<{ end: number; flashSize: number | undefined }> {
  const flashSize = FLASH_SIZES[image.readUInt8(3) >> 4];
  const boot = readSegments(image, image.readUInt8(1), HEADER);
  requireChecksum(await checksumOf(boot), boot.checksum, 'the image at 0');
  if (boot.end > APPLICATION) return { end: boot.end, flashSize };

  requireBytes(image, APPLICATION + HEADER, "the application's header");
  if (image[APPLICATION] !== MAGIC) {
    throw new HomieError('FIRMWARE_DAMAGED', 'There is no application at 0x1000, where the boot image expects it.');
  }
  const application = readSegments(image, image.readUInt8(APPLICATION + 1), APPLICATION + HEADER);
  await checkApplication(image, application);
  return { end: application.end, flashSize };
}

/**
 * Whether an application carries length and CRC32 can only be told by one of the two being right: older cores have
 * code there. Both are reckoned with these 8 bytes zeroed, and so is the XOR checksum (esp8266/Arduino,
 * tools/elf2bin.py, add_crc).
 */
async function checkApplication(image: Buffer, application: Segments): Promise<void> {
  const checksum = await checksumOf(application);
  const room = (application.data[0]?.length ?? 0) >= CODE - LENGTH;
  if (!room) return requireChecksum(checksum, application.checksum, 'the application');

  const length = image.readUInt32LE(LENGTH);
  // A signature is put behind an image whose length is already in it, so the length may be the file's or the image's.
  const known = length === application.end || length === image.length;
  const covered = known ? length : application.end;
  const zeros = Buffer.alloc(CODE - LENGTH);
  const crc = await crc32(image.subarray(0, LENGTH), zeros, image.subarray(CODE, covered));
  const stored = image.readUInt32LE(CRC);
  if (!known && crc !== stored) return requireChecksum(checksum, application.checksum, 'the application');

  const lengthAndCrc = image.subarray(LENGTH, CODE).reduce((all, byte) => all ^ byte, 0);
  requireChecksum(checksum ^ lengthAndCrc, application.checksum, 'the application');
  if (!known) {
    throw new HomieError(
      'FIRMWARE_CRC',
      `The image says that it has ${length} bytes, but it has ${application.end}: it is damaged.`,
    );
  }
  if (crc !== stored) throw new HomieError('FIRMWARE_CRC');
}
