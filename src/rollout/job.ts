import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { summarize, type Summary, type Update } from '../update/update';
import { Arrivals } from './arrivals';
import { Canaries } from './canaries';
import { systemClock, type Clock } from './clock';
import type { JobContext } from './job-device';
import { idsOf, JobDevices } from './job-devices';
import type { JobState } from './job-state';
import { Lifetime } from './lifetime';
import { pace } from './pace';
import { Schedule } from './schedule';
import type { RolloutSettings } from './settings';
import type { Task } from './task';
import { planOf, stateOf } from './job-snapshot';

/** It begins with so many devices in one turn of the event loop. */
const AT_ONCE = 4;

/** What a job has around it. */
export interface JobOptions {
  readonly clock?: Clock;
  /** Writes down the job as it is; resolves when that is done. It must not reject. */
  readonly save?: (job: Job) => Promise<void>;
  /**
   * Awaited before a device is taken: another job may have to finish it first. Resolves with whether it is to be left to
   * that one. It must not reject.
   */
  readonly before?: (device: string) => Promise<boolean>;
  /** As it was before a restart. */
  readonly restored?: { readonly id: string; readonly state: JobState };
}

/** What a job does, for whom, and how. */
interface JobInput extends JobOptions {
  readonly task: Task<unknown>;
  readonly settings: RolloutSettings;
  /** The devices, as far as they are known before they are selected. */
  readonly devices?: readonly string[];
}

/** Finds devices. Rejects with a HomieError, or with the signal. */
export type Select = (signal: AbortSignal) => Promise<readonly string[]>;

/**
 * One task for some devices, by a plan.
 *
 * Emits `progress` at every change of a device, and `result` once for each when it has ended. A `progress` marked `late`
 * may come after that, until `abandon` resolves. Emits `idle` whenever nothing is left to do: all devices have ended,
 * or failures have stopped the job.
 */
export class Job extends EventEmitter<{ progress: [Update]; result: [Update]; idle: [Summary] }> {
  readonly id: string;
  readonly #settings: RolloutSettings;
  readonly #context: JobContext;
  readonly #lifetime: Lifetime;
  readonly #devices: JobDevices;
  readonly #canaries: Canaries;
  readonly #arrivals: Arrivals;

