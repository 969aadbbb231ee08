/** The first byte of every image for the ESP8266 and the ESP32 (esptool documentation, "Firmware Image Format"). */
export const MAGIC = 0xe9;

/** The largest image, in bytes. Real devices have far less room for an application. */
export const MAX_IMAGE = 16 * 1024 * 1024;

/** The bytes around each text in an image, in hex (homie-esp8266 Homie.hpp, Homie_setFirmware and Homie_setBrand). */
export const MARKS = {
  name: ['bf84e41354', '93446ba775'],
  version: ['6a3f3e0ee1', 'b03048d41a'],
  brand: ['fb2af568c0', '6e2f0feb2d'],
} as const;

/** The longest text in an image, in bytes. Homie allows 32 (name; homie-esp8266 Limits.hpp); forks may allow more. */
export const MAX_TEXT = 64;

/** Offset of the flash mode in every image. */
export const FLASH_MODE = 2;

/** Offset of the chip id, a u16, in the header of an image for the ESP32 family. */
export const CHIP_ID = 12;

/** Chip names by chip id (esptool, IMAGE_CHIP_ID of each target). */
const CHIPS: Readonly<Record<number, string>> = {
  0: 'esp32',
  2: 'esp32s2',
  5: 'esp32c3',
  9: 'esp32s3',
  12: 'esp32c2',
  13: 'esp32c6',
  16: 'esp32h2',
  18: 'esp32p4',
  20: 'esp32c61',
  23: 'esp32c5',
  25: 'esp32h21',
  28: 'esp32h4',
  31: 'esp32e22',
  32: 'esp32s31',
};

/** Returns the name of a chip of the ESP32 family; `esp32-<id>` if the id is unknown. */
export function chipName(id: number): string {
  return CHIPS[id] ?? `esp32-${id}`;
}

/** Offset of the address of the first segment, a u32, in an image for the ESP8266. */
export const FIRST_ADDRESS = 8;

/**
 * Returns whether an image is for the ESP8266: its 8-byte header is followed by the address of the first segment, in
 * RAM, ROM or mapped flash. An image for the ESP32 has flash pin settings there, which are 0xEE or near 0.
 */
export function isEsp8266Address(address: number): boolean {
  return address >= 0x3ff00000 && address < 0x40400000;
}
