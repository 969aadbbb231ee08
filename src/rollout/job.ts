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

/** Maximum number of devices that start in one turn of the event loop. */
const AT_ONCE = 4;

/** The environment of a job. */
export interface JobOptions {
  readonly clock?: Clock;
  /** Stores the job, and resolves when that is done. It must not reject. */
  readonly save?: (job: Job) => Promise<void>;
  /**
   * Awaited before a device is served, since another job may have to finish it first. Resolves with true if the device
   * must be left to that job. It must not reject.
   */
  readonly before?: (device: string) => Promise<boolean>;
  /** The job from before a restart. */
  readonly restored?: { readonly id: string; readonly state: JobState };
}

/** A task, its settings, and the devices. */
interface JobInput extends JobOptions {
  readonly task: Task<unknown>;
  readonly settings: RolloutSettings;
  /** The devices that are known before the selection. */
  readonly devices?: readonly string[];
}

/** Finds devices. Rejects with a HomieError, or with the reason of the signal. */
export type Select = (signal: AbortSignal) => Promise<readonly string[]>;

/**
 * Runs one task for several devices according to a plan.
 *
 * Emits `progress` at each change of a device, and `result` once for each device when it has ended. After that, a
 * `progress` marked `late` may follow until `abandon` resolves. Emits `idle` each time nothing is left to do: all
 * devices have ended, or failures have stopped the job.
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

  /** Whether nothing is left to do and the job accepts no more devices. */
  get isEnded(): boolean {
    return this.#lifetime.idle === 'done' && !this.#arrivals.isOpen;
  }

  /** Whether the whole job was canceled: it only finishes what is in progress. */
  get isCanceled(): boolean {
    return this.#devices.isCanceled;
  }

  /** Whether the job can be forgotten: it has ended, and nothing can be retried or the time to keep it has passed. */
  get isStale(): boolean {
    const isOld = this.#lifetime.idleFor >= this.#settings.keep;
    return this.isEnded && (isOld || !this.#devices.all.some(({ mayRetry }) => mayRetry));
  }

  /** Why no more devices are started; undefined when they are, or when all have ended. */
  get halted(): 'paused' | 'stopped' | undefined {
    return this.#lifetime.idle === 'done' ? undefined : this.#context.schedule.standing.state;
  }

  /** Whether the job was abandoned so that a later job continues it. */
  get isKept(): boolean {
    return this.#lifetime.kept.aborted;
  }

  /** The current updates of its devices, to report. */
  get devices(): Update[] {
    return this.#devices.all.map(({ update }) => update);
  }

  /** Returns the current state of the job, to store. */
  state(): JobState {
    return stateOf(this.#context, this.#devices, this.#arrivals, this.#devices.all);
  }

  /** Returns the current state of the job with only the devices that have changed since the last call. */
  changes(): JobState {
    return stateOf(this.#context, this.#devices, this.#arrivals, this.#devices.takeChanged());
  }

  /** Returns a summary of the current state, to report. */
  summary(): Summary {
    const all = summarize(this.id, this.devices, Math.round(this.#lifetime.elapsed));
    if (this.#lifetime.idle === 'done') return all;
    const { standing } = this.#context.schedule;
    return { ...all, ...standing, ...(standing.error && { text: `${standing.error.message} ${all.text}` }) };
  }

  /**
   * Runs the job until nothing is left to do.
   *
   * @param wrap wraps the search for devices, so that the caller can act before and after it
   * @returns the summary, which includes failures of devices
   * @throws {HomieError} the devices cannot be found; nothing was sent
   * @throws an AbortError when the job is abandoned so that a later job continues it
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
   * Waits until nothing is left to do, and returns the summary.
   *
   * @throws the errors of `run`
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

  /** Continues the job from its stored state after a restart, and resolves as `run` does. */
  async restart(wrap?: (select: Select) => Select): Promise<Summary> {
    if (!this.#devices.isAdmitted) return this.run(wrap);
    this.#devices.restart();
    this.#arrivals.listen();
    return this.untilIdle();
  }

  /** Returns whether a device is part of the job. */
  has(device: string): boolean {
    return this.#devices.get(device) !== undefined;
  }

  /** Starts no more devices. Devices in progress finish. */
  pause(): void {
    this.#context.schedule.apply((plan) => plan.holds.pause());
    void this.#context.save();
  }

  /** Continues after `pause`, or after failures have stopped the job. */
  resume(): void {
    this.#devices.resume();
    void this.#context.save();
  }

  /**
   * Retries devices that ended without success, and resumes the job if it was paused or stopped. Changes nothing if no
   * device can be retried.
   *
   * @param devices ids; all devices by default
   * @returns the ids of the devices that are retried
   */
  retry(devices?: readonly string[]): string[] {
    const again = this.#devices.retryable(devices);
    if (again.length === 0) return [];
    this.resume();
    this.#devices.retry(again);
    return idsOf(again);
  }

  /**
   * Cancels devices. A device to which something was sent is no longer observed. Since its state is then unknown, it
   * stays locked until it is shown to have restarted.
   *
   * @param devices ids; the whole job by default
   * @returns the canceled devices, by whether something was sent to them
   */
  cancel(devices?: readonly string[]): { unsent: string[]; sent: string[] } {
    const canceled = this.#devices.cancel(devices);
    if (devices === undefined) this.close();
    return canceled;
  }

  /** Cancels the devices to which nothing was sent. Sends nothing more to the others, but still observes them. */
  cancelUnsent(): void {
    this.#devices.cancelUnsent();
    this.close();
  }

  /** Returns whether the job has a device or accepts it when it appears. */
  claims(id: string): boolean {
    return this.has(id) || this.#arrivals.claims(id);
  }

  /** Resolves when the job is not serving a device. */
  async served(device: string): Promise<void> {
    await this.#devices.get(device)?.served();
  }

  /** Cancels waiting devices because a newer job takes them. Resolves when they are free. */
  handOver(devices: readonly string[]): Promise<void> {
    return this.#devices.handOver(devices);
  }

  /** Ends the observation of a device as a canary, if it is under observation, as a failure. */
  failCanary(device: string): void {
    this.#canaries.fail(device);
  }

  /** Stops accepting devices that appear later. */
  close(): void {
    this.#arrivals.close();
    void this.#context.save();
    this.#context.schedule.advance();
  }

  /**
   * Stops observing devices, because the node is closed. A device with a pending reboot stays locked until it is shown
   * to have restarted. Resolves when nothing more is reported, so that no late report removes the files of a job that
   * continues this one.
   *
   * @param keep leaves the stored state of the devices as it is, so that a later job continues them
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

  /** Stores first: if the process ends in between, a summary may be lost, but never reported twice. */
  async #reportIdle(): Promise<void> {
    const summary = this.summary();
    await this.#context.save();
    this.emit('idle', summary);
  }
}
