import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { HomieError } from '../../errors';
import { isFree, readClaim, watch, type Watched } from './folder-claim';
import { realFolder, saysUnwritable } from './folder-path';
import { OwnerFiles, type OwnerFile } from './owner-file';
import { codeOf, isMissing } from './whole-file';

/** Times in ms. */
export interface LockTiming {
  /** Interval between heartbeats of the owner. */
  readonly beat: number;
  /** Interval between looks of a waiting process. */
  readonly look: number;
  /** The folder is free after this time without a heartbeat. */
  readonly silence: number;
  /** The owner sends nothing after this time without a heartbeat of its own; shorter than `silence`. */
  readonly trust: number;
}

const defaultTiming: LockTiming = { beat: 2_000, look: 1_000, silence: 20_000, trust: 15_000 };

/** A period in which the folder is ours. */
interface Ownership {
  readonly token: string;
  /** The token of the previous owner, if known. */
  readonly before?: string | undefined;
  /** Undefined when this process cannot create files in the folder. */
  readonly file?: OwnerFile;
}

/** Key of the one table in the process, even if this package is loaded more than once. */
const key = Symbol.for('@homie-ota/node-red-homie-ota/folder-locks/1');

function table(): Map<string, FolderLock> {
  const known: unknown = Reflect.get(globalThis, key);
  if (known instanceof Map) return known;
  const made = new Map<string, FolderLock>();
  Reflect.set(globalThis, key, made);
  process.on('exit', () => {
    for (const lock of made.values()) lock.release();
  });
  return made;
}

/**
 * Lets only one process at a time use a folder, across all machines that share it.
 *
 * The owner is the process that created `owner.<n>.json` with the highest number. It rewrites that file as its
 * heartbeat. To take over, a process creates the file with the next number, which only one process can do. An owner
 * that leaves marks its file as released instead of deleting it, so that numbers only grow; the next owner deletes the
 * file.
 */
