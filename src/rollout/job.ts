import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { HomieError } from '../errors';
import type { DeviceLocks } from '../homie/lock';
import { isFinal, reportError, summarize, type Change, type Outcome, type Summary, type Update } from '../homie/update';
import { Turns } from './turns';

/** What is known of one device of a job, before it is put into words for a message. */
type Entry = Omit<Update, 'duration'> & { readonly endedAt?: number };

/** How the job treats one of its devices. */
export interface Hooks {
  /** The user wants to stop. Obeyed at once as long as nothing was sent; after that, nothing is sent again. */
  readonly cancel: AbortSignal;
  /** The device can be watched no longer. */
  readonly abandon: AbortSignal;
  /** Resolves when it is this device's turn; the function that it gives hands the turn on. Rejects with the signal. */
  readonly turn: (signal: AbortSignal) => Promise<() => void>;
  readonly report: (change: Change) => void;
  /** Watches on after the end of the exchange: what then becomes of the device is not the result any more. */
  readonly watchOn: (late: Promise<Outcome | undefined>) => void;
}

/** What a job does. */
export interface Task {
  /** The devices, as far as they are known before they are selected. */
  readonly devices: readonly string[];
  /** What every update says from its start. */
  readonly initial: Pick<Update, 'total'> & Partial<Pick<Update, 'to'>>;
  /** Finds the devices. Rejects with a HomieError before anything was sent. */
  select(signal: AbortSignal): Promise<readonly string[]>;
  /** The exchange with one device, which is locked meanwhile. */
  exchange(device: string, hooks: Hooks): Promise<Outcome>;
}

/**
 * One task for some devices: they are waited for side by side, and served one after the other.
 *
 * Emits `progress` at every change of a device, and `result` once for each when it has ended. A `progress` marked `late`
 * may come after that, also after `run` has resolved, until `afterwards` resolves.
 */
export class Job extends EventEmitter<{ progress: [Update]; result: [Update] }> {
  readonly id: string = randomUUID();
  readonly #locks: DeviceLocks;
  readonly #task: Task;
  readonly #begunAt = performance.now();
  readonly #startedAt = new Date().toISOString();
  readonly #entries = new Map<string, Entry>();
  readonly #cancel = new Map<string, AbortController>();
  readonly #abandon = new AbortController();
  #canceled = false;
  readonly #turns = new Turns();
  readonly #late: Promise<void>[] = [];
  #endedAt: number | undefined;

  constructor(locks: DeviceLocks, task: Task) {
    super();
    this.#locks = locks;
    this.#task = task;
    for (const device of task.devices) this.#enter(device);
  }

