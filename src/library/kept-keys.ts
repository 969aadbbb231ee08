import type { HomieError } from '../errors';
import { setNewest } from '../set-newest';

interface KeptKeysInput {
  /** What the stored keys start with. */
  readonly prefix: string;
  /** How many are kept; then the oldest is forgotten first. */
  readonly limit: number;
  /** Stores a value under a key; undefined removes it. Resolves with the error if it is not on the disk. */
  readonly write: (key: string, value: unknown) => Promise<HomieError | undefined>;
}

/** A set of texts that outlives the process. */
export class KeptKeys {
  readonly #input: KeptKeysInput;
  readonly #keys = new Map<string, true>();

  constructor(input: KeptKeysInput) {
    this.#input = input;
  }

  /** Replaces what is known by what was stored. */
  restore(entries: Iterable<readonly [key: string, value: unknown]>): void {
    const { prefix } = this.#input;
    this.#keys.clear();
    for (const [key, value] of entries)
      if (key.startsWith(prefix) && value === true) this.#keys.set(key.slice(prefix.length), true);
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /**
   * Adds a key to the set, or removes it.
   *
   * @returns whether that has changed anything
   * @throws {HomieError} JOB_NOT_SAVED: it cannot be stored, and nothing changes
   */
  async set(key: string, isKept: boolean): Promise<boolean> {
    if (this.has(key) === isKept) return false;
    const failure = await this.#write(key, isKept);
    if (failure !== undefined) {
      await this.#write(key, !isKept);
      throw failure;
    }
    if (!isKept) return this.#keys.delete(key);
    const forgotten = setNewest(this.#keys, key, true, this.#input.limit)?.[0];
    if (forgotten !== undefined) await this.#write(forgotten, false);
    return true;
  }

  #write(key: string, isKept: boolean): Promise<HomieError | undefined> {
    const { prefix, write } = this.#input;
    return write(`${prefix}${key}`, isKept ? true : undefined);
  }
}
