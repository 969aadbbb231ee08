import { HomieError } from '../errors';
import { MAX_IMAGE } from '../firmware/format';
import type { ImageFiles } from './image-files';
import { isRunBy, type StoredImage } from './stored-image';

/** Maximum size of all images together, in bytes. */
const MAX_BYTES = 16 * MAX_IMAGE;

/** The MD5s of images that are in use. */
export interface Uses {
  readonly offered: ReadonlySet<string | undefined>;
  /** The images that devices run. */
  readonly run: ReadonlySet<string | undefined>;
  /** The images that were proven on devices before those. */
  readonly before: ReadonlySet<string | undefined>;
}

interface KeptImagesInput {
  readonly files: ImageFiles;
  /** Stores a value under a key; undefined removes it. Resolves with the error if it is not on the disk. */
  readonly write: (key: string, value: unknown) => Promise<HomieError | undefined>;
  readonly uses: () => Uses;
  /** Makes devices forget an image that must go. */
  readonly forget: (md5: string) => Promise<void>;
  /** Maximum size of all images together, in bytes. */
  readonly room?: number | undefined;
}

/** The images of the library, from old to new. An image goes when nothing uses it, or to make room for another one. */
export class KeptImages {
  readonly #input: KeptImagesInput;
  readonly #images = new Map<string, StoredImage>();
  /** Images that may no longer be in use. They are examined together. */
  readonly #unused = new Set<string>();

  constructor(input: KeptImagesInput) {
    this.#input = input;
  }

  /** Replaces what is known by images whose files are there already. */
  restore(images: Iterable<StoredImage>): void {
    this.#images.clear();
    for (const image of images) this.#images.set(image.md5, image);
  }

  get(md5: string | undefined): StoredImage | undefined {
    return md5 === undefined ? undefined : this.#images.get(md5);
  }

  /** Returns the image that a device with this checksum runs. */
  runAs(checksum: string): StoredImage | undefined {
    return this.get(checksum) ?? [...this.#images.values()].find((image) => isRunBy(image, checksum));
  }

  has(md5: string): boolean {
    return this.#images.has(md5);
  }

  /**
   * Keeps an image, and mends its file if it is damaged. The oldest images that nobody runs may have to go for it.
   *
   * @throws {HomieError} LIBRARY_FULL, JOB_NOT_SAVED; then the image is kept only if it was before
   */
  async keep(image: StoredImage, bytes: Buffer): Promise<void> {
    const { files, write } = this.#input;
    const { md5 } = image;
    if (!this.has(md5)) await this.#makeRoom(image.size);
    await files.keep(md5, bytes);
    if (this.has(md5)) return;
    this.#images.set(md5, image);
    const failure = await write(imageKey(md5), image);
    if (failure === undefined) return;
    await this.discard([md5]);
    throw failure;
  }

  /** Removes those of these images that nothing uses, with all that `discardSoon` was told of. */
  async discard(candidates: Iterable<string> = []): Promise<void> {
    const all = new Set([...this.#unused, ...candidates]);
    this.#unused.clear();
    const { offered, run, before } = this.#input.uses();
    const inUse = (md5: string): boolean => offered.has(md5) || run.has(md5) || before.has(md5);
    // All at once: a device may come to use one of them while the others are removed from the disk.
    const gone = [...all].filter((md5) => !inUse(md5) && this.#images.delete(md5));
    for (const md5 of gone) {
      await this.#input.write(imageKey(md5), undefined);
      await this.#input.files.release(md5);
    }
  }

  /** Removes those of these images that nothing uses, once the work on the files before has ended. */
  discardSoon(candidates: Iterable<string | undefined>): void {
    const isPlanned = this.#unused.size > 0;
    for (const md5 of candidates) if (md5 !== undefined) this.#unused.add(md5);
    // Not awaited, and once for several devices: in a rollout, every device leaves the same image.
    if (!isPlanned && this.#unused.size > 0) void this.#input.files.inTurn(() => this.discard());
  }

  /** Removes all images that nothing uses. */
  async discardUnused(): Promise<void> {
    await this.#input.files.inTurn(() => this.discard([...this.#images.keys()]));
  }

  async #makeRoom(size: number): Promise<void> {
    const { room = MAX_BYTES, uses, forget } = this.#input;
    const sizeOf = (images: readonly StoredImage[]): number => images.reduce((sum, each) => sum + each.size, size);
    for (;;) {
      const all = [...this.#images.values()];
      if (sizeOf(all) <= room) return;
      const { offered, run } = uses();
      // No image is removed unless that makes room.
      if (sizeOf(all.filter(({ md5 }) => offered.has(md5))) > room) {
        throw new HomieError('LIBRARY_FULL.limit', { megabytes: Math.round(room / 1024 / 1024) });
      }
      const spare = all.filter(({ md5 }) => !offered.has(md5));
      const oldest = spare.find(({ md5 }) => !run.has(md5)) ?? spare[0];
      if (oldest === undefined) return;
      await forget(oldest.md5);
      await this.discard([oldest.md5]);
    }
  }
}

/** Returns the key under which an image is stored. */
export function imageKey(md5: string): string {
  return `image ${md5}`;
}