  constructor({ task, settings, devices = [], clock = systemClock, save, before, restored }: JobInput) {
    super();
    this.setMaxListeners(0);
    const { id = randomUUID(), state } = restored ?? {};
    const lifetime = new Lifetime(clock, state);
    const context: JobContext = {
      job: id,
      task,
      lifetime,
      schedule: new Schedule(planOf(settings, lifetime, state), settings.window, clock, () => this.#look()),
      touched: new Set(),
      pace: pace(AT_ONCE),
      before: async (device) => before?.(device) ?? false,
      save: async () => save?.(this),
      emit: (event, update) => void this.emit(event, update),
      observe: (device) => this.#canaries.observe(device),
    };
    this.id = id;
    this.#settings = settings;
    this.#context = context;
    this.#lifetime = lifetime;
    this.#devices = new JobDevices(context, settings.exclude, state);
    this.#canaries = new Canaries(context, clock, settings.soak);
    this.#arrivals = new Arrivals(context, this.#devices, settings.continuous, state?.closed === true);
    for (const device of devices) this.#devices.enter(device);
    if (context.schedule.plan.holds.mode === 'stopped') task.stopped?.();
  }

  /** Whether nothing is left to do, and no device can come any more. */
  get isEnded(): boolean {
    return this.#lifetime.idle === 'done' && !this.#arrivals.isOpen;
  }

  /** Whether all of it was canceled: it only finishes what runs. */
  get isCanceled(): boolean {
    return this.#devices.isCanceled;
  }

  /** Whether it can be forgotten: it has ended, and nothing of it can be retried, or could be for long enough. */
  get isStale(): boolean {
    const isOld = this.#lifetime.idleFor >= this.#settings.keep;
    return this.isEnded && (isOld || !this.#devices.all.some(({ mayRetry }) => mayRetry));
  }

  /** Why no more devices are started; undefined when they are, or none is left. */
  get halted(): 'paused' | 'stopped' | undefined {
    return this.#lifetime.idle === 'done' ? undefined : this.#context.schedule.standing.state;
  }

  /** Whether it was given up for a later job to go on with it. */
  get isKept(): boolean {
    return this.#lifetime.kept.aborted;
  }

  /** Its devices as they are now, to be told. */
  get devices(): Update[] {
    return this.#devices.all.map(({ update }) => update);
  }

  /** The job as it is now, to be written down. */
  state(): JobState {
    return stateOf(this.#context, this.#devices, this.#arrivals, this.#devices.all);
  }

  /** The same, with only those devices that have changed since this was last called. */
  changes(): JobState {
    return stateOf(this.#context, this.#devices, this.#arrivals, this.#devices.takeChanged());
  }

  /** The job as it is now, to be told. */
  summary(): Summary {
    const all = summarize(this.id, this.devices, Math.round(this.#lifetime.elapsed));
    if (this.#lifetime.idle === 'done') return all;
    const { standing } = this.#context.schedule;
    return { ...all, ...standing, ...(standing.error && { text: `${standing.error.message} ${all.text}` }) };
  }

  /**
   * Runs the job until nothing is left to do.
   *
   * @param wrap lets others have a say in which devices are meant
   * @returns the summary; the failure of a device is part of it
   * @throws {HomieError} when the devices cannot be found, before anything was sent; an AbortError when the job is kept
   *   for later
   */
  async run(wrap: (select: Select) => Select = (select) => select): Promise<Summary> {
    this.#lifetime.kept.throwIfAborted();
    this.#arrivals.listen();
    const found = await this.#find(wrap((signal) => this.#context.task.select(signal)));
    this.#devices.add(this.#settings.order === 'id' ? [...found].sort() : found);
    void this.#context.save();
    return this.untilIdle();
  }

  async #find(select: Select): Promise<readonly string[]> {
    try {
      const found = await select(this.#lifetime.abandoned);
      this.#lifetime.kept.throwIfAborted();
      return found;
    } catch (error) {
      this.#lifetime.fail(error);
      throw error;
    }
  }

  /**
   * Resolves with the summary when nothing is left to do.
   *
   * @throws {HomieError} those of `run`; an AbortError when the job is kept for later
   */
  async untilIdle(): Promise<Summary> {
    this.#look();
    const { idle, over } = this.#lifetime;
    if (idle !== 'no') return this.summary();
    const [summary] = await once(this, 'idle', { signal: over }).catch((error: unknown) => {
      over.throwIfAborted();
      throw error;
    });
    return summary;
  }

  /** Goes on with what was written down before a restart, and runs as `run` does. */
  async restart(wrap?: (select: Select) => Select): Promise<Summary> {
    if (!this.#devices.isAdmitted) return this.run(wrap);
    this.#devices.restart();
    this.#arrivals.listen();
    return this.untilIdle();
  }

  /** Whether a device is part of the job. */
  has(device: string): boolean {
    return this.#devices.get(device) !== undefined;
  }

  /** Starts no more devices. What runs is finished. */
  pause(): void {
    this.#context.schedule.apply((plan) => plan.holds.pause());
    void this.#context.save();
  }

  /** Goes on after `pause`, or after failures have stopped it. */
  resume(): void {
    this.#devices.resume();
    void this.#context.save();
  }

  /**
   * Tries again with devices that have ended without success, and goes on where failures have stopped the job. Where there
   * are none, nothing changes.
   *
   * @param devices all of them when it is left out
   * @returns those with which it starts again
   */
  retry(devices?: readonly string[]): string[] {
    const again = this.#devices.retryable(devices);
    if (again.length === 0) return [];
    this.resume();
    this.#devices.retry(again);
    return idsOf(again);
  }

  /**
   * Cancels devices. One to which something was sent is no longer watched: what it does is not known then, so it stays locked
   * until it is shown to have restarted.
   *
   * @param devices the whole job when it is left out
   * @returns the devices to which nothing was sent, and the others
   */
  cancel(devices?: readonly string[]): { unsent: string[]; sent: string[] } {
    const canceled = this.#devices.cancel(devices);
    if (devices === undefined) this.close();
    return canceled;
  }

  /** Cancels the devices to which nothing was sent, and sends nothing again to the others, which are watched on. */
  cancelUnsent(): void {
    this.#devices.cancelUnsent();
    this.close();
  }

  /** Whether it has a device, or will take it in when it appears. */
  claims(id: string): boolean {
    return this.has(id) || this.#arrivals.claims(id);
  }

  /** Resolves when the job does nothing with a device. */
  async served(device: string): Promise<void> {
    await this.#devices.get(device)?.served();
  }

  /** Gives up devices that wait, because another job takes them. Resolves when they are free. */
  handOver(devices: readonly string[]): Promise<void> {
    return this.#devices.handOver(devices);
  }

  /** Takes in no device that appears later. */
  close(): void {
    this.#arrivals.close();
    void this.#context.save();
    this.#context.schedule.advance();
  }

  /**
   * Stops watching, because the node is closed. A device whose update is under way stays locked until it reconnects.
   * Resolves when nothing more is reported: who goes on with the job must not find its files removed by what comes later.
   *
   * @param keep leaves the devices as they are written down, so that a later job goes on with them
   */
  async abandon(keep = false): Promise<void> {
    this.#lifetime.abandon(keep);
    this.#context.schedule.callOff();
    await Promise.all(this.#devices.all.map((device) => device.served()));
    await this.#lifetime.allReported();
  }

  #look(): void {
    this.#context.schedule.callOff();
    if (!this.#devices.isAdmitted) return;
    if (!this.#lifetime.abandoned.aborted) this.#devices.doWhatIsDue();
    const { idle } = this.#context.schedule.plan;
    if (!this.#lifetime.notice(idle)) return;
    if (idle === 'stopped') this.#context.task.stopped?.();
    if (this.isEnded) this.#canaries.stop();
    if (idle !== 'no') this.#lifetime.willReport(this.#reportIdle());
  }

  /** Written down first: a summary may be missed when the process ends just now, but it never comes twice. */
  async #reportIdle(): Promise<void> {
    const summary = this.summary();
    await this.#context.save();
    this.emit('idle', summary);
  }
}
