import { EventEmitter } from 'node:events';
import { asHomieError, HomieError } from '../errors';
import { Firmware } from '../firmware/firmware';
import { MAX_IMAGE } from '../firmware/format';
import type { Device } from '../homie/device';
import type { Image } from '../ota/image';
import { setNewest } from '../set-newest';
import { chooseOffer, list, type Choice } from './choose';
import { afterProof, afterRollback, isAsProven, readDeviceImages, without, type DeviceImages } from './device-images';
import { imagesInMemory, type ImageFiles } from './image-files';
import { isOffer, keyOf, Offers, replaces, type Offer } from './offers';
import { describeImage, isRunBy, isStoredImage, type StoredImage } from './stored-image';

/** Bytes of all images together. */
const MAX_BYTES = 16 * MAX_IMAGE;

/** How many devices are remembered; the one that was proven longest ago goes first. */
const MAX_DEVICES = 20_000;

const OFFER = 'offer ';
const IMAGE = 'image ';
const DEVICE = 'device ';

const none: DeviceImages = {};

/** Where an image that nobody brings comes from: what is on offer, or what was proven before. */
export type Origin = 'offer' | 'previous';

/** Whether what was written down is an origin. */
export function isOrigin(value: unknown): value is Origin {
  return value === 'offer' || value === 'previous';
}

/** What became of an image that was offered. `instead`: the higher version that stays on offer. */
export interface Offered {
  readonly image: StoredImage;
  readonly instead?: StoredImage;
}

/** That an image was proven on a device. */
export interface Proof {
  readonly md5: string;
  /** Reads the image, where it is not kept yet. */
  readonly load: () => Promise<Image>;
  /** The checksum that the device reports now. */
  readonly reported?: string;
  /** The checksum that the device reported before. */
  readonly from?: string;
  /** The user went back to the image. */
  readonly isRollback: boolean;
}

/** What the library has around it. */
export interface LibraryInput {
  readonly files: ImageFiles;
  /** Writes down a value, or forgets it when it is undefined. Resolves when that is done. It must not reject. */
  readonly write: (key: string, value: unknown) => Promise<void>;
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
  readonly #images = new Map<string, StoredImage>();
  readonly #offers = new Offers((md5) => this.#images.get(md5));
  /** What `offers` returns for each broker until the next change: it is asked about every device. */
  readonly #offered = new Map<string, readonly StoredImage[]>();
  readonly #devices = new Map<string, DeviceImages>();
  /** Images that may not be needed any more, until they are looked at together. */
  readonly #unused = new Set<string>();
  #revision = 0;

  /** In memory only, unless it is told where it is kept. */
  constructor(input: LibraryInput = { files: imagesInMemory(), write: async () => undefined }) {
    super();
    this.setMaxListeners(0);
    this.#input = input;
  }

