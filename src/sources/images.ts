import { HomieError } from '../errors';
import { Firmware } from '../firmware/firmware';
import type { FirmwareInfo } from '../firmware/inspect';

/** The result of an inspection. */
type Known = { readonly info: FirmwareInfo } | { readonly error: HomieError };

/** Maximum size of the images kept in memory, in bytes. */
const HELD = 32 * 1024 * 1024;

/**
 * Remembers the results of inspections by a key that changes with the bytes, so that each search inspects only what is
 * new. Keeps the most recently used images in memory, up to a limit.
 */
export class InspectedImages {
  readonly #limit: number;
  readonly #known = new Map<string, Known>();
  /** The images in memory, least recently used first. */
  readonly #held = new Map<string, Firmware>();

  /** @param limit maximum size of the images kept in memory, in bytes */
  constructor(limit: number = HELD) {
    this.#limit = limit;
  }

  get(key: string): Known | undefined {
    return this.#known.get(key);
  }

  /** Inspects bytes, and remembers the result, which may be an error. */
  async inspect(key: string, bytes: Buffer): Promise<Known> {
    try {
      const firmware = await Firmware.from(bytes);
      this.#hold(key, firmware);
      return this.#know(key, { info: firmware.info });
    } catch (error) {
      if (error instanceof HomieError) return this.#know(key, { error });
      throw error;
    }
  }

  /**
   * Returns an image: the one in memory, or what `read` returns.
   *
   * @param md5 the MD5 of the image when it was inspected
   * @throws {HomieError} FILE_REFUSED.changed: the MD5 is another one now; also the errors of `read`
   */
  async image(key: string, md5: string, read: () => Promise<Buffer>): Promise<Firmware> {
    const firmware = this.#held.get(key) ?? (await Firmware.from(await read()));
    if (firmware.info.md5 !== md5) throw new HomieError('FILE_REFUSED.changed');
    this.#hold(key, firmware);
    return firmware;
  }

  /** Forgets all images except those with these keys. */
  retain(keys: ReadonlySet<string>): void {
    for (const key of this.#known.keys()) {
      if (keys.has(key)) continue;
      this.#known.delete(key);
      this.#held.delete(key);
    }
  }

  #know(key: string, known: Known): Known {
    this.#known.set(key, known);
    return known;
  }

  #hold(key: string, firmware: Firmware): void {
    this.#held.delete(key);
    this.#held.set(key, firmware);
    let bytes = 0;
    for (const { info } of this.#held.values()) bytes += info.size;
    for (const [oldest, { info }] of this.#held) {
      if (bytes <= this.#limit) return;
      this.#held.delete(oldest);
      bytes -= info.size;
    }
  }
}
