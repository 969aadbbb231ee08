/** An image as esptool-js reads it. */
interface EsptoolImage {
  readonly segments: readonly { readonly address: number; readonly length: number }[];
  readonly flashMode: number;
  readonly chipId: number | undefined;
  readonly hashed: boolean | undefined;
  /** The checksum in the image; `expectedChecksum` is the computed one. */
  readonly checksum: number;
  readonly expectedChecksum: number;
  /** Offset of the first byte behind the checksum. */
  readonly end: number;
}

/**
 * Reads an image with esptool-js, which tests use as an oracle. Ignores the SHA-256, which version 0.7.0 reads one byte
 * too early.
 */
export async function readByEsptool(family: 'esp8266' | 'esp32', bytes: Buffer): Promise<EsptoolImage> {
  const { alignFilePosition } = await import('esptool-js/lib/image/base.js');
  const image = await (family === 'esp8266' ? emptyEsp8266() : emptyEsp32());
  // This method would print warnings about addresses.
  image.warnIfUnusualSegment = () => undefined;
  await image.loadFromFile(new Uint8Array(bytes));
  const segments = image.segments.map(({ addr, data }) => ({ address: addr, length: data.length }));
  const last = image.segments.at(-1);
  return {
    segments,
    flashMode: image.flashMode,
    chipId: 'chipId' in image ? image.chipId : undefined,
    hashed: 'appendDigest' in image ? image.appendDigest : undefined,
    checksum: image.checksum,
    expectedChecksum: image.calculateChecksum(),
    end: alignFilePosition((last?.fileOffs ?? 0) + 8 + (last?.data.length ?? 0), 16) + 1,
  };
}

async function emptyEsp8266() {
  const { ESP8266ROMFirmwareImage } = await import('esptool-js/lib/image/esp8266.js');
  const { ESP8266ROM } = await import('esptool-js/lib/targets/esp8266.js');
  return new ESP8266ROMFirmwareImage(new ESP8266ROM());
}

async function emptyEsp32() {
  const { ESP32FirmwareImage } = await import('esptool-js/lib/image/esp32.js');
  const { ESP32ROM } = await import('esptool-js/lib/targets/esp32.js');
  return new ESP32FirmwareImage(new ESP32ROM());
}
