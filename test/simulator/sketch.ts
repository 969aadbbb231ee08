/** What the firmware determines about its own image, and what the image says of its firmware. */
import type { Convention, DialectName } from './dialects';

const APPLICATION = 0x1000;
const NAME = ['bf84e41354', '93446ba775'] as const;
const VERSION = ['6a3f3e0ee1', 'b03048d41a'] as const;

function between(image: Buffer, [before, after]: readonly [string, string]): string | undefined {
  const start = image.indexOf(Buffer.from(before, 'hex'));
  if (start < 0) return undefined;
  const from = start + before.length / 2;
  const end = image.indexOf(Buffer.from(after, 'hex'), from);
  return end < 0 ? undefined : image.toString('latin1', from, end);
}

/**
 * Reads `$fw/name` and `$fw/version` between the marks of Homie_setFirmware. Without marks they are `unmarked` and
 * `0.0.0`.
 */
export function readMarks(image: Buffer): { name: string; version: string } {
  return { name: between(image, NAME) ?? 'unmarked', version: between(image, VERSION) ?? '0.0.0' };
}

/**
 * Returns the part of an ESP8266 image whose MD5 is `$fw/checksum` (ESP.getSketchSize()): everything up to the checksum
 * byte behind the last segment of the application. For an image without an application at 0x1000 this is the whole
 * file.
 */
export function sketchOf(image: Buffer): Buffer {
  if (image[APPLICATION] !== 0xe9) return image;
  let end = APPLICATION + 8;
  for (let segments = image[APPLICATION + 1] ?? 0; segments > 0; segments--) {
    if (end + 8 > image.length) return image;
    end += 8 + image.readUInt32LE(end + 4);
  }
  return image.subarray(0, Math.ceil((end + 1) / 16) * 16);
}

/** Texts in the data of images, from the sources of their firmware (BootNormal.cpp, Validation.cpp, Constants.hpp). */
const BAD_ID = 'is not Homie ID-compliant';
/** Versions 3.3 to 3.6 go on after this warning. They are not simulated. */
const BAD_ID_KEPT = `${BAD_ID}; keeping it for backward compatibility`;
const NO_TLS = 'is not supported by espMqttClientAsync';
const RUNTIME_EXTENSION = 'io.github.labodj.esp-runtime';
/** Text of the original, and of the fork up to 3.7. */
const OTA_OFF = 'Aborting, OTA not enabled';

/** Returns the firmware that an image holds, if one of its texts says so. */
export function firmwareOf(image: Buffer): { dialect: DialectName; convention: Convention } | undefined {
  if (!image.includes(BAD_ID)) return image.includes(OTA_OFF) ? { dialect: '3', convention: 3 } : undefined;
  if (image.includes(BAD_ID_KEPT)) return undefined;
  return { dialect: image.includes(NO_TLS) ? '4' : '3.7', convention: image.includes(RUNTIME_EXTENSION) ? 5 : 3 };
}
