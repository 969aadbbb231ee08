import { HomieError } from '../errors';
import { md5 } from './checksum';
import { FLASH_MODE } from './format';
import { inspect, type FirmwareInfo } from './inspect';
import { readPayload } from './payload';

/** Flash modes that an updater may write: that of its device, or 0xFF if the mode byte in the flash is over 3. */
const MODES = [0, 1, 2, 3, 0xff] as const;

/** The images by MD5, as long as something references them. */
const inMemory = new Map<string, WeakRef<Firmware>>();
const collected = new FinalizationRegistry<string>((md5Hex) => {
  if (inMemory.get(md5Hex)?.deref() === undefined) inMemory.delete(md5Hex);
});

/** A plain image that has passed inspection, and what is known of it. Equal images share one instance in memory. */
export class Firmware {
  /** Never modified. */
  readonly image: Buffer;
  readonly info: FirmwareInfo;
  #checksums: Promise<ReadonlySet<string>> | undefined;

  private constructor(image: Buffer, info: FirmwareInfo) {
    this.image = image;
    this.info = info;
  }

  /**
   * Reads and inspects `msg.payload`.
   *
   * @param options.checksum `msg.checksum`: the MD5 that the plain image must have, if given
   * @throws {HomieError} CHECKSUM_MISMATCH: the image has another MD5; those of `readPayload` and `inspect`
   */
  static async from(payload: unknown, options: { checksum?: unknown } = {}): Promise<Firmware> {
    const image = await readPayload(payload);
    const info = await inspect(image);
    const { checksum } = options;
    if (checksum !== undefined && checksum !== null && !isSame(checksum, info.md5)) {
      throw typeof checksum === 'string'
        ? new HomieError('CHECKSUM_MISMATCH.given', { given: checksum.slice(0, 64), md5: info.md5 })
        : new HomieError('CHECKSUM_MISMATCH.otherType', { type: typeof checksum, md5: info.md5 });
    }
    const same = inMemory.get(info.md5)?.deref();
    if (same?.image.equals(image) === true) return same;
    const firmware = new Firmware(image, info);
    inMemory.set(info.md5, new WeakRef(firmware));
    collected.register(firmware, info.md5);
    return firmware;
  }

  /**
   * Returns the MD5s that a device running this image may report: `info.md5` and others. A device hashes its flash up to
   * the structural end of the image (esp8266/Arduino, EspClass::getSketchMD5). If the flash mode of the image is not
   * that of the device, the updater has written the mode of the device (UpdaterClass::_writeBuffer), or 0xFF if the
   * device has no valid mode (EspClass::magicFlashChipMode), since some serial flashers write 0xFF. Computed at the
   * first call.
   */
  checksums(): Promise<ReadonlySet<string>> {
    this.#checksums ??= this.#hash();
    return this.#checksums;
  }

  async #hash(): Promise<ReadonlySet<string>> {
    const { image, info } = this;
    const own = image.readUInt8(FLASH_MODE);
    const checksums = new Set([info.md5]);
    for (const end of new Set([info.size, info.end])) {
      for (const mode of new Set([own, ...MODES])) {
        if (end === info.size && mode === own) continue;
        checksums.add(await md5(image.subarray(0, FLASH_MODE), Buffer.of(mode), image.subarray(FLASH_MODE + 1, end)));
      }
    }
    return checksums;
  }
}

function isSame(checksum: unknown, md5Hex: string): boolean {
  return typeof checksum === 'string' && checksum.trim().toLowerCase() === md5Hex;
}
