import { existsSync, writeSync } from 'node:fs';
import { open, readdir, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { claimText, type Watched } from './folder-claim';
import { isMissing, readWhole } from './whole-file';

/** Bytes. */
const MAX_FILE = 10_000;

/** The files of the owners of a folder, `owner.<n>.json`. Each new owner creates the one with the next number. */
export class OwnerFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The file with the highest number; undefined if there is none. */
  async latest(): Promise<Pick<Watched, 'generation' | 'text'> | undefined> {
    const generations = await this.generations();
    if (generations.length === 0) return undefined;
    const generation = Math.max(...generations);
    // What is no file can be no heartbeat.
    const text = await readWhole(this.#pathOf(generation), MAX_FILE).catch((error: unknown) => {
      if (isMissing(error)) throw error;
      return '';
    });
    return { generation, text: text.toString() };
  }

  /** The numbers of the files. */
  async generations(): Promise<number[]> {
    const names = await readdir(this.#folder);
    return names.flatMap((name) => {
      const [, number] = /^owner\.(\d{1,15})\.json$/.exec(name) ?? [];
      return number === undefined ? [] : [Number(number)];
    });
  }

  /** Creates a file, which only one process can. @throws the error of the system */
  async create(generation: number, token: string): Promise<OwnerFile> {
    const handle = await open(this.#pathOf(generation), 'wx', 0o600);
    return new OwnerFile(this, generation, token, handle);
  }

  /** Deletes the files of earlier owners, from old to new: see `OwnerFile.stands`. */
  async tidy(generation: number): Promise<void> {
    const earlier = (await this.generations().catch(() => [])).filter((other) => other < generation);
    for (const each of earlier.sort((a, b) => a - b)) await this.remove(each);
  }

  /** Never rejects. */
  async remove(generation: number): Promise<void> {
    await rm(this.#pathOf(generation), { force: true }).catch(() => undefined);
  }

  exists(generation: number): boolean {
    return existsSync(this.#pathOf(generation));
  }

  #pathOf(generation: number): string {
    return path.join(this.#folder, `owner.${generation}.json`);
  }
}

/** The file of this process as the owner of a folder. */
export class OwnerFile {
  readonly #files: OwnerFiles;
  readonly #generation: number;
  readonly #token: string;
  readonly #handle: FileHandle;
  #beats = 0;
  /** When it was last known that nobody has taken over. */
  #confirmed = moment();

  /** @param handle of the file, which is empty: it is written at once */
  constructor(files: OwnerFiles, generation: number, token: string, handle: FileHandle) {
    this.#files = files;
    this.#generation = generation;
    this.#token = token;
    this.#handle = handle;
    this.#write();
  }

  /** Whether nobody has taken over: whoever deletes the next file has deleted this one before. */
  get stands(): boolean {
    return !this.#files.exists(this.#generation + 1) && this.#files.exists(this.#generation);
  }

  /** For how long it has not been confirmed that nobody has taken over, in ms. */
  get age(): number {
    const { monotonic, wall } = this.#confirmed;
    return Math.max(performance.now() - monotonic, Date.now() - wall);
  }

  /**
   * Writes a heartbeat.
   *
   * @param trust ms: after more than that without one, the disk is waited for
   * @returns whether nobody has taken over
   */
  async beat(trust: number): Promise<boolean> {
    const at = moment();
    const isLate = this.age > trust;
    this.#beats += 1;
    this.#write();
    // A network file system answers from its cache, unless it has to write: then a file that was deleted is missing.
    const isThere = !isLate || (await this.#isWritten());
    if (!isThere || !this.stands) return false;
    this.#confirmed = at;
    // Later than the folder was taken: whoever lists the files meanwhile must find the owner among them.
    if (this.#beats === 1) await this.#files.tidy(this.#generation);
    return true;
  }

  /** Marks the folder as free, without waiting. */
  release(): void {
    this.#write(true);
  }

  /** Never rejects. */
  async close(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
  }

  #write(released = false): void {
    try {
      writeSync(this.#handle.fd, claimText({ token: this.#token, released, beats: this.#beats }), 0);
    } catch {
      // Without a heartbeat another process takes over, and then `stands` is false.
    }
  }

  async #isWritten(): Promise<boolean> {
    try {
      await this.#handle.datasync();
      return true;
    } catch {
      return false;
    }
  }
}

/** Now, by both clocks: the monotonic one stands still while a machine sleeps. */
function moment(): { readonly monotonic: number; readonly wall: number } {
  return { monotonic: performance.now(), wall: Date.now() };
}
