import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { existsSync, realpathSync, writeSync } from 'node:fs';
import { mkdir, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { HomieError } from '../../errors';
import { claimText, isFree, readClaim, watch, type Watched } from './folder-claim';
import { isMissing } from './whole-file';
import { readWhole } from './whole-file';

/** In ms. */
export interface LockTiming {
  /** From one heartbeat of the owner to the next. */
  readonly beat: number;
  /** From one look of a waiting process to the next. */
  readonly look: number;
  /** The folder is free after so long without a heartbeat. */
  readonly silence: number;
  /** The owner sends nothing after so long without a heartbeat of its own; shorter than `silence`. */
  readonly trust: number;
}

const defaultTiming: LockTiming = { beat: 2_000, look: 1_000, silence: 20_000, trust: 15_000 };

/** Bytes. */
const MAX_FILE = 10_000;

/** Errors that say nothing about the folder. */
const TRANSIENT = new Set<unknown>(['EEXIST', 'EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR', 'EBUSY']);

/** The file of the owner. */
interface Held {
  readonly generation: number;
  readonly handle: FileHandle;
  beats: number;
  /** When the lock was last confirmed, by both clocks: the monotonic one stands still while a machine sleeps. */
  confirmed: { readonly monotonic: number; readonly wall: number };
}

/** One table for the whole process, also where this package is loaded more than once. */
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
 * Lets only one process at a time use a folder, across the machines that share it.
 *
 * The owner is the process that created `owner.<n>.json` with the highest number, and it rewrites that file as its heartbeat.
 * To take over, a process creates the file with the next number, which only one process can. The highest file is marked as
 * released and never deleted, so that numbers only grow; the next owner deletes it.
 */
export class FolderLock extends EventEmitter<{
  /** The folder was in use by another process, and is ours now. */
  owned: [];
  /** Another process has taken the folder. */
  lost: [];
}> {
  readonly folder: string;
  readonly #timing: LockTiming;
  #users = 0;
  #run = new AbortController();
  #wake: () => void = () => undefined;
  #held: Held | undefined;
  /** No process can create a file there. */
  #unlockable = false;
  #token: string | undefined;
  #before: string | undefined;
  #watched: Watched | undefined;
  #inUse = false;
  #decision = deferred();

  private constructor(folder: string, timing: LockTiming) {
    super();
    this.setMaxListeners(0);
    this.folder = folder;
    this.#timing = timing;
  }

  /** The lock of a folder: one for the process. */
  static of(folder: string, timing: LockTiming = defaultTiming): FolderLock {
    const real = realFolder(folder);
    const lock = table().get(real) ?? new FolderLock(real, timing);
    table().set(real, lock);
    return lock;
  }

  /** Takes the folder as soon as it is free, and keeps it. Each call needs a call of `leave`. */
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
    this.#inUse = false;
    this.#watched = undefined;
    this.#decision.resolve();
  }

  /** Waits until it is known whether the folder is ours: for 20 s at most. */
  async decided(): Promise<boolean> {
    await this.#decision.promise;
    // After a pause of this process, or a jump of the clock, it is to be confirmed first.
    if (this.#held !== undefined && !this.isOwner) await this.#beat(this.#held);
    return this.isOwner;
  }

  /**
   * Whether this process may send anything to a device. Asks the disk at this very moment whether somebody has taken over,
   * and trusts the answer only while the last heartbeat is recent.
   */
  get isOwner(): boolean {
    const held = this.#held;
    if (held === undefined) return this.#unlockable;
    if (ageOf(held) <= this.#timing.trust && this.#stands(held)) return true;
    this.#wake();
    return false;
  }

  /** Why this process may not send anything; undefined when it may. */
  whyNot(): HomieError | undefined {
    if (this.isOwner) return undefined;
    const owner = this.#watched && readClaim(this.#watched.text);
    const used = this.#inUse ? 'USER_DIR_IN_USE.used' : 'USER_DIR_IN_USE.mayBeUsed';
    const { folder } = this;
    return owner === undefined
      ? new HomieError(used, { folder })
      : new HomieError(`${used}By`, { folder, pid: owner.pid, host: owner.host });
  }

  /** Another process is known to use the folder. */
  get isInUse(): boolean {
    return this.#inUse;
  }

  /** Identifies this period of ownership; undefined while the folder is not ours. */
  get token(): string | undefined {
    return this.#token;
  }

  /** The `token` of the owner before us, as far as that is known. */
  get before(): string | undefined {
    return this.#before;
  }

  /** Whether files in the folder may be changed as part of the period of ownership that `token` identifies. */
  mayWrite(token: string | undefined): boolean {
    if (token === undefined || token !== this.#token) return false;
    return this.#held === undefined ? this.#unlockable : this.#stands(this.#held);
  }

  /** Marks the folder as free, without waiting. */
  release(): void {
    if (this.#held !== undefined && this.#stands(this.#held)) this.#write(this.#held, true);
  }

  async #keep(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      if (this.#held === undefined) await this.#look(ended);
      else await this.#beat(this.#held);
      if (ended.aborted) return;
      await this.#pause(this.#held === undefined ? this.#timing.look : this.#timing.beat);
    }
  }

  /** Takes the folder if it is free. */
  async #look(ended: AbortSignal): Promise<void> {
    try {
      await mkdir(this.folder, 0o700).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error;
      });
      const latest = await this.#latest();
      if (ended.aborted) return;
      if (latest === undefined) await this.#take(1, undefined, ended);
      else {
        this.#watched = watch(this.#watched, latest, performance.now(), 2 * this.#timing.look);
        const claim = readClaim(latest.text);
        if (isFree(this.#watched, this.#timing.silence)) await this.#take(latest.generation + 1, claim?.token, ended);
        else if (this.#watched.alive) this.#yield();
      }
    } catch (error) {
      if (ended.aborted || TRANSIENT.has(codeOf(error))) return;
      // Where this process cannot create a file, it goes on as it does with all other files there.
      if (!this.#unlockable) this.#own(randomUUID(), undefined, () => (this.#unlockable = true));
    }
  }

  async #take(generation: number, before: string | undefined, ended: AbortSignal): Promise<void> {
    const handle = await open(this.#file(generation), 'wx', 0o600);
    const confirmed = { monotonic: performance.now(), wall: Date.now() };
    const held: Held = { generation, handle, beats: 0, confirmed };
    const token = this.#token ?? randomUUID();
    this.#write(held, false, token);
    // Whoever looked long ago may create a file that a later owner has already deleted.
    const found = await this.#generations().catch(() => undefined);
    if (found?.some((other) => other > generation))
      await rm(this.#file(generation), { force: true }).catch(() => undefined);
    else if (found === undefined || ended.aborted) this.#write(held, true, token);
    else {
      this.#own(token, before, () => (this.#held = held));
      return;
    }
    await handle.close().catch(() => undefined);
  }

  #own(token: string, before: string | undefined, set: () => void): void {
    set();
    if (this.#held !== undefined) this.#unlockable = false;
    this.#token = token;
    this.#before = before;
    const wasInUse = this.#inUse;
    this.#inUse = false;
    this.#decision.resolve();
    if (wasInUse) this.emit('owned');
  }

  /** Another process is seen to use the folder. */
  #yield(): void {
    const hadIt = this.#held !== undefined || this.#unlockable;
    this.#drop();
    this.#inUse = true;
    this.#decision.resolve();
    if (hadIt) this.emit('lost');
  }

  #drop(): void {
    void this.#held?.handle.close().catch(() => undefined);
    this.#held = undefined;
    this.#unlockable = false;
    this.#token = undefined;
  }

  async #beat(held: Held): Promise<void> {
    const at = { monotonic: performance.now(), wall: Date.now() };
    const isLate = ageOf(held) > this.#timing.trust;
    held.beats += 1;
    this.#write(held, false);
    // A network file system answers from its cache, unless it has to write: then a file that was deleted is missing.
    const isThere = !isLate || (await isWritten(held.handle));
    if (this.#held !== held) return;
    if (!isThere || !this.#stands(held)) {
      const latest = await this.#latest().catch(() => undefined);
      if (this.#held !== held) return;
      this.#watched = latest && watch(undefined, latest, at.monotonic, 0);
      this.#yield();
      return;
    }
    held.confirmed = at;
    // Later than the folder was taken: whoever lists the files meanwhile must find the owner among them.
    if (held.beats === 1) await this.#tidy(held.generation);
  }

  /** Deletes the files of earlier owners, from old to new: see `#stands`. */
  async #tidy(generation: number): Promise<void> {
    const earlier = (await this.#generations().catch(() => [])).filter((other) => other < generation);
    for (const each of earlier.sort((a, b) => a - b))
      await rm(this.#file(each), { force: true }).catch(() => undefined);
  }

  /** Whether nobody has taken over: whoever deletes the next file has deleted ours before. */
  #stands({ generation }: Held): boolean {
    return !existsSync(this.#file(generation + 1)) && existsSync(this.#file(generation));
  }

  #write({ handle, beats }: Held, released: boolean, token = this.#token): void {
    try {
      writeSync(handle.fd, claimText({ token: token ?? '', released, beats }), 0);
    } catch {
      // Without a heartbeat another process takes over, and then `#stands` is false.
    }
  }

  async #latest(): Promise<{ readonly generation: number; readonly text: string } | undefined> {
    const generations = await this.#generations();
    if (generations.length === 0) return undefined;
    const generation = Math.max(...generations);
    // What is no file can be no heartbeat.
    const text = await readWhole(this.#file(generation), MAX_FILE).catch((error: unknown) => {
      if (isMissing(error)) throw error;
      return '';
    });
    return { generation, text: text.toString() };
  }

  async #generations(): Promise<number[]> {
    const names = await readdir(this.folder);
    return names.flatMap((name) => {
      const [, number] = /^owner\.(\d{1,15})\.json$/.exec(name) ?? [];
      return number === undefined ? [] : [Number(number)];
    });
  }

  #file(generation: number): string {
    return path.join(this.folder, `owner.${generation}.json`);
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = deferred();
    const timer = setTimeout(resolve, ms).unref();
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }
}

async function isWritten(handle: FileHandle): Promise<boolean> {
  try {
    await handle.datasync();
    return true;
  } catch {
    return false;
  }
}

/** ms since the lock was last confirmed. */
function ageOf({ confirmed: { monotonic, wall } }: Held): number {
  return Math.max(performance.now() - monotonic, Date.now() - wall);
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function realFolder(folder: string): string {
  const absolute = path.resolve(folder);
  try {
    return path.join(realpathSync(path.dirname(absolute)), path.basename(absolute));
  } catch {
    return absolute;
  }
}
