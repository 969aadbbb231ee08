import type { HomieError } from '../errors';
import { Aliases } from '../homie/aliases';
import { MAX_DEVICES } from '../homie/device';
import { setNewest } from '../set-newest';
import { readDeviceImages, without, withoutHold, type DeviceImages } from './device-images';

const DEVICE = 'device ';

const none: DeviceImages = {};

interface ProvenImagesInput {
  /** Stores a value under a key; undefined removes it. */
  readonly write: (key: string, value: unknown) => Promise<HomieError | undefined>;
  /** Called when the images of a device have changed. */
  readonly changed: (device: string) => void;
  /** Called with images that the device no longer refers to, once that is stored. */
  readonly left: (images: readonly string[]) => void;
}

/** The images that were proven on each device, and those that are held back from it. */
export class ProvenImages {
  readonly #input: ProvenImagesInput;
  readonly #devices = new Map<string, DeviceImages>();
  readonly #aliases = new Aliases();

  constructor(input: ProvenImagesInput) {
    this.#input = input;
  }

  /**
   * Replaces what is known by what was stored. A device forgets images that are not there.
   *
   * @param has whether an image is there
   */
  restore(entries: Iterable<readonly [key: string, value: unknown]>, has: (md5: string) => boolean): void {
    this.#devices.clear();
    for (const [key, value] of entries) {
      if (!key.startsWith(DEVICE)) continue;
      const device = key.slice(DEVICE.length);
      this.#aliases.note(device);
      const stored = readDeviceImages(value);
      const missing = referredTo(stored).filter((md5) => !has(md5));
      const images = missing.reduce((rest, md5) => without(rest, md5), stored);
      this.#devices.set(device, images);
      if (missing.length > 0) void this.#input.write(key, images);
    }
  }

  of(device: string): DeviceImages {
    return this.#devices.get(device) ?? none;
  }

  all(): DeviceImages[] {
    return [...this.#devices.values()];
  }

  /** Returns whether an image is held back from a device, under whichever host its broker is known. */
  isHeld(device: string, md5: string): boolean {
    return this.#aliases.of(device).some((each) => this.of(each).held?.includes(md5) === true);
  }

  /** Allows an image that is held back from a device to be sent again. */
  async allowAgain(device: string, md5: string): Promise<void> {
    for (const each of this.#aliases.of(device)) {
      if (this.of(each).held?.includes(md5) === true) await this.set(each, withoutHold(this.of(each), md5));
    }
  }

  /**
   * Sets the images of a device; undefined forgets it. If that makes too many devices, the one with the oldest proof is
   * forgotten. Resolves when that is stored, or could not be.
   */
  async set(device: string, images: DeviceImages | undefined): Promise<void> {
    const { write, changed, left } = this.#input;
    const before = this.#devices.get(device);
    if (JSON.stringify(before) === JSON.stringify(images)) return;
    this.#aliases.note(device);
    if (images === undefined) this.#devices.delete(device);
    const forgotten = images && setNewest(this.#devices, device, images, MAX_DEVICES);
    changed(device);
    await write(`${DEVICE}${device}`, images);
    if (forgotten !== undefined) await write(`${DEVICE}${forgotten[0]}`, undefined);
    const kept = new Set(referredTo(images));
    left([...referredTo(before), ...referredTo(forgotten?.[1])].filter((md5) => !kept.has(md5)));
  }

  /** Makes all devices forget an image that is no longer kept. */
  async forgetImage(md5: string): Promise<void> {
    const referring = [...this.#devices].filter(([, images]) => referredTo(images).includes(md5));
    for (const [device] of referring) await this.set(device, without(this.of(device), md5));
  }
}

function referredTo(images: DeviceImages | undefined): string[] {
  return [images?.now, images?.before].flatMap((md5) => md5 ?? []);
}
