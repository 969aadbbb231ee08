import { APPLICATION, FIRST_CODE, OVERHEAD, layOutEsp32, layOutEsp8266, type Segment } from './image-layout';

interface ImageOptions {
  /** Homie firmware name; `''` for none. */
  name?: string;
  version?: string;
  brand?: string;
  /** Whether the image carries the Homie signature and marks. */
  homie?: boolean;
  /** Bytes of the file, a multiple of 16. */
  size?: number;
  /** 0 QIO, 1 QOUT, 2 DIO, 3 DOUT. */
  flashMode?: number;
  /** Images with different seeds have different bytes. */
  seed?: number;
  /** Version of Homie for ESP8266 whose texts are in the image; 3 is the original. Default: no texts of any version. */
  dialect?: keyof typeof TEXTS;
  /** Convention that an image of the maintained fork was built for. Default 3. */
  convention?: 3 | 5;
}

/** Texts of Homie for ESP8266 in the data of an image, by version, from its sources and those of the maintained fork. */
const TEXTS = {
  '3': ['✖ Aborting, OTA not enabled'],
  '3.6': ['✖ Aborting, OTA not enabled', '" is not Homie ID-compliant; keeping it for backward compatibility'],
  '3.7': ['✖ Aborting, OTA not enabled', '" is not Homie ID-compliant'],
  '4': ['" is not Homie ID-compliant', 'mqtt.ssl is not supported by espMqttClientAsync'],
} as const;
/** Is in images of the maintained fork for convention 5 only. */
const RUNTIME_EXTENSION = 'io.github.labodj.esp-runtime';

interface Esp8266ImageOptions extends ImageOptions {
  /** The upper half of byte 3: 0 512 kB, 1 256 kB, 2 1 MB, 3 2 MB, 4 4 MB, 8 8 MB, 9 16 MB. */
  flashSize?: number;
  /** Whether length and CRC32 are in the image. */
  crc?: boolean;
}

interface Esp32ImageOptions extends ImageOptions {
  /** For instance 0 ESP32, 2 ESP32-S2, 5 ESP32-C3, 9 ESP32-S3. */
  chipId?: number;
  /** Whether the image ends with its SHA-256. */
  sha256?: boolean;
}

/**
 * Builds a valid image for the ESP8266, laid out as the Arduino core does. Its code is pseudo-random and cannot run.
 */
export function buildEsp8266Image(options: Esp8266ImageOptions = {}): Buffer {
  const { size = 40_000, flashMode = 2, flashSize = 4, crc = true, seed = 1 } = options;
  const boot = { address: 0x4010f000, data: noise(0x400, seed) };
  const loaded: Segment[] = [
    { address: 0x40100000, data: noise(0x80, seed + 1) },
    { address: 0x3ffe8000, data: noise(0x80, seed + 2) },
    { address: 0x3ffe8080, data: marks(options) },
  ];
  const code = { address: FIRST_CODE, data: noise(room(size, APPLICATION + OVERHEAD.header, loaded), seed + 3) };
  return layOutEsp8266({
    flashMode,
    flashSizeAndFrequency: flashSize << 4,
    boot: { entry: 0x4010f000, segments: [boot] },
    application: { entry: 0x40100000, segments: [code, ...loaded] },
    crc,
  });
}

/** Builds a valid application image for the ESP32 family. Its code is pseudo-random and cannot run. */
export function buildEsp32Image(options: Esp32ImageOptions = {}): Buffer {
  const { size = 40_000, flashMode = 2, chipId = 0, sha256 = true, seed = 1 } = options;
  const loaded: Segment[] = [
    { address: 0x3f400020, data: marks(options) },
    { address: 0x3ffb0000, data: noise(0x80, seed + 1) },
  ];
  const code = { address: 0x400d0020, data: noise(room(size, 24 + (sha256 ? 32 : 0), loaded), seed + 2) };
  return layOutEsp32({
    flashMode,
    flashSizeAndFrequency: 0x20,
    entry: 0x40080000,
    chipId,
    segments: [...loaded, code],
    sha256,
  });
}

/** Returns the length of the remaining segment that makes the file `size` bytes long. */
function room(size: number, besides: number, segments: readonly Segment[]): number {
  if (size % OVERHEAD.block !== 0) throw new RangeError(`An image of ${size} bytes is not a multiple of 16.`);
  const others = segments.reduce((sum, { data }) => sum + OVERHEAD.segment + data.length, 0);
  const length = size - besides - others - OVERHEAD.segment - 4;
  if (length < 16) throw new RangeError(`An image of ${size} bytes is too small to hold its parts.`);
  return length;
}

/** Returns the marks that Homie_setFirmware and Homie_setBrand put into an image (Homie.hpp), among other text. */
function marks({ name = 'my-light', version = '1.0.0', brand, homie = true, ...options }: ImageOptions): Buffer {
  const parts = ['Hello from a test image.\0'];
  if (homie) {
    parts.push('%HOMIE_ESP8266_FW%\0');
    if (name !== '') parts.push(`\xbf\x84\xe4\x13\x54${utf8(name)}\x93\x44\x6b\xa7\x75\0`);
    if (version !== '') parts.push(`\x6a\x3f\x3e\x0e\xe1${utf8(version)}\xb0\x30\x48\xd4\x1a\0`);
    if (brand !== undefined) parts.push(`\xfb\x2a\xf5\x68\xc0${utf8(brand)}\x6e\x2f\x0f\xeb\x2d\0`);
  }
  if (options.dialect !== undefined) parts.push(...TEXTS[options.dialect].map((line) => `${utf8(line)}\0`));
  if (options.convention === 5) parts.push(`${RUNTIME_EXTENSION}\0`);
  const text = Buffer.from(parts.join(''), 'latin1');
  return Buffer.concat([text, Buffer.alloc(4 - (text.length % 4))]);
}

function utf8(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Returns pseudo-random bytes, which are the same for the same seed (xorshift32). */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = Math.imul(seed + 1, 0x9e3779b1) || 1;
  for (let index = 0; index < length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state;
  }
  return bytes;
}

/** The image that simulated devices run by default; `next` is the one that they are updated to. */
export const running = buildEsp8266Image({ name: 'my-light', version: '1.0.0', size: 60_000, seed: 1 });
export const next = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 80_000, seed: 2 });
