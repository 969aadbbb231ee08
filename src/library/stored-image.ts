/** The description of an image in the library, without its bytes. */
import { HomieError } from '../errors';
import type { FirmwareInfo } from '../firmware/inspect';
import type { ImageFacts } from '../ota/image';
import { phrase, type Value } from '../texts/text';
import { versionOrChecksum } from '../update/firmware-name';

/** An image as plain data. `size` and `flashSize` are in bytes. */
export interface StoredImage extends Pick<FirmwareInfo, 'md5' | 'chip' | 'family' | 'size' | 'version'> {
  /** `$fw/name` of the devices that the image is for. */
  readonly name: string;
  readonly flashSize?: number;
  /** The MD5s that a device running the image may report besides `md5`: see `Firmware.checksums`. */
  readonly alternatives: readonly string[];
}

/**
 * Returns the description of an image.
 *
 * @throws {HomieError} NOT_HOMIE: the image has no firmware name
 */
export async function describeImage(firmware: ImageFacts): Promise<StoredImage> {
  const { md5, name, version, chip, family, flashSize, size } = firmware.info;
  if (name === undefined) throw new HomieError('NOT_HOMIE.nameless');
  const alternatives = [...(await firmware.checksums())].filter((checksum) => checksum !== md5);
  const known = { ...(version !== undefined && { version }), ...(flashSize !== undefined && { flashSize }) };
  return { md5, name, chip, family, size, ...known, alternatives };
}

/** Returns whether a device that reports this checksum runs the image. */
export function isRunBy(image: StoredImage, checksum: string | undefined): boolean {
  return checksum !== undefined && (checksum === image.md5 || image.alternatives.includes(checksum));
}

/** Returns whether two images are for the same devices: the same firmware name, chip and flash size. */
export function isForSame(one: StoredImage, other: StoredImage): boolean {
  return one.name === other.name && isBuiltFor(one, other);
}

/** Returns whether two images are for the same chip and flash size. */
export function isBuiltFor(one: StoredImage, other: StoredImage): boolean {
  return one.chip === other.chip && one.flashSize === other.flashSize;
}

/** Returns the version, chip and flash size of an image, for a text. */
export function imageText(image: StoredImage): Value {
  const { chip, flashSize } = image;
  return phrase('imageFor', { version: versionOrChecksum(image), chip, flash: flash(flashSize) });
}

/** Returns a flash size with its unit, for a text. */
export function flash(bytes: number | undefined): Value {
  if (bytes === undefined) return phrase('flashUnknown');
  const megabytes = bytes / (1024 * 1024);
  return phrase('flashSize', megabytes < 1 ? { size: bytes / 1024, unit: 'kB' } : { size: megabytes, unit: 'MB' });
}

/** Returns whether a stored value is the description of an image. A file may be damaged. */
export function isStoredImage(value: unknown): value is StoredImage {
  const {
    md5,
    name,
    version,
    chip,
    family,
    flashSize,
    size,
    alternatives,
  }: Partial<Record<keyof StoredImage, unknown>> = Object(value);
  return (
    isMd5(md5) &&
    typeof name === 'string' &&
    (version === undefined || typeof version === 'string') &&
    typeof chip === 'string' &&
    (family === 'esp8266' || family === 'esp32') &&
    (flashSize === undefined || isSize(flashSize)) &&
    isSize(size) &&
    Array.isArray(alternatives) &&
    alternatives.every(isMd5)
  );
}

function isSize(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

export function isMd5(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
}
