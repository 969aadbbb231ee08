import { HomieError } from '../errors';
import type { Image, ImageFacts } from '../ota/image';

/** Bytes of images that stay in memory after their jobs have ended, for a retry of those that are not written down. */
const ROOM = 8 * 1024 * 1024;

/** Reads an image again that is written down. Rejects with FIRMWARE_NOT_KEPT. */
export type ReadAgain = () => Promise<Image>;

/**
 * The image of a job. It is in memory as long as the job is open, and is read again for a retry. Of jobs that are not
 * written down, the images that were used last stay in memory.
 */
export class JobImage implements ImageFacts {
  readonly info: Image['info'];
  /** It may still be in memory for another job. */
  readonly #anywhere: WeakRef<Image>;
  readonly #readAgain: ReadAgain | undefined;
  #image: Image | undefined;
  #checksums: ReadonlySet<string> | undefined;

  /** @param readAgain undefined where the job is not written down */
  constructor(image: Image, readAgain?: ReadAgain) {
    this.info = image.info;
    this.#image = image;
    this.#anywhere = new WeakRef(image);
    this.#readAgain = readAgain;
  }

  async alternativeChecksums(): Promise<ReadonlySet<string>> {
    this.#checksums ??= await (await this.load()).alternativeChecksums();
    return this.#checksums;
  }

  /** @throws {HomieError} FIRMWARE_NOT_KEPT */
  async load(): Promise<Image> {
    this.#image ??= this.#anywhere.deref() ?? (await this.#read());
    return this.#image;
  }

  /** The job has ended. */
  release(): void {
    if (this.#readAgain === undefined && this.#image !== undefined) keep(this.#image);
    this.#image = undefined;
  }

  #read(): Promise<Image> {
    if (this.#readAgain !== undefined) return this.#readAgain();
    throw new HomieError('FIRMWARE_NOT_KEPT.notSaved');
  }
}

/** From the one that was used longest ago to the last one. */
const kept = new Map<string, Image>();

function keep(image: Image): void {
  kept.delete(image.info.md5);
  kept.set(image.info.md5, image);
  let bytes = [...kept.values()].reduce((sum, { info }) => sum + info.size, 0);
  for (const [md5, { info }] of kept) {
    if (bytes <= ROOM || kept.size === 1) return;
    kept.delete(md5);
    bytes -= info.size;
  }
}