export class FolderLock extends EventEmitter<{
  /** This process has taken the folder after it was known, or feared, that another process uses it. */
  owned: [];
  /** Another process has taken the folder. */
  lost: [];
}> {
  readonly folder: string;
  readonly #files: OwnerFiles;
  readonly #timing: LockTiming;
  #users = 0;
  #run = new AbortController();
  #wake: () => void = () => undefined;
  #ownership: Ownership | undefined;
  #watched: Watched | undefined;
  #inUse = false;
  /** Since when looks at the folder have failed, in ms of `performance.now()`. */
  #blindSince: number | undefined;
  /** Whether `decided` has answered that the folder is not ours. */
  #isDenied = false;
  #decision = deferred();

  private constructor(folder: string, timing: LockTiming) {
    super();
    this.setMaxListeners(0);
    this.folder = folder;
    this.#files = new OwnerFiles(folder);
    this.#timing = timing;
  }

  /** Returns the lock of a folder. There is one in the process. */
  static of(folder: string, timing: LockTiming = defaultTiming): FolderLock {
    const real = realFolder(folder);
    const lock = table().get(real) ?? new FolderLock(real, timing);
    table().set(real, lock);
    return lock;
  }

  /** Takes the folder as soon as it is free, and keeps it. Each call must be paired with a call of `leave`. */
  enter(): void {
    this.#users += 1;
    if (this.#users > 1) return;
    this.#run = new AbortController();
    this.#decision = deferred();
    void this.#keep(this.#run.signal);
  }

  /** Ends the use of the folder. The last call releases it. */
  leave(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#run.abort();
    this.#wake();
    this.release();
    this.#drop();
    this.#inUse = this.#isDenied = false;
    this.#watched = this.#blindSince = undefined;
    this.#decision.resolve();
  }

  /** Waits until it is known whether the folder is ours, for about 20 s at most. Returns whether it is. */
  async decided(): Promise<boolean> {
    await this.#decision.promise;
    // After a pause of this process or a jump of the clock, a heartbeat must confirm the ownership first.
    const file = this.#ownership?.file;
    if (file !== undefined && !this.isOwner) await this.#beat(file);
    return this.isOwner;
  }

  /**
   * Whether this process may send anything to a device. Checks the disk at each access for another owner, and trusts
   * the answer only while the last heartbeat is recent.
   */
  get isOwner(): boolean {
    if (this.#ownership === undefined) return false;
    const { file } = this.#ownership;
    if (file === undefined || (file.age <= this.#timing.trust && file.stands)) return true;
    this.#wake();
    return false;
  }

  /** Returns why this process may not send anything; undefined when it may. */
  whyNot(): HomieError | undefined {
    if (this.isOwner) return undefined;
    const owner = this.#watched && readClaim(this.#watched.text);
    const { folder } = this;
    const isSure = this.#inUse;
    if (owner === undefined) {
      return new HomieError(isSure ? 'USER_DIR_IN_USE.used' : 'USER_DIR_IN_USE.mayBeUsed', { folder });
    }
    const { pid, host } = owner;
    return new HomieError(isSure ? 'USER_DIR_IN_USE.usedBy' : 'USER_DIR_IN_USE.mayBeUsedBy', { folder, pid, host });
  }

  /** Whether another process is known to use the folder. */
  get isInUse(): boolean {
    return this.#inUse;
  }

  /** Identifies this period of ownership; undefined while the folder is not ours. */
  get token(): string | undefined {
    return this.#ownership?.token;
  }

  /** The `token` of the previous owner, if known. */
  get before(): string | undefined {
    return this.#ownership?.before;
  }

  /** Returns whether files in the folder may be changed in the period of ownership that `token` identifies. */
  mayWrite(token: string | undefined): boolean {
    if (token === undefined || token !== this.#ownership?.token) return false;
    return this.#ownership.file?.stands ?? true;
  }

  /** Marks the folder as free, without waiting. */
  release(): void {
    const file = this.#ownership?.file;
    if (file?.stands === true) file.release();
  }

  async #keep(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      const file = this.#ownership?.file;
      if (file === undefined) await this.#look(ended);
      else await this.#beat(file);
      if (ended.aborted) return;
      await this.#pause(this.#ownership?.file === undefined ? this.#timing.look : this.#timing.beat);
    }
  }

  /** Takes the folder if it is free. */
  async #look(ended: AbortSignal): Promise<void> {
    let isFolderThere = false;
    // Without any sign of another owner, a folder in which no file can be created is free.
    let isOpen = this.#watched === undefined && !this.#inUse;
    try {
      await mkdir(this.folder, 0o700).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error;
      });
      isFolderThere = true;
      const latest = await this.#files.latest();
      if (ended.aborted) return;
      if (latest === undefined) await this.#take(1, undefined, ended);
      else {
        this.#watched = watch(this.#watched, latest, performance.now(), 2 * this.#timing.look);
        const claim = readClaim(latest.text);
        isOpen = isFree(this.#watched, this.#timing.silence);
        if (isOpen) await this.#take(latest.generation + 1, claim?.token, ended);
        else if (this.#watched.alive) this.#yield();
      }
      this.#blindSince = undefined;
    } catch (error) {
      if (ended.aborted || this.#ownership !== undefined) return;
      // A file that is missing may just have been deleted; a folder that cannot be made is missing for all.
      const isUnwritable = saysUnwritable(error) || (isMissing(error) && !isFolderThere);
      // This process cannot create a file in the folder, so it continues without, as it does for its other files there.
      if (isUnwritable && isOpen) this.#own({ token: randomUUID() });
      else this.#wasBlind(performance.now());
    }
  }

  /** Another process may own the folder while looks fail, so this one waits on. `decided` does not. */
  #wasBlind(at: number): void {
    this.#blindSince ??= at;
    if (at - this.#blindSince >= this.#timing.silence) this.#deny();
  }

  async #take(generation: number, before: string | undefined, ended: AbortSignal): Promise<void> {
    const token = this.#ownership?.token ?? randomUUID();
    const file = await this.#files.create(generation, token);
    // After a long pause since its look, a process may recreate a file that a later owner has already deleted.
    const found = await this.#files.generations().catch(() => undefined);
    if (found?.some((other) => other > generation)) await this.#files.remove(generation);
    else if (found === undefined || ended.aborted) file.release();
    else {
      this.#own({ token, before, file });
      return;
    }
    await file.close();
  }

  #own(ownership: Ownership): void {
    this.#ownership = ownership;
    const wasDenied = this.#isDenied;
    this.#inUse = this.#isDenied = false;
    this.#blindSince = undefined;
    this.#decision.resolve();
    if (wasDenied) this.emit('owned');
  }

  #deny(): void {
    this.#isDenied = true;
    this.#decision.resolve();
  }

  /** Gives up the folder, because another process was seen to use it. */
  #yield(): void {
    const hadIt = this.#ownership !== undefined;
    this.#drop();
    this.#inUse = true;
    this.#deny();
    if (hadIt) this.emit('lost');
  }

  #drop(): void {
    void this.#ownership?.file?.close();
    this.#ownership = undefined;
  }

  async #beat(file: OwnerFile): Promise<void> {
    const at = performance.now();
    if ((await file.beat(this.#timing.trust)) || this.#ownership?.file !== file) return;
    const latest = await this.#files.latest().catch(() => undefined);
    if (this.#ownership?.file !== file) return;
    this.#watched = latest && watch(undefined, latest, at, 0);
    this.#yield();
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = deferred();
    const timer = setTimeout(resolve, ms).unref();
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
