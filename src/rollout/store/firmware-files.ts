import { rm } from 'node:fs/promises';
import path from 'node:path';
import { HomieError } from '../../errors';
import { md5 } from '../../firmware/checksum';
import { MAX_IMAGE } from '../../firmware/format';
import { notWritten } from './whole-file';
import { writeWhole } from './whole-file';
import { readWhole } from './whole-file';

/** Stores each image once in a folder, as `<md5>.bin`. */
export class FirmwareFiles {
  readonly #folder: string;
  readonly #tell: (error: HomieError) => void;
  readonly #mayWrite: () => boolean;

  /** @param tell called with an error for what cannot be written */
  constructor(folder: string, tell: (error: HomieError) => void, mayWrite: () => boolean) {
    this.#folder = folder;
    this.#tell = tell;
    this.#mayWrite = mayWrite;
  }

  /**
   * Reads an image and verifies its MD5.
   *
   * @throws {HomieError} FIRMWARE_NOT_KEPT: the file cannot be read or is damaged
   */
  async read(checksum: string): Promise<Buffer> {
    const file = this.#fileOf(checksum);
    const image = await readWhole(file, MAX_IMAGE).catch((error: unknown) => {
      throw new HomieError('FIRMWARE_NOT_KEPT.unreadable', { file }, { cause: error });
    });
    if ((await md5(image)) === checksum) return image;
    throw new HomieError('FIRMWARE_NOT_KEPT.damaged', { file });
  }

  /** Stores an image, unless an undamaged file exists. Never rejects. */
  async keep(checksum: string, image: Buffer): Promise<void> {
    const file = this.#fileOf(checksum);
    try {
      const kept = await this.read(checksum).catch(() => undefined);
      if (kept === undefined && this.#mayWrite()) await writeWhole(file, image);
    } catch (error) {
      this.#tell(notWritten(file, error));
    }
  }

  /** Deletes an image. Never rejects. */
  async remove(checksum: string): Promise<void> {
    if (this.#mayWrite()) await rm(this.#fileOf(checksum), { force: true }).catch(() => undefined);
  }

  #fileOf(checksum: string): string {
    return path.join(this.#folder, `${checksum}.bin`);
  }
}
