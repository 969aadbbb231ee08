import type { Attribute } from './device';
import type { KnownDevice } from './known-device';

/** How many devices that are needed are passed over at most. */
const PROBES = 100;

/** How long it is believed that no device can be forgotten, in ms, when none could be. */
const FULL = 100;

/** What every device of Homie for ESP8266 and ESP32 advertises. The state is not there: it is forgotten at each connect. */
const fullAdvertisement: readonly Attribute[] = ['homie', 'name', 'fwName', 'fwVersion', 'implementation'];

/**
 * Chooses the devices to forget where there are too many: those with neither a checksum nor a full advertisement, the one that
 * was heard longest ago first, and none that somebody needs.
 */
export class Eviction {
  readonly #some: number;
  /** Devices that can be forgotten, from the one that was heard longest ago. */
  readonly #candidates = new Map<string, KnownDevice>();
  readonly #protections = new Set<(id: string) => boolean>();
  #pausedUntil = 0;

  /** @param some how many are chosen at a time */
  constructor(some: number) {
    this.#some = some;
  }

  /** See `Registry.protect`. */
  protect(isNeeded: (id: string) => boolean): () => void {
    this.#protections.add(isNeeded);
    return () => {
      this.#protections.delete(isNeeded);
    };
  }

  isNeeded(id: string): boolean {
    return [...this.#protections].some((isNeeded) => isNeeded(id));
  }

  /** Notes whether a device, which was heard just now, can be forgotten. */
  weigh(device: KnownDevice): void {
    this.#candidates.delete(device.id);
    if (!isAdvertised(device)) this.#candidates.set(device.id, device);
  }

  /** The device is not known any more. */
  remove(id: string): void {
    this.#candidates.delete(id);
  }

  /** Whether it is too early to look again. */
  get isPaused(): boolean {
    return performance.now() < this.#pausedUntil;
  }

  /** Those that were chosen did not make room. */
  pause(): void {
    this.#pausedUntil = performance.now() + FULL;
  }

  /** Returns the ids of the devices to forget. */
  choose(): string[] {
    const chosen: string[] = [];
    let probes = this.#some + PROBES;
    for (const [id, device] of this.#candidates) {
      if (chosen.length === this.#some || probes === 0) break;
      probes -= 1;
      if (this.isNeeded(id)) this.weigh(device);
      else chosen.push(id);
    }
    return chosen;
  }
}

function isAdvertised(device: KnownDevice): boolean {
  return device.checksum !== undefined || fullAdvertisement.every((each) => device[each] !== undefined);
}
