import { lutimes, rename } from 'node:fs/promises';
import path from 'node:path';
import { asHomieError, HomieError } from '../../errors';
import { moment } from '../../homie/elapsed';
import { DeviceLocks } from '../../homie/lock';
import { type PendingReboot } from '../../homie/lock-table';
import type { Library } from '../../library/library';
import { DeviceRecords } from './device-records';
import { FirmwareFiles } from './firmware-files';
import type { FolderLock } from './folder-lock';
import { FolderUse } from './folder-use';
import type { History } from './history';
import { firmwareOf, JobFile, suspectsOf, type JobHead, type StoredJob } from './job-file';
import { JobIndex } from './job-index';
import { idsIn, JobReadings, type Broken, type Readable } from './job-readings';
import { Journal } from './journal';
import { removeOldFiles, type Needs } from './old-files';
import { closeToOthers } from './whole-file';

/** A time in which no other process owned the folder. `token` is that of our latest ownership in it. */
interface Period {
  token: string;
}

/** The period in which the file of a job was started; undefined until then. */
interface BegunIn {
  period: Period | undefined;
}

/**
 * Stores jobs, their images, and the records of devices, in a folder that only the user of the process can read:
 *
 * - `jobs/<id>.jsonl`: a job
 * - `firmware/`: see `FirmwareFiles`
 * - `history.jsonl`: see `History`
 * - `library.jsonl`: see `Library`
 * - `pending.jsonl`: devices that may have something to boot
 * - `owner.<n>.json`: see `FolderLock`
 * - `*.damaged`, `*.new`: see `removeOldFiles`
 *
 * There is one store per folder in the process. It reports what cannot be read or written, and continues otherwise.
 */
export class JobStore {
  /** The images of the jobs. */
  readonly firmware: FirmwareFiles;
  readonly #folder: string;
  readonly #tell: (error: HomieError) => void;
  readonly #use: FolderUse;
  readonly #records: DeviceRecords;
  readonly #readings: JobReadings;
  /** The period in which the folder was read. */
  #period: Period | undefined;
  #reading: Promise<void> = Promise.resolve();
  #removals: Promise<void> = Promise.resolve();
  /** The jobs whose file is there, or is being begun. */
  #index = new JobIndex();
  /** The scopes (broker and base topic) of the devices in the folder. */
  readonly #scopes = new Set<string>();