  /**
   * Runs the job to its end. To be called once.
   *
   * @returns the summary; the failure of a device is part of it
   * @throws {HomieError} when the devices cannot be found, before anything was sent
   */
  async run(): Promise<Summary> {
    const ids = await this.#task.select(this.#abandon.signal);
    for (const id of ids) this.#enter(id);
    await Promise.all(ids.map((id) => this.#serve(id)));
    this.#endedAt = performance.now();
    return this.summary();
  }

  /**
   * Asks to stop, for one device or for all. What waits is canceled at once; where something was sent it is too late,
   * and the device is watched on.
   *
   * @returns the devices that are canceled, and those for which it is too late
   * @throws {HomieError} INVALID_SETTING when the device is not part of the job
   */
  cancel(device?: string): { canceled: string[]; tooLate: string[] } {
    if (device !== undefined && !this.#entries.has(device)) {
      throw new HomieError('INVALID_SETTING', `${device} is not part of job ${this.id}.`, {
        hint: 'Leave msg.device out to cancel the whole job.',
      });
    }
    if (device === undefined) this.#canceled = true;
    const canceled: string[] = [];
    const tooLate: string[] = [];
    for (const [id, entry] of this.#entries) {
      if ((device !== undefined && device !== id) || isFinal(entry.state)) continue;
      (entry.attempt > 0 ? tooLate : canceled).push(id);
      this.#cancel.get(id)?.abort();
    }
    return { canceled, tooLate };
  }

  /** Resolves when nothing more will come of a job that has ended: soon after `abandon`, or when no device is watched on. */
  async afterwards(): Promise<void> {
    await Promise.all(this.#late);
  }

  /** Stops watching, because the node is closed. A device whose update is under way stays locked until it connects anew. */
  abandon(): void {
    this.#abandon.abort();
  }

  /** The job as it is now. */
  summary(): Summary {
    const now = performance.now();
    const devices = [...this.#entries.values()].map((entry) => this.#update(entry, now));
    return summarize(this.id, devices, Math.round((this.#endedAt ?? now) - this.#begunAt));
  }

  async #serve(device: string): Promise<void> {
    const outcome = await this.#locked(device, () =>
      this.#task.exchange(device, {
        cancel: (this.#cancel.get(device) ?? new AbortController()).signal,
        abandon: this.#abandon.signal,
        turn: (signal) => this.#turns.next(signal),
        report: (change) => this.#change(device, change),
        watchOn: (late) => this.#watchOn(device, late),
      }),
    );
    this.#end(device, outcome);
  }

  /** One device takes one job at a time. */
  async #locked(device: string, exchange: () => Promise<Outcome>): Promise<Outcome> {
    try {
      this.#locks.acquire(device, this.id);
    } catch (error) {
      if (error instanceof HomieError) return { state: 'rejected', error };
      throw error;
    }
    try {
      return await exchange();
    } finally {
      this.#locks.release(device, this.id);
    }
  }

  #enter(device: string): void {
    if (this.#entries.has(device)) return;
    const cancel = new AbortController();
    if (this.#canceled) cancel.abort();
    this.#cancel.set(device, cancel);
    this.#entries.set(device, {
      job: this.id,
      device,
      state: 'queued',
      progress: 0,
      written: 0,
      ...this.#task.initial,
      estimated: false,
      from: {},
      attempt: 0,
      startedAt: this.#startedAt,
    });
  }

  #change(device: string, { progress, percent: share, ...change }: Change): void {
    const entry = this.#entries.get(device);
    if (entry === undefined) return;
    const { percent = share ?? 0, ...written } = progress ?? {};
    const next: Entry = { ...entry, ...change, ...written, progress: Math.max(entry.progress, percent) };
    this.#entries.set(device, next);
    this.emit('progress', this.#update(next, performance.now()));
  }

  #end(device: string, outcome: Outcome): void {
    const entry = this.#entries.get(device);
    if (entry === undefined) return;
    const ended: Entry = { ...end(entry, outcome), endedAt: performance.now() };
    this.#entries.set(device, ended);
    const update = this.#update(ended, performance.now());
    this.emit('progress', update);
    this.emit('result', update);
  }

  #watchOn(device: string, late: Promise<Outcome | undefined>): void {
    this.#late.push(this.#tellLate(device, late));
  }

  async #tellLate(device: string, late: Promise<Outcome | undefined>): Promise<void> {
    const outcome = await late;
    const entry = this.#entries.get(device);
    if (entry === undefined || outcome === undefined) return;
    const { error: _error, ...rest } = entry;
    const now = performance.now();
    this.emit('progress', { ...this.#update({ ...end(rest, outcome), endedAt: now }, now), late: true });
  }

  #update({ endedAt, ...entry }: Entry, now: number): Update {
    return { ...entry, duration: Math.round((endedAt ?? now) - this.#begunAt) };
  }
}

/** What is known of a device when it has ended like this. */
function end({ phase, remaining: _remaining, ...entry }: Entry, outcome: Outcome): Entry {
  return {
    ...entry,
    state: outcome.state,
    ...(outcome.state === 'succeeded' && { progress: 100, written: entry.total, estimated: false }),
    ...('config' in outcome && { config: outcome.config }),
    ...('reboot' in outcome && { reboot: outcome.reboot }),
    ...('reason' in outcome && { reason: outcome.reason }),
    ...('hint' in outcome && { hint: outcome.hint }),
    ...('error' in outcome && { error: reportError(outcome.error, phase) }),
  };
}
