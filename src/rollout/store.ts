import { readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { HomieError } from '../errors';
import { md5 } from '../firmware/checksum';
import { MAX_IMAGE } from '../firmware/format';
import { moment } from '../homie/elapsed';
import { DeviceLocks, type PendingReboot } from '../homie/lock';
import { History } from './history';
import { JobFile, readJob, type JobHead, type StoredJob } from './job-file';
import { isMissing, Journal, notWritten, readWhole, writeWhole } from './journal';
import { readPending } from './pending-file';

/**
 * Jobs, their firmware, and what is remembered of devices, in a folder that only the owner can read:
 *
 * - `jobs/<id>.jsonl`: a job
 * - `firmware/<md5>.bin`: an image, once however many jobs bring it
 * - `history.jsonl`: see `History`
 * - `pending.jsonl`: devices that may have something to boot
 *
 * There is one for a folder in the process. What cannot be read or written is told, and all else goes on.
 */
export class JobStore {
  readonly history: History;
  readonly #folder: string;
  readonly #tell: (error: HomieError) => void;
  #opened: Promise<void> | undefined;
  #remembered: Journal;
  /** One after the other: a firmware must not be deleted for one job while another one begins with it. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The firmware of each job of this process, whose file may be only just begun. */
  readonly #using = new Map<string, string>();

  /** @param tell is told, once, what cannot be read or written */
  constructor(folder: string, tell: (error: HomieError) => void) {
    this.#folder = folder;
    this.#tell = tell;
    this.#remembered = new Journal(this.#historyFile, tell);
    this.history = new History((device, record) => this.#remembered.set(device, record));
  }

  /**
   * Reads what an earlier process has written, once: what is remembered, and which devices may have an update under way.
   * These are locked until they connect anew, or until their job goes on. To be awaited before anything is sent.
   */
  open(): Promise<void> {
    this.#opened ??= this.#read();
    return this.#opened;
  }

  /** The jobs of a node, from old to new. */
  async jobsOf(node: string): Promise<StoredJob[]> {
    await this.open();
    const jobs = await this.#jobs();
    return jobs
      .filter(({ head }) => head.node === node)
      .sort((a, b) => Date.parse(a.state.startedAt) - Date.parse(b.state.startedAt));
  }

  /**
   * Begins to write down a job.
   *
   * @param image of the firmware that it brings
   */
  begin(id: string, head: JobHead, image?: Buffer): JobFile {
    const journal = new Journal(this.#jobFile(id), this.#tell);
    if (head.firmware !== undefined) this.#using.set(id, head.firmware);
    const begun = this.#inTurn(async () => {
      await journal.set('head', head);
      if (image !== undefined && head.firmware !== undefined) await this.#keepFirmware(head.firmware, image);
    });
    return this.#begun(id, head.firmware, journal, begun);
  }

  /** Apart from `begin`: what it gives to the file would hold the image as long as the job is remembered. */
  #begun(id: string, checksum: string | undefined, journal: Journal, begun: Promise<void>): JobFile {
    return new JobFile(journal, begun, () => {
      this.#using.delete(id);
      return this.#forgetFirmware(checksum);
    });
  }

  /**
   * The firmware of a job, as it was kept.
   *
   * @throws {HomieError} FIRMWARE_NOT_KEPT
   */
  async firmware(checksum: string): Promise<Buffer> {
    const file = this.#firmwareFile(checksum);
    const image = await readWhole(file, MAX_IMAGE).catch((error: unknown) => {
      throw new HomieError('FIRMWARE_NOT_KEPT', `${file} cannot be read.`, { cause: error });
    });
    if ((await md5(image)) === checksum) return image;
    throw new HomieError('FIRMWARE_NOT_KEPT', `${file} is damaged.`);
  }

  /** Tells that a job cannot go on, and sets its file aside. */
  async setAside(id: string, error: HomieError): Promise<void> {
    this.#tell(error);
    const file = this.#jobFile(id);
    await rename(file, `${file}.damaged`).catch(() => undefined);
  }

  get #historyFile(): string {
    return path.join(this.#folder, 'history.jsonl');
  }

  #jobFile(id: string): string {
    return path.join(this.#folder, 'jobs', `${id}.jsonl`);
  }

  #firmwareFile(checksum: string): string {
    return path.join(this.#folder, 'firmware', `${checksum}.bin`);
  }

  async #read(): Promise<void> {
    try {
      this.#remembered = await Journal.open(this.#historyFile, this.#tell);
      for (const [device, record] of this.#remembered.entries()) this.history.restore(device, record);
    } catch (error) {
      this.#complain(error);
      if (!isNewer(error)) await rename(this.#historyFile, `${this.#historyFile}.damaged`).catch(() => undefined);
    }
    await this.#readPending();
    for (const { head, state, file } of await this.#jobs()) {
      const last = Date.parse(state.startedAt) + state.elapsed;
      if (state.rest !== 'not' && Date.now() - last > head.keep) {
        await file.remove();
        continue;
      }
      for (const { entry, flight } of state.devices) {
        if (flight !== undefined) DeviceLocks.suspect(inFlight(head.scope, entry.device, flight));
      }
    }
  }

  /** What may be pending is written down from now on. */
  async #readPending(): Promise<void> {
    const reading = await Journal.openLeniently(path.join(this.#folder, 'pending.jsonl'), this.#tell);
    DeviceLocks.keep((device, pending) => reading.journal.set(device, pending), readPending(reading));
  }

  async #jobs(): Promise<StoredJob[]> {
    const folder = path.join(this.#folder, 'jobs');
    const names = await readdir(folder).catch((error: unknown) => {
      if (!isMissing(error)) this.#complain(new HomieError('JOB_FILE_UNREADABLE', undefined, { cause: error }));
      return [];
    });
    const found: StoredJob[] = [];
    for (const name of names) {
      const [, id] = /^([0-9a-f-]{36})\.jsonl$/.exec(name) ?? [];
      if (id === undefined) continue;
      try {
        const job = await this.#readJob(id);
        if (job !== undefined) found.push(job);
      } catch (error) {
        if (isNewer(error)) this.#complain(error);
        else await this.setAside(id, asHomieError(error));
      }
    }
    return found;
  }

  async #readJob(id: string): Promise<StoredJob | undefined> {
    const journal = await Journal.open(this.#jobFile(id), this.#tell);
    const job = readJob(journal);
    if (job === undefined) return undefined;
    return { id, ...job, file: new JobFile(journal, Promise.resolve(), () => this.#forgetFirmware(job.head.firmware)) };
  }

  async #keepFirmware(checksum: string, image: Buffer): Promise<void> {
    const file = this.#firmwareFile(checksum);
    try {
      const kept = await this.firmware(checksum).catch(() => undefined);
      if (kept === undefined) await writeWhole(file, image);
    } catch (error) {
      this.#tell(notWritten(file, error));
    }
  }

  async #forgetFirmware(checksum: string | undefined): Promise<void> {
    if (checksum === undefined) return;
    await this.#inTurn(async () => {
      const jobs = await this.#jobs();
      if ([...this.#using.values()].includes(checksum)) return;
      if (jobs.some(({ head }) => head.firmware === checksum)) return;
      await rm(this.#firmwareFile(checksum), { force: true }).catch(() => undefined);
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #complain(error: unknown): void {
    this.#tell(asHomieError(error));
  }
}

/** A device of a job that was in flight when the process ended. */
function inFlight(scope: string, device: string, flight: unknown): PendingReboot {
  const { at, up, statistics }: { at?: unknown; up?: unknown; statistics?: unknown } = Object(flight);
  return {
    address: `${scope.slice(scope.indexOf('/') + 1)}${device}`,
    what: 'image',
    at: typeof at === 'number' ? at : moment(),
    ...(typeof up === 'number' && { up }),
    statistics: statistics !== false,
  };
}

function isNewer(error: unknown): boolean {
  return error instanceof HomieError && error.code === 'JOB_FILE_NEWER';
}

function asHomieError(error: unknown): HomieError {
  return error instanceof HomieError ? error : new HomieError('UNEXPECTED', undefined, { cause: error });
}
