import type { HomieError } from '../errors';
import { setNewest } from '../set-newest';

/** Maximum number of devices: as many as a registry remembers. The one that was excluded first is forgotten first. */
const MAX_DEVICES = 20_000;

const EXCLUDED = 'excluded ';

/** The devices that a user has excluded from updates. */
export class Exclusions {
  readonly #write: (key: string, value: unknown) => Promise<HomieError | undefined>;
  readonly #devices = new Map<string, true>();

  /** @param write stores a value under a key; undefined removes it. Resolves with the error if it is not on the disk */
  constructor(write: (key: string, value: unknown) => Promise<HomieError | undefined>) {
    this.#write = write;
  }

  /** Replaces what is known by what was stored. */
  restore(entries: Iterable<readonly [key: string, value: unknown]>): void {
    this.#devices.clear();
    for (const [key, value] of entries)
      if (key.startsWith(EXCLUDED) && value === true) this.#devices.set(key.slice(EXCLUDED.length), true);
  }

  has(device: string): boolean {
    return this.#devices.has(device);
  }

  /**
   * Excludes a device, or includes it again.
   *
   * @returns whether that has changed anything
   * @throws {HomieError} JOB_NOT_SAVED: it cannot be stored, and nothing changes
   */
  async set(device: string, isExcluded: boolean): Promise<boolean> {
    if (this.has(device) === isExcluded) return false;
    const stored = (value: boolean): true | undefined => (value ? value : undefined);
    const failure = await this.#write(`${EXCLUDED}${device}`, stored(isExcluded));
    if (failure !== undefined) {
      await this.#write(`${EXCLUDED}${device}`, stored(!isExcluded));
      throw failure;
    }
    if (!isExcluded) return this.#devices.delete(device);
    const forgotten = setNewest(this.#devices, device, true, MAX_DEVICES)?.[0];
    if (forgotten !== undefined) await this.#write(`${EXCLUDED}${forgotten}`, undefined);
    return true;
  }
}
