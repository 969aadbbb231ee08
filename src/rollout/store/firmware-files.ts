import { rm } from 'node:fs/promises';
import path from 'node:path';
import { HomieError } from '../../errors';
import { md5 } from '../../firmware/checksum';
import { MAX_IMAGE } from '../../firmware/format';
import { oneAfterAnother } from '../../in-turn';
import type { ImageFiles } from '../../library/image-files';
import { notWritten, readWhole, writeWhole } from './whole-file';

interface FirmwareFilesInput {
  /** Whether something needs an image. */
  readonly needs: (md5: string) => boolean;
  /** Asked before the folder is changed. */
  readonly mayWrite: () => boolean;
}

/** Stores each image once in a folder, as `<md5>.bin`. */
export class FirmwareFiles implements ImageFiles {
  readonly #folder: string;
  readonly #input: FirmwareFilesInput;
  readonly inTurn = oneAfterAnother();

  constructor(folder: string, input: FirmwareFilesInput) {
    this.#folder = folder;
    this.#input = input;
  }

  async read(checksum: string): Promise<Buffer> {
    const file = this.#fileOf(checksum);
    const image = await readWhole(file, MAX_IMAGE).catch((error: unknown) => {
      throw new HomieError('FIRMWARE_NOT_KEPT.unreadable', { file }, { cause: error });
    });
    if ((await md5(image)) === checksum) return image;
    throw new HomieError('FIRMWARE_NOT_KEPT.damaged', { file });
  }

  async keep(checksum: string, image: Buffer): Promise<void> {
    const file = this.#fileOf(checksum);
    const kept = await this.read(checksum).catch(() => undefined);
    if (kept !== undefined || !this.#input.mayWrite()) return;
    await writeWhole(file, image).catch((error: unknown) => {
      throw notWritten(file, error);
    });
  }

  async release(checksum: string): Promise<void> {
    const { needs, mayWrite } = this.#input;
    if (!needs(checksum) && mayWrite()) await rm(this.#fileOf(checksum), { force: true }).catch(() => undefined);
  }

  /** Resolves when all work that was given before has ended. */
  async settled(): Promise<void> {
    await this.inTurn(async () => undefined);
  }

  #fileOf(checksum: string): string {
    return path.join(this.#folder, `${checksum}.bin`);
  }
}
