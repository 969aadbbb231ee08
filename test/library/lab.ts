import { HomieError } from '../../src/errors';
import type { Device } from '../../src/homie/device';
import type { ImageFiles } from '../../src/library/image-files';
import type { Proof } from '../../src/library/device-images';
import { Library } from '../../src/library/library';
import type { Image } from '../../src/ota/image';
import { md5 } from '../support/md5';

export const MEGABYTE = 1024 * 1024;

/** Broker and base topic of the devices in most tests. */
export const home = 'home/homie/';

interface ImageOptions {
  readonly name?: string | undefined;
  readonly version?: string | undefined;
  readonly chip?: string;
  readonly flashSize?: number | undefined;
  /** Bytes. */
  readonly size?: number;
  /** Images with different seeds have different bytes. */
  readonly seed?: number;
  readonly alternatives?: readonly string[];
}

/** Returns an image as the library sees it: its bytes need not be a firmware. */
export function imageOf(options: ImageOptions = {}): Image {
  const { name, version, chip, flashSize, size, alternatives } = {
    name: 'my-light',
    version: '1.0.0',
    chip: 'esp8266',
    flashSize: 4 * MEGABYTE,
    size: 100,
    alternatives: [],
    ...options,
  };
  const image = Buffer.alloc(size, JSON.stringify(options));
  const family = chip.startsWith('esp32') ? 'esp32' : 'esp8266';
  return {
    image,
    info: {
      md5: md5(image),
      chip,
      family,
      flashSize,
      size,
      end: size,
      flashMode: 'DIO',
      homie: true,
      ...(name !== undefined && { name }),
      ...(version !== undefined && { version }),
    },
    checksums: async () => new Set([md5(image), ...alternatives]),
  };
}

/** Returns a device as the registry knows it. */
export function deviceOf(id: string, facts: Partial<Record<'fwName' | 'implementation' | 'checksum', string>>): Device {
  const known = Object.entries(facts).map(([attribute, value]) => [attribute, { value, live: true, at: 0 }]);
  return { id, ...Object.fromEntries(known) };
}

/** A library whose files and records a test can see, damage, and open again. */
export class LibraryLab {
  library: Library;
  /** The files of the images, by MD5. */
  readonly files = new Map<string, Buffer>();
  /** What is stored, as JSON by key. */
  readonly stored = new Map<string, string>();
  /** The codes of the errors that the library reported. */
  readonly told: string[] = [];
  /** The kind of entry that cannot be stored, for instance `offer`. */
  failing: string | undefined;
  readonly #room: number | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param room bytes of all images together */
  constructor(room?: number) {
    this.#room = room;
    this.library = this.#make();
  }

  /** Opens the library again, as the next process does. */
  async restart(): Promise<Library> {
    await this.settled();
    this.library = this.#make();
    this.library.restore([...this.stored].map(([key, value]) => [key, JSON.parse(value)] as const));
    await this.library.discardUnused();
    return this.library;
  }

  /** Resolves when no work on the files is left. */
  async settled(): Promise<void> {
    for (let turn; turn !== this.#turn;) {
      turn = this.#turn;
      await turn;
    }
  }

  /** Remembers that an image was proven on a device. */
  async prove(device: string, image: Image, more: Partial<Proof> = {}): Promise<void> {
    const proof = { md5: image.info.md5, load: async () => image, isRollback: false, ...more };
    await this.library.proven(`${home}${device}`, proof);
    await this.settled();
  }

  /** Returns the versions of what is on offer. */
  offered(scope = home): (string | undefined)[] {
    return this.library.offers(scope).map(({ version }) => version);
  }

  /** Returns the MD5 of the image that a device gets, or the code of the error. */
  choice(origin: 'offer' | 'previous', device: Device): string {
    const choice = this.library.choose(origin, home, device);
    return 'image' in choice ? choice.image.md5 : (choice.error.key ?? choice.error.code);
  }

  #make(): Library {
    return new Library({
      files: this.#imageFiles,
      write: (key, value) => this.#write(key, value),
      tell: ({ code }) => this.told.push(code),
      ...(this.#room !== undefined && { room: this.#room }),
    });
  }

  async #write(key: string, value: unknown): Promise<HomieError | undefined> {
    if (this.failing !== undefined && key.startsWith(this.failing)) return new HomieError('JOB_NOT_SAVED');
    this.stored.delete(key);
    if (value !== undefined) this.stored.set(key, JSON.stringify(value));
    return undefined;
  }

  /** Files as `FirmwareFiles` keeps them, where no job needs any. */
  get #imageFiles(): ImageFiles {
    return {
      read: async (checksum) => {
        const image = this.files.get(checksum);
        if (image !== undefined && md5(image) === checksum) return image;
        throw new HomieError('FIRMWARE_NOT_KEPT');
      },
      keep: async (checksum, bytes) => {
        if (this.failing === 'file') throw new HomieError('JOB_NOT_SAVED');
        this.files.set(checksum, bytes);
      },
      release: async (checksum) => {
        if (!this.library.needs(checksum)) this.files.delete(checksum);
      },
      inTurn: (work) => {
        const done = this.#turn.then(work);
        this.#turn = done.catch(() => undefined);
        return done;
      },
    };
  }
}
