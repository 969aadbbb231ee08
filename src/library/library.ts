import { EventEmitter } from 'node:events';
import { asHomieError, HomieError } from '../errors';
import { Firmware } from '../firmware/firmware';
import { MAX_DEVICES, type Device } from '../homie/device';
import type { Image } from '../ota/image';
import { chooseOffer, list, noImage, type Choice, type ImageOrigin } from './choose';
import { afterProof, afterRollback, isAsProven, without, type DeviceImages, type Proof } from './device-images';
import { imagesInMemory, type ImageFiles } from './image-files';
import { imageKey, KeptImages, type Uses } from './kept-images';
import { KeptKeys } from './kept-keys';
import { isOffer, offerKey, Offers, replaces, type Offer } from './offers';
import { ProvenImages } from './proven-images';
import { describeImage, isRunBy, isStoredImage, type StoredImage } from './stored-image';

/** Maximum number of closed jobs. Only those of the last day matter. */
const MAX_CLOSED = 200;

/** The result of an offer. `instead`: the higher version that stays on offer. */
export interface Offered {
  readonly image: StoredImage;
  readonly instead?: StoredImage;
}

/** The environment of the library. */
export interface LibraryInput {
  readonly files: ImageFiles;
  /**
   * Stores a value under a key; undefined removes it. Resolves with the error if it is not on the disk. Never rejects.
   */
  readonly write: (key: string, value: unknown) => Promise<HomieError | undefined>;
  /** Called with an error if a proven image cannot be kept. */
  readonly tell?: (error: HomieError) => void;
  /** Maximum size of all images together, in bytes. */
  readonly room?: number;
}

/**
 * The firmware on offer, the images that were proven on each device, and the devices that are excluded from updates. A
 * device is identified by broker, base topic and id, the offers of a broker by its `locks.scope`.
 *
 * Emits `changed` when the offer for devices may have changed, with the key of the device if it is only one, and then
 * `restored` if the library was read.
 */
export class Library extends EventEmitter<{ changed: [device?: string]; restored: [] }> {
  readonly #input: LibraryInput;
  readonly #images: KeptImages;
  readonly #offers = new Offers((md5) => this.#images.get(md5));
  /** What `offers` returns for each broker until the next change: it is asked about every device. */
  readonly #offered = new Map<string, readonly StoredImage[]>();
  readonly #devices: ProvenImages;
  readonly #excluded: KeptKeys;
  /** The ids of jobs that a user has closed, so that they are shown no more. */
  readonly closedJobs: KeptKeys;

