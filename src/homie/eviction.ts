import type { Attribute } from './device';
import type { KnownDevice } from './known-device';

/** How many devices are examined beyond the number to choose, because some of them are needed. */
const PROBES = 100;

/** How long to wait before the next attempt if no device could be forgotten, in ms. */
const FULL = 100;

/**
 * What every device with Homie for ESP8266 and ESP32 advertises. The state is missing here: it is forgotten at each
 * connect.
 */
const fullAdvertisement: readonly Attribute[] = ['homie', 'name', 'fwName', 'fwVersion', 'implementation'];

/**
 * Chooses the devices to forget if there are too many: devices with neither a checksum nor a full advertisement,
 * starting with the one that was heard longest ago. Never chooses a device that is needed.
 */
export class Eviction {
  readonly #some: number;
  /** Devices that can be forgotten, starting with the one that was heard longest ago. */
  readonly #candidates = new Map<string, KnownDevice>();
  readonly #protections = new Set<(id: string) => boolean>();
  #pausedUntil = 0;

  /** @param some how many to choose at a time */
  constructor(some: number) {
    this.#some = some;
  }

  /** Keeps devices from being forgotten. See `Registry.protect`. */
  protect(isNeeded: (id: string) => boolean): () => void {
    this.#protections.add(isNeeded);
    return () => {
      this.#protections.delete(isNeeded);
    };
  }

  isNeeded(id: string): boolean {
    return [...this.#protections].some((isNeeded) => isNeeded(id));
  }

  /** Notes whether a device can be forgotten, and ranks it as heard last. */
  weigh(device: KnownDevice): void {
    this.#candidates.delete(device.id);
    if (!isAdvertised(device)) this.#candidates.set(device.id, device);
  }

  /** Removes a device that is no longer known. */
  remove(id: string): void {
    this.#candidates.delete(id);
  }

  /** Whether it is too early for another attempt. */
  get isPaused(): boolean {
    return performance.now() < this.#pausedUntil;
  }

  /** Postpones the next attempt, because the devices chosen did not make room. */
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
