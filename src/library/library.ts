import { EventEmitter } from 'node:events';
import { asHomieError, HomieError } from '../errors';
import { Firmware } from '../firmware/firmware';
import type { Device } from '../homie/device';
import type { Image } from '../ota/image';
import { chooseOffer, list, noImage, type Choice } from './choose';
import {
  afterProof,
  afterRollback,
  isAsProven,
  without,
  withoutHold,
  type DeviceImages,
  type ProvenImage,
} from './device-images';
import { imagesInMemory, type ImageFiles } from './image-files';
import { imageKey, KeptImages, type Uses } from './kept-images';
import { isOffer, keyOf, Offers, replaces, type Offer } from './offers';
import { ProvenImages } from './proven-images';
import { describeImage, isRunBy, isStoredImage, type StoredImage } from './stored-image';

const OFFER = 'offer ';

/** Where an image that nobody brings comes from: what is on offer, or what was proven before. */
export type ImageOrigin = 'offer' | 'previous';

/** Whether what was written down is an origin. */
export function isImageOrigin(value: unknown): value is ImageOrigin {
  return value === 'offer' || value === 'previous';
}

/** The result of an offer. `instead`: the higher version that stays on offer. */
export interface Offered {
  readonly image: StoredImage;
  readonly instead?: StoredImage;
}

/** That an image was proven on a device. */
export interface Proof extends ProvenImage {
  /** Reads the image, where it is not kept yet. */
  readonly load: () => Promise<Image>;
  /** The user went back to the image. */
  readonly isRollback: boolean;
}

/** What the library has around it. */
export interface LibraryInput {
  readonly files: ImageFiles;
  /** Stores a value under a key; undefined removes it. Resolves with the error if it is not on the disk. Never rejects. */
  readonly write: (key: string, value: unknown) => Promise<HomieError | undefined>;
  /** Told of an image that was proven but cannot be kept. */
  readonly tell?: (error: HomieError) => void;
  /** Bytes of all images together. */
  readonly room?: number;
}

/**
 * The firmware that is on offer, and the images that were proven on each device. Devices are named by broker, base topic
 * and id, the offers of a broker by its `locks.scope`.
 *
 * Emits `changed` when something else may be on offer for a device, and `restored` after that when it was read.
 */
export class Library extends EventEmitter<{ changed: []; restored: [] }> {
  readonly #input: LibraryInput;
  readonly #images: KeptImages;
  readonly #offers = new Offers((md5) => this.#images.get(md5));
  /** What `offers` returns for each broker until the next change: it is asked about every device. */
  readonly #offered = new Map<string, readonly StoredImage[]>();
  readonly #devices: ProvenImages;
  #revision = 0;