  /** Takes in what was written down, in place of what is known; what is damaged is left out. */
  restore(entries: Iterable<readonly [key: string, value: unknown]>): void {
    this.#images.clear();
    this.#offers.clear();
    this.#devices.clear();
    const offers: Offer[] = [];
    for (const [key, value] of entries) {
      if (key.startsWith(IMAGE) && isStoredImage(value)) this.#images.set(value.md5, value);
      if (key.startsWith(OFFER) && isOffer(value)) offers.push(value);
      if (key.startsWith(DEVICE)) this.#devices.set(key.slice(DEVICE.length), readDeviceImages(value));
    }
    for (const offer of offers) {
      const image = this.#images.get(offer.md5);
      if (image !== undefined) this.#offers.set(offer, image);
    }
    this.#change();
    this.emit('restored');
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
      if (present?.md5 === image.md5) return { image };
      if (!replace && present !== undefined && !replaces(image, present)) return { image, instead: present };
      await this.#keep(image, firmware);
      const offer: Offer = { scope, md5: image.md5, at: new Date().toISOString() };
      const gone = this.#offers.set(offer, image);
      this.#change();
      await Promise.all([
        this.#input.write(`${OFFER}${keyOf(offer)}`, offer),
        ...gone.map((each) => this.#input.write(`${OFFER}${keyOf(each)}`, undefined)),
      ]);
      await this.#discard(gone.map(({ md5 }) => md5));
      return { image };
    });
  }

  /**
   * Takes an image back. What is sent already goes on.
   *
   * @throws {HomieError} NOT_ON_OFFER
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
      await this.#input.write(`${OFFER}${keyOf({ scope, md5 })}`, undefined);
      await this.#discard([md5]);
      return image;
    });
  }

  /** Returns the image that a device gets from here, or why there is none: NOTHING_ON_OFFER, NOTHING_TO_GO_BACK_TO. */
  choose(origin: Origin, scope: string, device: Device): Choice {
    return origin === 'offer' ? this.offerFor(scope, device) : this.#previousOf(scope, device);
  }

  /** Returns what is on offer for a device: see `chooseOffer`. */
  offerFor(scope: string, device: Device): Choice {
    return chooseOffer(device, this.offers(scope), this.#images.get(this.#of(scope, device.id).now ?? ''));
  }

  /** Whether the user can go back to the image that a device runs, after an update of it. */
  knowsRunning(scope: string, { id, checksum }: Device): boolean {
    const images = this.#of(scope, id);
    return images.now !== undefined && this.#runs(images, checksum?.value);
  }

  /** Whether a device was rolled back from an image, so that it is not sent again until the user allows it. */
  isHeld(key: string, md5: string): boolean {
    return this.#devices.get(key)?.held?.includes(md5) === true;
  }

  /** The user wants an image to be sent to a device again. */
  async allowAgain(key: string, md5: string): Promise<void> {
    const images = this.#devices.get(key);
    if (images?.held?.includes(md5) !== true) return;
    await this.#set(key, { ...images, held: images.held.filter((each) => each !== md5) });
  }

  /** Reads an image. @throws {HomieError} FIRMWARE_NOT_KEPT where its file is missing or damaged */
  async read(md5: string): Promise<Firmware> {
    return Firmware.from(await this.#input.files.read(md5));
  }

  /**
   * Remembers that an image was proven on a device, and keeps the image. Resolves when that is written down, or cannot be;
   * it does not reject.
   *
   */
  async proven(key: string, { load, isRollback, ...proof }: Proof): Promise<void> {
    const { md5 } = proof;
    const remember = async (): Promise<void> => {
      const before = this.#devices.get(key) ?? none;
      await this.#set(key, isRollback ? afterRollback(before, proof) : afterProof(before, md5, proof.reported));
    };
    if (this.#images.has(md5)) return remember();
    const keepAndRemember = async (): Promise<void> => {
      const firmware = await load();
      // Nobody can go back to an image without a name: no update of it is possible without the user's consent.
      if (firmware.info.name === undefined) return;
      await this.#keep(await describeImage(firmware), firmware);
      await remember();
    };
    await this.#input.files.inTurn(keepAndRemember).catch((error: unknown) => this.#input.tell?.(asHomieError(error)));
  }

  /** Forgets a device. */
  async forget(key: string): Promise<void> {
    if (this.#devices.has(key)) await this.#set(key, undefined);
  }

  #of(scope: string, id: string): DeviceImages {
    return this.#devices.get(`${scope}${id}`) ?? none;
  }

  #previousOf(scope: string, { id, checksum }: Device): Choice {
    const images = this.#of(scope, id);
    const md5 = this.#runs(images, checksum?.value) ? images.before : images.now;
    const image = this.#images.get(md5 ?? '');
    if (image !== undefined) return { image };
    const isKnown = images.now !== undefined;
    return { error: new HomieError(`NOTHING_TO_GO_BACK_TO.${isKnown ? 'first' : 'unknown'}`, { device: id }) };
  }

  /** Whether a device runs the image that was proven on it last. */
  #runs(images: DeviceImages, checksum: string | undefined): boolean {
    const image = this.#images.get(images.now ?? '');
    return isAsProven(images, checksum) || (image !== undefined && isRunBy(image, checksum));
  }

  async #set(key: string, images: DeviceImages | undefined): Promise<void> {
    const before = this.#devices.get(key);
    if (images !== undefined && JSON.stringify(before) === JSON.stringify(images)) return;
    if (images === undefined) this.#devices.delete(key);
    const forgotten = images && setNewest(this.#devices, key, images, MAX_DEVICES);
    this.#change();
    await this.#input.write(`${DEVICE}${key}`, images);
    if (forgotten !== undefined) await this.#input.write(`${DEVICE}${forgotten[0]}`, undefined);
    const gone = [before, forgotten?.[1]].flatMap((each) => [each?.now, each?.before]);
    const isQuiet = this.#unused.size === 0;
    for (const md5 of gone)
      if (md5 !== undefined && md5 !== images?.now && md5 !== images?.before) this.#unused.add(md5);
    // Nobody waits for that. In a rollout there is the same for every device.
    if (isQuiet && this.#unused.size > 0) void this.#input.files.inTurn(() => this.#discard());
  }

  /** Takes in an image, for which the oldest ones that nobody runs may have to go. */
  async #keep(image: StoredImage, { image: bytes }: Image): Promise<void> {
    if (this.#images.has(image.md5)) return;
    await this.#makeRoom(image.size);
    await this.#input.files.keep(image.md5, bytes);
    this.#images.set(image.md5, image);
    await this.#input.write(`${IMAGE}${image.md5}`, image);
  }

  async #makeRoom(size: number): Promise<void> {
    const { room = MAX_BYTES } = this.#input;
    const used = (): number => [...this.#images.values()].reduce((sum, each) => sum + each.size, size);
    while (used() > room) {
      const { offered, run } = this.#uses();
      const spare = [...this.#images.keys()].filter((md5) => !offered.has(md5));
      const oldest = spare.find((md5) => !run.has(md5)) ?? spare[0];
      if (oldest === undefined) throw new HomieError('LIBRARY_FULL', { megabytes: Math.round(room / 1024 / 1024) });
      for (const [key, images] of this.#devices) {
        if (images.now === oldest || images.before === oldest) await this.#set(key, without(images, oldest));
      }
      await this.#discard([oldest]);
    }
  }

  /** Removes images that nothing needs any more. */
  async #discard(candidates: readonly string[] = []): Promise<void> {
    const all = new Set([...this.#unused, ...candidates]);
    this.#unused.clear();
    const { offered, run, before } = this.#uses();
    for (const md5 of all) {
      if (offered.has(md5) || run.has(md5) || before.has(md5)) continue;
      if (!this.#images.delete(md5)) continue;
      await this.#input.write(`${IMAGE}${md5}`, undefined);
      await this.#input.files.release(md5);
    }
  }

  #uses(): Readonly<Record<'offered' | 'run' | 'before', ReadonlySet<string | undefined>>> {
    const devices = [...this.#devices.values()];
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
