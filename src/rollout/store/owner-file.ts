import { existsSync, writeSync } from 'node:fs';
import { open, readdir, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { claimText, type Watched } from './folder-claim';
import { isMissing, readWhole } from './whole-file';

/** Maximum size of a file, in bytes. */
const MAX_FILE = 10_000;

/** The files `owner.<n>.json` of the owners of a folder. Each new owner creates the file with the next number. */
export class OwnerFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Returns the file with the highest number; undefined if there is none. */
  async latest(): Promise<Pick<Watched, 'generation' | 'text'> | undefined> {
    const generations = await this.generations();
    if (generations.length === 0) return undefined;
    const generation = Math.max(...generations);
    // What cannot be read as a file shows no heartbeat.
    const text = await readWhole(this.#pathOf(generation), MAX_FILE).catch((error: unknown) => {
      if (isMissing(error)) throw error;
      return '';
    });
    return { generation, text: text.toString() };
  }

  /** Returns the numbers of the files. */
  async generations(): Promise<number[]> {
    const names = await readdir(this.#folder);
    return names.flatMap((name) => {
      const [, number] = /^owner\.(\d{1,15})\.json$/.exec(name) ?? [];
      return number === undefined ? [] : [Number(number)];
    });
  }

  /**
   * Creates a file, which only one process can do.
   *
   * @throws the error of the system, such as EEXIST
   */
  async create(generation: number, token: string): Promise<OwnerFile> {
    const handle = await open(this.#pathOf(generation), 'wx', 0o600);
    return new OwnerFile(this, generation, token, handle);
  }

  /** Deletes the files of earlier owners, oldest first, as `OwnerFile.stands` requires. */
  async tidy(generation: number): Promise<void> {
    const earlier = (await this.generations().catch(() => [])).filter((other) => other < generation);
    for (const each of earlier.sort((a, b) => a - b)) await this.remove(each);
  }

  /** Deletes a file. Never rejects. */
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
  /** When it was last confirmed that no other process had taken over. */
  #confirmed = moment();

  /** @param handle handle of the empty file, which is written at once */
  constructor(files: OwnerFiles, generation: number, token: string, handle: FileHandle) {
    this.#files = files;
    this.#generation = generation;
    this.#token = token;
    this.#handle = handle;
    this.#write();
  }

  /**
   * Whether no other process has taken over. Files are deleted oldest first: when the next file is gone again, this one
   * is gone, too.
   */
  get stands(): boolean {
    return !this.#files.exists(this.#generation + 1) && this.#files.exists(this.#generation);
  }

  /** Time since it was last confirmed that no other process had taken over, in ms. */
  get age(): number {
    const { monotonic, wall } = this.#confirmed;
    return Math.max(performance.now() - monotonic, Date.now() - wall);
  }

  /**
   * Writes a heartbeat.
   *
   * @param trust if the last confirmation is older, waits for the disk; in ms
   * @returns whether no other process has taken over
   */
  async beat(trust: number): Promise<boolean> {
    const at = moment();
    const isLate = this.age > trust;
    this.#beats += 1;
    this.#write();
    // A network file system may answer from its cache. Only a write to the disk shows that the file was deleted.
    const isThere = !isLate || (await this.#isWritten());
    if (!isThere || !this.stands) return false;
    this.#confirmed = at;
    // Not earlier: a process that lists the files during a takeover must find that of an owner.
    if (this.#beats === 1) await this.#files.tidy(this.#generation);
    return true;
  }

  /** Marks the folder as free, without waiting. */
  release(): void {
    this.#write(true);
  }

  /** Closes the handle. Never rejects. */
  async close(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
  }

  #write(released = false): void {
    try {
      writeSync(this.#handle.fd, claimText({ token: this.#token, released, beats: this.#beats }), 0);
    } catch {
      // Without heartbeats, another process takes over, and `stands` becomes false.
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

/** Returns the time on both clocks, since the monotonic clock stops while the machine sleeps. */
function moment(): { readonly monotonic: number; readonly wall: number } {
  return { monotonic: performance.now(), wall: Date.now() };
}