  /** @param tell called once with an error for what cannot be read or written */
  constructor(folder: string, tell: (error: HomieError) => void) {
    this.#folder = folder;
    this.#tell = tell;
    this.#use = new FolderUse(folder, tell);
    this.firmware = new FirmwareFiles(this.#file('firmware'), {
      needs: (checksum) => this.#index.needs(checksum) || this.library.needs(checksum),
      mayWrite: () => this.#mayWrite(),
    });
    this.#records = new DeviceRecords(folder, { tell, firmware: this.firmware });
    this.#readings = new JobReadings((id) => {
      const period = this.#period;
      return Journal.read(this.#jobFile(id), tell, () => this.#mayWrite(period));
    });
  }

  get history(): History {
    return this.#records.history;
  }

  /** The firmware that is on offer, and what was proven on each device. */
  get library(): Library {
    return this.#records.library;
  }

  /** Whether the folder is ours. While it is not, nothing there is read or changed, and nothing must be sent to any device. */
  get ownership(): FolderLock {
    return this.#use.lock;
  }

  /**
   * Takes the folder, and reads what an earlier process has stored. Locks the devices that may have an update in
   * progress until they are shown to have restarted, or until their job continues. Must be awaited before anything is
   * sent.
   *
   * @returns false when another process uses the folder; `ownership` emits `owned` when it can be opened
   */
  async open(): Promise<boolean> {
    const owned = await this.#use.begin();
    if (owned === undefined) return false;
    const { token, before } = owned;
    if (this.#period !== undefined && before === this.#period.token) this.#period.token = token;
    if (this.#period?.token !== token) {
      // Another process has owned the folder since the last reading.
      if (this.#period !== undefined) this.#index = new JobIndex();
      this.#period = { token };
      this.#reading = this.#readAfter(this.#reading, this.#period);
    }
    await this.#reading;
    // Changes from the time when the folder was not ours are written now.
    await this.#records.written();
    return true;
  }

  /**
   * Opens the folder as `open` does.
   *
   * @throws {HomieError} USER_DIR_IN_USE: another process uses the folder
   */
  async openOrThrow(): Promise<void> {
    if (!(await this.open())) throw this.ownership.whyNot() ?? new HomieError('USER_DIR_IN_USE');
  }

  /** Leaves the folder to other processes, unless it is opened again meanwhile. It can be opened again later. */
  async close(): Promise<void> {
    await this.#use.end(this.#written());
  }

  async #written(): Promise<void> {
    await Promise.all([this.#reading, this.firmware.settled()]);
    await Promise.all([this.#removals, this.#records.written()]);
  }

  /** Returns the stored jobs of a node, oldest first; none while the folder is not ours. */
  async jobsOf(node: string): Promise<StoredJob[]> {
    if (!(await this.open())) return [];
    const found: StoredJob[] = [];
    for (const { id, reading } of await this.#readings.take(this.#index.of(node))) {
      if ('error' in reading) await this.#giveUp(reading);
      else if (reading.job !== undefined) found.push({ id, ...reading.job, file: this.#fileOf(id, reading.journal) });
    }
    return found.sort((a, b) => Date.parse(a.state.startedAt) - Date.parse(b.state.startedAt));
  }

  /**
   * Starts the file of a job.
   *
   * @param image the image that the job sends, if any
   */
  begin(id: string, head: JobHead, image?: Buffer): JobFile {
    const begunIn: BegunIn = { period: undefined };
    const journal = new Journal(this.#jobFile(id), this.#tell, this.#mayWriteWhatWas(begunIn));
    this.#index.add(id, head);
    const begun = this.firmware.inTurn(async () => {
      await this.open();
      begunIn.period = this.#period;
      const { firmware } = head;
      const kept = firmware !== undefined && image !== undefined && this.firmware.keep(firmware, image);
      await Promise.all([
        journal.set('head', head),
        kept && kept.catch((error: unknown) => this.#tell(asHomieError(error))),
      ]);
    });
    return this.#fileOf(id, journal, begun);
  }

  /** Reports that a job cannot continue, and sets its file aside as `*.damaged`. */
  async setAside(id: string, error: HomieError): Promise<void> {
    this.#tell(error);
    this.#index.remove(id);
    const file = this.#jobFile(id);
    if (!this.#mayWrite()) return;
    const now = new Date();
    // The time for which the file is kept starts now.
    await lutimes(file, now, now).catch(() => undefined);
    await rename(file, `${file}.damaged`).catch(() => undefined);
  }

  #file(...names: readonly string[]): string {
    return path.join(this.#folder, ...names);
  }

  #jobFile(id: string): string {
    return this.#file('jobs', `${id}.jsonl`);
  }

  #fileOf(id: string, journal: Journal, begun = Promise.resolve()): JobFile {
    return new JobFile(journal, begun, () => this.#forget(id));
  }

  #mayWrite(period = this.#period): boolean {
    return this.ownership.mayWrite(period?.token);
  }

  /** Separate from `begin`: a closure made there would keep the image in memory as long as the job. */
  #mayWriteWhatWas(begun: BegunIn): () => boolean {
    return () => this.#mayWrite(begun.period);
  }

  async #readAfter(earlier: Promise<void>, period: Period): Promise<void> {
    await earlier.catch(() => undefined);
    await this.#read(period);
  }

  /** Reads the folder, each file once. */
  async #read(period: Period): Promise<void> {
    const mayWrite = (): boolean => this.#mayWrite(period);
    this.#use.tellOnce(await closeToOthers(['.', 'jobs', 'firmware'].map((name) => this.#file(name))));
    for (const scope of await this.#records.read(mayWrite)) this.#scopes.add(scope);
    this.#readings.clear();
    const broken: Broken[] = [];
    const expired: JobFile[] = [];
    const begunOnly = new Set<string>();
    for (const { id, reading } of await this.#readings.take(await idsIn(this.#file('jobs'), this.#tell))) {
      if ('error' in reading) broken.push(reading);
      else if (reading.job === undefined) begunOnly.add(id);
      else if (this.#takeUp(id, reading.job)) expired.push(this.#fileOf(id, reading.journal));
      else this.#readings.keep(id, reading);
    }
    for (const each of broken) await this.#giveUp(each);
    // `open` does not wait for the removals.
    this.#removals = this.#removeOld(expired, { begunOnly, mayRemove: mayWrite });
  }

  /** Adds a job to the index. @returns whether it has expired; if not, its devices in flight are locked */
  #takeUp(id: string, { head, state }: Readable): boolean {
    const isExpired = hasExpired({ head, state });
    this.#index.add(id, isExpired ? { ...head, node: undefined } : head);
    this.#scopes.add(head.scope);
    for (const { entry, flight, prepared } of isExpired ? [] : state.devices)
      if (flight !== undefined || prepared === true) {
        DeviceLocks.suspect(inFlight(head.scope, entry.device, flight));
      }
    return isExpired;
  }

  async #removeOld(expired: readonly JobFile[], needs: Omit<Needs, 'firmware'>): Promise<void> {
    for (const file of expired) await file.remove();
    await this.library.discardUnused();
    const firmware = (checksum: string): boolean => this.#index.needs(checksum) || this.library.needs(checksum);
    await this.firmware.inTurn(() => removeOldFiles(this.#folder, { ...needs, firmware }));
  }

  /**
   * Gives up a job that cannot be continued, and locks its devices that may be in flight, as far as they can be read.
   */
  async #giveUp({ id, reading: { journal, damage }, error }: Broken): Promise<void> {
    const { scope, devices } = suspectsOf(journal, damage?.keys);
    for (const each of scope === undefined ? this.#scopes : [scope]) {
      for (const device of devices) DeviceLocks.suspect(inFlight(each, device));
    }
    if (error.code !== 'JOB_FILE_NEWER') {
      await this.setAside(id, error);
      return;
    }
    this.#tell(error);
    this.#index.add(id, { firmware: firmwareOf(journal) });
  }

  async #forget(id: string): Promise<void> {
    const firmware = this.#index.remove(id);
    if (firmware === undefined) return;
    await this.firmware.inTurn(async () => {
      // What else needs it is known only then.
      await this.#reading;
      await this.firmware.release(firmware);
    });
  }
}

/** Returns the pending reboot of a device that was in flight when the process ended. */
function inFlight(scope: string, device: string, flight?: unknown): PendingReboot {
  const { at, up, upAt, statistics }: Partial<Record<'at' | 'up' | 'upAt' | 'statistics', unknown>> = Object(flight);
  return {
    address: `${scope.slice(scope.indexOf('/') + 1)}${device}`,
    what: 'image',
    at: typeof at === 'number' ? at : moment(),
    ...(typeof up === 'number' && typeof upAt === 'number' && { up, upAt }),
    statistics: statistics !== false,
  };
}

function hasExpired({ head, state }: Readable): boolean {
  return state.idle !== 'no' && Date.now() - (Date.parse(state.startedAt) + state.elapsed) > head.keep;
}