  /** Without `input`, the library is in memory only. */
  constructor(input: LibraryInput = { files: imagesInMemory(), write: async () => undefined }) {
    super();
    this.setMaxListeners(0);
    this.#input = input;
    const { files, write, room } = input;
    this.#devices = new ProvenImages({
      write,
      changed: (device) => this.#change(device),
      left: (images) => this.#images.discardSoon(images),
    });
    this.#excluded = new KeptKeys({ prefix: 'excluded ', limit: MAX_DEVICES, write });
    this.closedJobs = new KeptKeys({ prefix: 'closed ', limit: MAX_CLOSED, write });
    this.#images = new KeptImages({
      files,
      write,
      room,
      uses: () => this.#uses(),
      forget: (md5) => this.#devices.forgetImage(md5),
    });
  }

  /**
   * Replaces what is known by what was stored. Leaves out what is damaged, and what refers to an image that is not
   * there; `discardUnused` then removes what nothing uses.
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
    this.#excluded.restore(all);
    this.closedJobs.restore(all);
    this.#change();
    this.emit('restored');
  }

  /** Removes images that nothing uses, as a process that was killed may leave them. */
  discardUnused(): Promise<void> {
    return this.#images.discardUnused();
  }

  /** Returns whether the file of an image is needed. */
  needs(md5: string): boolean {
    return this.#images.has(md5);
  }

  /** Returns the images on offer for the devices of a broker, from old to new. */
  offers(scope: string): readonly StoredImage[] {
    const offered = this.#offered.get(scope) ?? this.#offers.of(scope).map(({ image }) => image);
    this.#offered.set(scope, offered);
    return offered;
  }

  /** Returns when an image was put on offer, in ms since 1970; undefined if it is not on offer. */
  offeredAt(scope: string, md5: string): number | undefined {
    const offer = this.#offers.get({ scope, md5 });
    return offer && Date.parse(offer.at);
  }

  /**
   * Puts an image on offer for the devices with its firmware name, chip and flash size, unless a higher version is on
   * offer for them.
   *
   * @param replace offers it in any case
   * @throws {HomieError} NOT_HOMIE, VERSION_UNCLEAR, LIBRARY_FULL; JOB_NOT_SAVED if it cannot be stored
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
   * Stops offering an image. Transfers in progress continue.
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

  /** Returns the image for a device, or NOTHING_ON_OFFER or NOTHING_TO_GO_BACK_TO. */
  choose(origin: ImageOrigin, scope: string, device: Device): Choice {
    return origin === 'offer' ? this.offerFor(scope, device) : this.#previousOf(scope, device);
  }

  /** Returns the image on offer for a device: see `chooseOffer`. */
  offerFor(scope: string, device: Device): Choice {
    const images = this.#of(scope, device.id);
    const last = this.#images.get(images.now);
    const checksum = device.checksum?.value;
    // The device may have got another image since, by cable for instance.
    const isLast = checksum === undefined || this.#runs(images, checksum);
    return chooseOffer(device, this.offers(scope), { last, now: isLast ? last : this.#images.runAs(checksum) });
  }

  /** Returns whether the image that a device runs is kept, so that an update of the device can be rolled back. */
  knowsRunning(scope: string, { id, checksum }: Device): boolean {
    const images = this.#of(scope, id);
    return images.now !== undefined && this.#runs(images, checksum?.value);
  }

  /** Returns whether an image is held back from a device, because the device was rolled back from it. */
  isHeld(key: string, md5: string): boolean {
    return this.#devices.isHeld(key, md5);
  }

  /** Allows an image that is held back from a device to be sent again. */
  allowAgain(key: string, md5: string): Promise<void> {
    return this.#devices.allowAgain(key, md5);
  }

  /** Returns whether a user has excluded a device from updates. */
  isExcluded(key: string): boolean {
    return this.#excluded.has(key);
  }

  /**
   * Excludes a device from all updates that do not name it by its full id, or includes it again, under each host of the
   * broker.
   *
   * @throws {HomieError} JOB_NOT_SAVED: it cannot be stored, and nothing changes
   */
  async exclude(key: string, isExcluded: boolean): Promise<void> {
    await this.#input.files.inTurn(async () => {
      if (await this.#excluded.set(key, isExcluded)) this.#change();
    });
  }

  /** Reads an image. @throws {HomieError} FIRMWARE_NOT_KEPT: its file is missing or damaged */
  async read(md5: string): Promise<Firmware> {
    return Firmware.from(await this.#input.files.read(md5));
  }

  /**
   * Records that an image was proven on a device, and keeps the image. Resolves when that is stored, or could not be.
   * Never rejects.
   */
  async proven(key: string, { load, ...proof }: Proof): Promise<void> {
    const { md5 } = proof;
    const after = (): DeviceImages => (proof.isRollback ? afterRollback : afterProof)(this.#devices.of(key), proof);
    if (this.#images.has(md5)) return this.#devices.set(key, after());
    const keepAndRemember = async (): Promise<void> => {
      const firmware = await load();
      // A rollback to an image without a name would be refused.
      if (firmware.info.name === undefined) return;
      await this.#images.keep(await describeImage(firmware), firmware.image);
      await this.#devices.set(key, after());
    };
    await this.#input.files.inTurn(keepAndRemember).catch(async (error: unknown) => {
      this.#input.tell?.(asHomieError(error));
      // The image that the device was rolled back from is held back all the same.
      if (proof.isRollback) await this.#devices.set(key, without(after(), md5));
    });
  }

  /** Forgets a device, but not one of the same id under another host of the broker. Never rejects. */
  async forget(key: string): Promise<void> {
    await this.#devices.set(key, undefined);
    const include = async (): Promise<void> => {
      if (await this.#excluded.delete(key)) this.#change(key);
    };
    await this.#input.files.inTurn(include).catch((error: unknown) => this.#input.tell?.(asHomieError(error)));
  }

  /** Stores an offer of an image that is kept, and then puts it on offer. */
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

  /** Returns whether a device runs the image that was proven on it last. */
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

  #change(device?: string): void {
    this.#offered.clear();
    this.emit('changed', device);
  }
}
