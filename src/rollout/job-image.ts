import { HomieError } from '../errors';
import type { Image, ImageFacts } from '../ota/image';

/** Bytes of images that stay in memory after their jobs have ended, so that jobs that are not stored can be retried. */
const ROOM = 8 * 1024 * 1024;

/** Reads a stored image again. Rejects with FIRMWARE_NOT_KEPT when the file cannot be read or is damaged. */
export type ReadAgain = () => Promise<Image>;

/**
 * The image of a job. It stays in memory while the job is open, and is read again from its file for a retry. For jobs
 * that are not stored, the images used last stay in memory.
 */
export class JobImage implements ImageFacts {
  readonly info: Image['info'];
  /** Another job may still have the image in memory. */
  readonly #anywhere: WeakRef<Image>;
  readonly #readAgain: ReadAgain | undefined;
  #image: Image | undefined;
  #checksums: ReadonlySet<string> | undefined;

  /** @param readAgain undefined when the job is not stored */
  constructor(image: Image, readAgain?: ReadAgain) {
    this.info = image.info;
    this.#image = image;
    this.#anywhere = new WeakRef(image);
    this.#readAgain = readAgain;
  }

  async checksums(): Promise<ReadonlySet<string>> {
    this.#checksums ??= await (await this.load()).checksums();
    return this.#checksums;
  }

  /**
   * Returns the image, and reads it again if it is not in memory.
   *
   * @throws {HomieError} FIRMWARE_NOT_KEPT: the image is not stored, or its file cannot be read or is damaged
   */
  async load(): Promise<Image> {
    this.#image ??= this.#anywhere.deref() ?? (await this.#read());
    return this.#image;
  }

  /** Frees the memory of the image, because the job has ended. */
  release(): void {
    if (this.#readAgain === undefined && this.#image !== undefined) keep(this.#image);
    this.#image = undefined;
  }

  #read(): Promise<Image> {
    if (this.#readAgain !== undefined) return this.#readAgain();
    throw new HomieError('FIRMWARE_NOT_KEPT.notSaved');
  }
}

/** By MD5, in the order of their last use, oldest first. */
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
