import { HomieError } from '../errors';
import { phrase } from '../texts/text';
import { md5 } from './checksum';
import { inspectEsp32 } from './esp32';
import { inspectEsp8266, isEsp8266 } from './esp8266';
import { FLASH_MODE, MAGIC, MAX_IMAGE } from './format';
import { readMarks, type Find } from './marks';
import { otherFile, refuseWholeFlash } from './other-file';
import { requireBytes, type Segments } from './segments';

type FlashMode = 'QIO' | 'QOUT' | 'DIO' | 'DOUT' | 'unknown';

export interface FirmwareInfo {
  /** `esp8266`, `esp32`, `esp32s2`, `esp32c3` and so on; `esp32-<id>` for an unknown chip id. */
  readonly chip: string;
  /** The `$implementation` of a device that can run the image. */
  readonly family: 'esp8266' | 'esp32';
  /** The size of the file, in bytes. */
  readonly size: number;
  /** Where the image ends by its structure, in bytes. A signature, padding or garbage may follow. */
  readonly end: number;
  /** MD5 of the whole file, in lower case. */
  readonly md5: string;
  readonly flashMode: FlashMode;
  /** Bytes. */
  readonly flashSize: number | undefined;
  /** Whether the image carries the signature of Homie for ESP8266. */
  readonly homie: boolean;
  readonly name?: string;
  readonly version?: string;
  readonly brand?: string;
  /** As in {@link Marks}. */
  readonly checksNames?: true;
  readonly refusesTls?: true;
  readonly convention5?: true;
}

/** Flash modes by byte 2 of an image, for the ESP8266 and the ESP32 (esptool, FLASH_MODES). */
const FLASH_MODES: readonly FlashMode[] = ['QIO', 'QOUT', 'DIO', 'DOUT'];

const SMALLEST_HEADER = 12;

/**
 * Checks the structure of a plain image and returns what is known of it. Yields to the event loop meanwhile.
 *
 * @throws {HomieError} FIRMWARE_EMPTY, FIRMWARE_TOO_LARGE, FIRMWARE_MAGIC, FIRMWARE_TRUNCATED, FIRMWARE_DAMAGED,
 *   FIRMWARE_FACTORY, FIRMWARE_DUMP, FIRMWARE_PART, FIRMWARE_FLASH_MODE, FIRMWARE_CHECKSUM, FIRMWARE_CRC,
 *   FIRMWARE_SHA256
 */
export async function inspect(image: Buffer): Promise<FirmwareInfo> {
  if (image.length === 0) throw new HomieError('FIRMWARE_EMPTY');
  if (image.length > MAX_IMAGE) throw new HomieError('FIRMWARE_TOO_LARGE');
  if (image[0] !== MAGIC) throw otherFile(image) ?? new HomieError('FIRMWARE_MAGIC');
  requireBytes(image, SMALLEST_HEADER, phrase('partHeader'));
  const [{ segments, ...structure }, checksum] = await Promise.all([structureOf(image), md5(image)]);
  refuseWholeFlash(image, structure.end);
  return {
    ...structure,
    size: image.length,
    md5: checksum,
    flashMode: FLASH_MODES[image.readUInt8(FLASH_MODE)] ?? 'unknown',
    ...readMarks(image.subarray(0, structure.end), find, segments),
  };
}

/** Searches with `Buffer.indexOf`, which is many times faster than a loop. */
export const find: Find = ({ buffer, byteOffset, length }, mark, from) =>
  Buffer.from(buffer, byteOffset, length).indexOf(mark, from);

async function structureOf(
  image: Buffer,
): Promise<Pick<FirmwareInfo, 'chip' | 'family' | 'end' | 'flashSize'> & { readonly segments: Segments }> {
  return isEsp8266(image)
    ? { chip: 'esp8266', family: 'esp8266', ...(await inspectEsp8266(image)) }
    : { family: 'esp32', ...(await inspectEsp32(image)) };
}