  /** In memory only, unless it is told where it is kept. */
  constructor(input: LibraryInput = { files: imagesInMemory(), write: async () => undefined }) {
    super();
    this.setMaxListeners(0);
    this.#input = input;
    const { files, write, room } = input;
    this.#devices = new ProvenImages({
      write,
      changed: () => this.#change(),
      left: (images) => this.#images.discardSoon(images),
    });
    this.#images = new KeptImages({
      files,
      write,
      room,
      uses: () => this.#uses(),
      forget: (md5) => this.#devices.forgetImage(md5),
    });
  }

  /**
   * Replaces what is known by what was stored. Leaves out what is damaged, and what refers to an image that is not there;
   * `discardUnused` then removes what nothing uses.
   */
  restore(entries: Iterable<readonly [key: string, value: unknown]>): void {
    const all = [...entries];
    const ofKind = <Value>(isOfKind: (value: unknown) => value is Value, keyFor: (value: Value) => string): Value[] =>
      all.flatMap(([key, value]) => (isOfKind(value) && key === keyFor(value) ? [value] : []));
    this.#images.restore(ofKind(isStoredImage, ({ md5 }) => imageKey(md5)));
    this.#offers.clear();
    for (const offer of ofKind(isOffer, offerKey)) {
      const image = this.#images.get(offer.md5);
      // A process that was killed may have left the offer that this one replaced.
      const gone = image === undefined ? [offer] : this.#offers.set(offer, image);
      for (const each of gone) void this.#input.write(offerKey(each), undefined);
    }
    this.#devices.restore(all, (md5) => this.#images.has(md5));
    this.#change();
    this.emit('restored');
  }

  /** Removes images that nothing uses, as a process that was killed may leave them. */
  discardUnused(): Promise<void> {
    return this.#images.discardUnused();
  }

  /** Another number whenever something else may be on offer. */
  get revision(): number {
    return this.#revision;
  }

  /** Whether the file of an image is needed. */
  needs(md5: string): boolean {
    return this.#images.has(md5);
  }

  /** The images on offer for the devices of a broker, from old to new. */
  offers(scope: string): readonly StoredImage[] {
    const offered = this.#offered.get(scope) ?? this.#offers.of(scope).map(({ image }) => image);
    this.#offered.set(scope, offered);
    return offered;
  }

  /**
   * Puts an image on offer for the devices of its firmware name, chip and flash size. Of two the higher version is offered,
   * and of equal versions the later image.
   *
   * @param replace offers it in any case
   * @throws {HomieError} NOT_HOMIE, VERSION_UNCLEAR, LIBRARY_FULL; JOB_NOT_SAVED where it cannot be written down
   */
  async offer(scope: string, firmware: Image, replace = false): Promise<Offered> {
    const image = await describeImage(firmware);
    return this.#input.files.inTurn(async () => {
      const present = this.#offers.like(scope, image)?.image;
      const isSame = present?.md5 === image.md5;
      if (present !== undefined && !isSame && !replace && !replaces(image, present)) return { image, instead: present };
      await this.#images.keep(image, firmware.image);
      if (!isSame) await this.#put({ scope, md5: image.md5, at: new Date().toISOString() }, image);
      return { image };
    });
  }

  /**
   * Takes an image back. What is sent already goes on.
   *
   * @throws {HomieError} NOT_ON_OFFER; JOB_NOT_SAVED: it would be on offer again after a restart
   */
  async withdraw(scope: string, md5: string): Promise<StoredImage> {
    return this.#input.files.inTurn(async () => {
      const image = this.#images.get(md5);
      if (image === undefined || !this.#offers.delete({ scope, md5 })) {
        const offers = this.offers(scope);
        if (offers.length === 0) throw new HomieError('NOT_ON_OFFER');
        throw new HomieError('NOT_ON_OFFER.others', { checksum: md5, images: list(offers) });
      }
      this.#change();
      const failure = await this.#input.write(offerKey({ scope, md5 }), undefined);
      await this.#images.discard([md5]);
      if (failure !== undefined) throw failure;
      return image;
    });
  }

  /** Returns the image that a device gets from here, or why there is none: NOTHING_ON_OFFER, NOTHING_TO_GO_BACK_TO. */
  choose(origin: ImageOrigin, scope: string, device: Device): Choice {
    return origin === 'offer' ? this.offerFor(scope, device) : this.#previousOf(scope, device);
  }

  /** Returns what is on offer for a device: see `chooseOffer`. */
  offerFor(scope: string, device: Device): Choice {
    return chooseOffer(device, this.offers(scope), this.#images.get(this.#of(scope, device.id).now));
  }

  /** Whether the user can go back to the image that a device runs, after an update of it. */
  knowsRunning(scope: string, { id, checksum }: Device): boolean {
    const images = this.#of(scope, id);
    return images.now !== undefined && this.#runs(images, checksum?.value);
  }

  /** Whether a device was rolled back from an image, so that it is not sent again until the user allows it. */
  isHeld(key: string, md5: string): boolean {
    return this.#devices.of(key).held?.includes(md5) === true;
  }

  /** The user wants an image to be sent to a device again. */
  async allowAgain(key: string, md5: string): Promise<void> {
    if (this.isHeld(key, md5)) await this.#devices.set(key, withoutHold(this.#devices.of(key), md5));
  }

  /** Reads an image. @throws {HomieError} FIRMWARE_NOT_KEPT where its file is missing or damaged */
  async read(md5: string): Promise<Firmware> {
    return Firmware.from(await this.#input.files.read(md5));
  }

  /**
   * Remembers that an image was proven on a device, and keeps the image. Resolves when that is written down, or cannot be;
   * it does not reject.
   */
  async proven(key: string, { load, ...proof }: Proof): Promise<void> {
    const { md5 } = proof;
    const after = (): DeviceImages => (proof.isRollback ? afterRollback : afterProof)(this.#devices.of(key), proof);
    if (this.#images.has(md5)) return this.#devices.set(key, after());
    const keepAndRemember = async (): Promise<void> => {
      const firmware = await load();
      // Nobody can go back to an image without a name: no update of it is possible without the user's consent.
      if (firmware.info.name === undefined) return;
      await this.#images.keep(await describeImage(firmware), firmware.image);
      await this.#devices.set(key, after());
    };
    await this.#input.files.inTurn(keepAndRemember).catch(async (error: unknown) => {
      this.#input.tell?.(asHomieError(error));
      // What the device was rolled back from is held back all the same.
      if (proof.isRollback) await this.#devices.set(key, without(after(), md5));
    });
  }

  /** Forgets a device. */
  async forget(key: string): Promise<void> {
    await this.#devices.set(key, undefined);
  }

  /** Puts an image that is kept on offer, once that is stored. */
  async #put(offer: Offer, image: StoredImage): Promise<void> {
    const { write } = this.#input;
    const failure = await write(offerKey(offer), offer);
    if (failure !== undefined) {
      await write(offerKey(offer), undefined);
      await this.#images.discard([image.md5]);
      throw failure;
    }
    const gone = this.#offers.set(offer, image);
    this.#change();
    await Promise.all(gone.map((each) => write(offerKey(each), undefined)));
    await this.#images.discard(gone.map(({ md5 }) => md5));
  }

  #of(scope: string, id: string): DeviceImages {
    return this.#devices.of(`${scope}${id}`);
  }

  #previousOf(scope: string, { id, checksum }: Device): Choice {
    const images = this.#of(scope, id);
    const md5 = this.#runs(images, checksum?.value) ? images.before : images.now;
    const image = this.#images.get(md5);
    if (image !== undefined) return { image };
    const isKnown = images.now !== undefined;
    return noImage(`NOTHING_TO_GO_BACK_TO.${isKnown ? 'first' : 'unknown'}`, { device: id });
  }

  /** Whether a device runs the image that was proven on it last. */
  #runs(images: DeviceImages, checksum: string | undefined): boolean {
    const image = this.#images.get(images.now);
    return isAsProven(images, checksum) || (image !== undefined && isRunBy(image, checksum));
  }

  #uses(): Uses {
    const devices = this.#devices.all();
    return {
      offered: new Set(this.#offers.all().map(({ md5 }) => md5)),
      run: new Set(devices.map(({ now }) => now)),
      before: new Set(devices.map(({ before }) => before)),
    };
  }

  #change(): void {
    this.#revision += 1;
    this.#offered.clear();
    this.emit('changed');
  }
}

/** Returns the key under which an offer is stored. */
function offerKey(offer: Pick<Offer, 'scope' | 'md5'>): string {
  return `${OFFER}${keyOf(offer)}`;
}
