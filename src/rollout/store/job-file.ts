import { HomieError } from '../../errors';
import { isDeviceId } from '../../homie/device-id';
import { isState } from '../../update/update';
import type { JobView } from '../job-view';
import type { StoredDevice, JobState } from '../job-state';
import type { Journal } from './journal';
import { jobStateOf } from './version-1';

/** Prefixes of keys in the file. Its keys are `head`, `job`, one for each device, and one for each note. */
const DEVICE = 'device ';
const NOTE = 'note ';

/** What does not change in a job: its node and its work. Plain data without secrets. */
export interface JobHead {
  /** The id of the node. */
  readonly node: string;
  /** Broker and base topic, in which device ids are unique; see `DeviceLocks`. */
  readonly scope: string;
  /** MD5 of its image, if it has one. */
  readonly firmware?: string;
  /** How long an idle job is kept after its last change, in ms. */
  readonly keep: number;
  /** Opaque to the store: read by those who created the job. */
  readonly work: unknown;
}

/** A job that was read from its file. */
export interface StoredJob {
  readonly id: string;
  readonly head: JobHead;
  readonly state: JobState;
  readonly file: JobFile;
}

/** The file of a job. */
export class JobFile {
  readonly #journal: Journal;
  readonly #removed: () => Promise<void>;
  readonly #begun: Promise<void>;
  #writing: Promise<unknown>;
  /** The write that follows. */
  #next: Promise<boolean> | undefined;

  /**
   * @param begun resolves when everything is stored that the job needs from its start
   * @param removed called when the file was deleted
   */
  constructor(journal: Journal, begun: Promise<void>, removed: () => Promise<void>) {
    this.#journal = journal;
    this.#begun = begun;
    this.#writing = begun;
    this.#removed = removed;
  }

  /**
   * Stores what has changed. Resolves when that is done or has failed: with whether it is on the disk. Changes during a
   * write are written together after it.
   */
  save(job: JobView): Promise<boolean> {
    this.#next ??= this.#writing.then(() => {
      this.#next = undefined;
      const written = this.#write(job);
      this.#writing = written;
      return written;
    });
    return this.#next;
  }

  async #write(job: JobView): Promise<boolean> {
    const { devices, ...others } = job.changes();
    await Promise.all([
      ...devices.map((device) => this.#journal.set(`${DEVICE}${device.entry.device}`, device)),
      this.#journal.set('job', others),
    ]);
    return this.#journal.isWritten;
  }

  /** Stores additional plain data about the job; undefined removes it. */
  async note(key: string, value: unknown): Promise<void> {
    await this.#begun;
    await this.#journal.set(`${NOTE}${key}`, value);
  }

  /** Returns what was stored by `note`. */
  *notes(): Generator<[key: string, value: unknown]> {
    for (const [key, value] of this.#journal.entries(NOTE)) yield [key.slice(NOTE.length), value];
  }

  /** Leaves the file to a later node: nothing is written any more. */
  close(): void {
    this.#journal.close();
  }

  /** Deletes the file, and the image if no other job needs it. */
  async remove(): Promise<void> {
    await this.#begun;
    await this.#journal.remove();
    await this.#removed();
  }
}

/**
 * Reads the head and the state of a job.
 *
 * @returns undefined when only the start of the job is stored, so that nothing was sent
 * @throws {HomieError} JOB_FILE_DAMAGED: the head, the state or a device is invalid
 */
export function readJob(journal: Journal): { head: JobHead; state: JobState } | undefined {
  const [head, stored] = [journal.get('head'), journal.get('job')];
  if (head === undefined || stored === undefined) return undefined;
  const rest = jobStateOf(fields(stored));
  const devices = [...journal.entries(DEVICE)].map(([, value]) => value);
  if (isHead(head) && isJobState(rest) && devices.every(isDeviceState)) return { head, state: { ...rest, devices } };
  throw new HomieError('JOB_FILE_DAMAGED.file', { file: journal.file });
}

/**
 * Returns the devices that may be in flight in a job that cannot be continued, as far as its file can be read.
 *
 * @param damagedKeys keys of damaged lines
 * @returns the device ids, and their scope if it can be read
 */
export function suspectsOf(
  journal: Journal,
  damagedKeys: readonly string[] = [],
): { readonly scope?: string; readonly devices: readonly string[] } {
  const { scope } = fields(journal.get('head'));
  const inFlight = [...journal.entries(DEVICE)].flatMap(([key, value]) =>
    fields(value)['flight'] === undefined && fields(value)['prepared'] !== true ? [] : [key],
  );
  const devices = [...inFlight, ...damagedKeys].flatMap((key) =>
    key.startsWith(DEVICE) && isDeviceId(key.slice(DEVICE.length)) ? [key.slice(DEVICE.length)] : [],
  );
  return { ...(typeof scope === 'string' && { scope }), devices };
}

/** Returns the MD5 of the image that the job needs, if it can be read. */
export function firmwareOf(journal: Journal): string | undefined {
  const head = journal.get('head');
  return isHead(head) ? head.firmware : undefined;
}

function isHead(value: unknown): value is JobHead {
  const { node, scope, firmware, keep, work } = fields(value);
  const md5Hex = firmware === undefined || (typeof firmware === 'string' && /^[0-9a-f]{32}$/.test(firmware));
  return typeof node === 'string' && typeof scope === 'string' && md5Hex && typeof keep === 'number' && isObject(work);
}

function isJobState(value: unknown): value is Omit<JobState, 'devices'> {
  const { startedAt, elapsed, idle, plan } = fields(value);
  const { mode, proven, failures, soaking } = fields(plan);
  const dated = typeof startedAt === 'string' && !Number.isNaN(Date.parse(startedAt)) && typeof elapsed === 'number';
  const planned = typeof proven === 'number' && typeof failures === 'number' && Array.isArray(soaking);
  return dated && planned && ['active', 'paused', 'stopped'].includes(String(mode)) && isIdle(idle);
}

function isIdle(value: unknown): boolean {
  return value === 'no' || value === 'stopped' || value === 'done';
}

function isDeviceState(value: unknown): value is StoredDevice {
  const { entry, since = 0, waited = 0 } = fields(value);
  const { device, state, startedAt } = fields(entry);
  const isTimed = Number.isFinite(since) && Number.isFinite(waited) && typeof startedAt === 'string';
  return typeof device === 'string' && isDeviceId(device) && isState(state) && isTimed;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function fields(value: unknown): Record<string, unknown> {
  return isObject(value) ? { ...value } : {};
}
