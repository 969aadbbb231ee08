/** Where the bytes of images are kept, by their MD5. */
import { HomieError } from '../errors';
import { oneAfterAnother, type InTurn } from '../in-turn';

/** A place for images. */
export interface ImageFiles {
  /** Reads an image. @throws {HomieError} FIRMWARE_NOT_KEPT: it is missing or damaged */
  readonly read: (md5: string) => Promise<Buffer>;
  /** Stores an image, unless it is there and undamaged. @throws {HomieError} JOB_NOT_SAVED */
  readonly keep: (md5: string, image: Buffer) => Promise<void>;
  /** Removes an image, unless something else needs it. Never rejects. */
  readonly release: (md5: string) => Promise<void>;
  /** Runs one piece of work after the other, so that no image is removed while it is put to use. */
  readonly inTurn: InTurn;
}

/** Returns a place in memory, which ends with the process. */
export function imagesInMemory(): ImageFiles {
  const images = new Map<string, Buffer>();
  return {
    read: async (md5) => {
      const image = images.get(md5);
      if (image === undefined) throw new HomieError('FIRMWARE_NOT_KEPT.notSaved');
      return image;
    },
    keep: async (md5, image) => void images.set(md5, image),
    release: async (md5) => void images.delete(md5),
    inTurn: oneAfterAnother(),
  };
}
