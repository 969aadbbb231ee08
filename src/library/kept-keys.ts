import type { HomieError } from '../errors';
import { Aliases } from '../homie/aliases';
import { setNewest } from '../set-newest';

interface KeptKeysInput {
  /** What the stored keys start with. */
  readonly prefix: string;
  /** How many are kept; then the oldest is forgotten first. */
  readonly limit: number;
  /** Stores a value under a key; undefined removes it. Resolves with the error if it is not on the disk. */
  readonly write: (key: string, value: unknown) => Promise<HomieError | undefined>;
}

/** A set of keys that outlives the process. Its `Aliases` make a key of a device one with those under other hosts. */
export class KeptKeys {
  readonly #input: KeptKeysInput;
  readonly #keys = new Map<string, true>();
  readonly #aliases = new Aliases();

  constructor(input: KeptKeysInput) {
    this.#input = input;
  }

  /** Replaces what is known by what was stored. */
  restore(entries: Iterable<readonly [key: string, value: unknown]>): void {
    const { prefix } = this.#input;
    this.#keys.clear();
    for (const [name, value] of entries) {
      if (!name.startsWith(prefix) || value !== true) continue;
      const key = name.slice(prefix.length);
      this.#aliases.note(key);
      this.#keys.set(key, true);
    }
  }

  has(key: string): boolean {
    return this.#same(key).length > 0;
  }

  /**
   * Adds a key to the set, or removes it, also under other hosts.
   *
   * @returns whether that has changed anything
   * @throws {HomieError} JOB_NOT_SAVED: it cannot be stored, and nothing changes
   */
  async set(key: string, isKept: boolean): Promise<boolean> {
    if (this.has(key) === isKept) return false;
    if (!isKept) {
      for (const each of this.#same(key)) await this.delete(each);
      return true;
    }
    await this.#writeOrThrow(key, true);
    this.#aliases.note(key);
    const forgotten = setNewest(this.#keys, key, true, this.#input.limit)?.[0];
    if (forgotten !== undefined) await this.#write(forgotten, false);
    return true;
  }

  /**
   * Removes a key, and no other.
   *
   * @returns whether that has changed anything
   * @throws {HomieError} JOB_NOT_SAVED: it cannot be stored, and nothing changes
   */
  async delete(key: string): Promise<boolean> {
    if (!this.#keys.has(key)) return false;
    await this.#writeOrThrow(key, false);
    return this.#keys.delete(key);
  }

  #same(key: string): string[] {
    return this.#aliases.of(key).filter((each) => this.#keys.has(each));
  }

  async #writeOrThrow(key: string, isKept: boolean): Promise<void> {
    const failure = await this.#write(key, isKept);
    if (failure === undefined) return;
    await this.#write(key, !isKept);
    throw failure;
  }

  #write(key: string, isKept: boolean): Promise<HomieError | undefined> {
    const { prefix, write } = this.#input;
    return write(`${prefix}${key}`, isKept ? true : undefined);
  }
}
