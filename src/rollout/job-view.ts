import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { summarize, type Summary, type Update } from '../update/update';
import { Arrivals } from './arrivals';
import { Canaries } from './canaries';
import { systemClock, type Clock } from './clock';
import type { JobContext } from './job-device';
import { JobDevices } from './job-devices';
import { planOf, stateOf } from './job-snapshot';
import type { JobState } from './job-state';
import { Lifetime } from './lifetime';
import { pace } from './pace';
import { Schedule } from './schedule';
import type { RolloutSettings } from './settings';
import type { Task } from './task';
import { Waiting } from './waiting';

/** Maximum number of devices that start in one turn of the event loop. */
const AT_ONCE = 4;

/** The environment of a job. */
export interface JobOptions {
  readonly clock?: Clock;
  /** Stores the job, and resolves when that is done. It must not reject. */
  readonly save?: (job: JobView) => Promise<unknown>;
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

/** What a job consists of. */
interface JobParts {
  readonly settings: RolloutSettings;
  readonly context: JobContext;
  readonly lifetime: Lifetime;
  readonly devices: JobDevices;
  readonly canaries: Canaries;
  readonly arrivals: Arrivals;
}

interface JobEvents {
  progress: [Update];
  result: [Update];
  idle: [Summary];
  steered: [];
  change: [devices: readonly string[]];
}

/** What a job shows of itself. Nothing here changes it. */
export abstract class JobView extends EventEmitter<JobEvents> {
  readonly id: string;
  /** Says why the job and its devices wait. */
  readonly waiting: Waiting;
  protected readonly parts: JobParts;

  constructor({ task, settings, devices: known = [], clock = systemClock, save, before, restored }: JobInput) {
    super();
    this.setMaxListeners(0);
    const { id = randomUUID(), state } = restored ?? {};
    const lifetime = new Lifetime(clock, state);
    const context: JobContext = {
      job: id,
      task,
      lifetime,
      schedule: new Schedule(planOf(settings, lifetime, state), settings.window, clock, () => this.look()),
      touched: new Set(),
      pace: pace(AT_ONCE),
      before: async (device) => before?.(device) ?? false,
      save: async () => (await save?.(this)) === true,
      emit: (event, update) => {
        this.emit(event, update);
        this.emit('change', [update.device]);
      },
      changed: (ids = [...devices.ids]) => void this.emit('change', ids),
      observe: (canary) => canaries.observe(canary),
    };
    const devices = new JobDevices(context, settings.exclude, state);
    const canaries = new Canaries(context, clock, settings.soak);
    const arrivals = new Arrivals(context, devices, settings.continuous, state?.closed === true);
    this.id = id;
    this.parts = { settings, context, lifetime, devices, canaries, arrivals };
    this.waiting = new Waiting(context, devices, canaries);
    for (const device of known) devices.enter(device);
  }

  /** Whether nothing is left to do and the job accepts no more devices. */
  get isEnded(): boolean {
    return this.parts.lifetime.idle === 'done' && !this.parts.arrivals.isOpen;
  }

  /** Whether the job still looks for its devices. */
  get isSearching(): boolean {
    return !this.parts.devices.isAdmitted;
  }

  /** Whether the whole job was canceled: it only finishes what is in progress. */
  get isCanceled(): boolean {
    return this.parts.devices.isCanceled;
  }

  /** Whether the job can be forgotten: it has ended, and nothing can be retried or the time to keep it has passed. */
  get isStale(): boolean {
    const { lifetime, settings, devices } = this.parts;
    const isOld = lifetime.idleFor >= settings.keep;
    return this.isEnded && (isOld || !devices.all.some(({ mayRetry }) => mayRetry));
  }

  /** Why no more devices are started; undefined when they are, or when all have ended. */
  get halted(): 'paused' | 'stopped' | undefined {
    return this.parts.lifetime.idle === 'done' ? undefined : this.standing.state;
  }

  /** What the job is doing or waiting for, unless it has ended. */
  get standing(): Schedule['standing'] {
    return this.parts.context.schedule.standing;
  }

  /** Whether the job was abandoned so that a later job continues it. */
  get isKept(): boolean {
    return this.parts.lifetime.kept.aborted;
  }

  /** In ms since 1970. */
  get startedAt(): number {
    return Date.parse(this.parts.lifetime.startedAt);
  }

  /** In ms since 1970; undefined until the job has ended. */
  get endedAt(): number | undefined {
    return this.isEnded ? Math.round(this.startedAt + this.parts.lifetime.elapsed) : undefined;
  }

  /** The current updates of its devices, to report. */
  get devices(): Update[] {
    return this.parts.devices.all.map(({ update }) => update);
  }

  /** The ids of its devices. */
  get ids(): Iterable<string> {
    return this.parts.devices.ids;
  }

  /** How many devices it has. */
  get size(): number {
    return this.parts.devices.size;
  }

  /** Returns the current update of a device, to report. */
  updateOf(device: string): Update | undefined {
    return this.parts.devices.get(device)?.update;
  }

  /** Returns whether a device is part of the job. */
  has(device: string): boolean {
    return this.parts.devices.get(device) !== undefined;
  }

  /** Returns whether a device ended without success and can be retried. */
  mayRetry(device: string): boolean {
    return this.parts.devices.get(device)?.mayRetry === true && this.parts.devices.hasEnded(device);
  }

  /** Returns whether the job has a device or accepts it when it appears. */
  claims(id: string): boolean {
    return this.has(id) || this.parts.arrivals.claims(id);
  }

  /** Returns the current state of the job, to store. */
  state(): JobState {
    const { context, devices, arrivals } = this.parts;
    return stateOf(context, devices, arrivals, devices.all);
  }

  /** Returns the current state of the job with only the devices that have changed since the last call. */
  changes(): JobState {
    const { context, devices, arrivals } = this.parts;
    return stateOf(context, devices, arrivals, devices.takeChanged());
  }

  /** Returns a summary of the current state, to report. */
  summary(): Summary {
    const { lifetime } = this.parts;
    const all = summarize(this.id, this.devices, Math.round(lifetime.elapsed));
    if (lifetime.idle === 'done') return all;
    const { standing } = this;
    return { ...all, ...standing, ...(standing.error && { text: `${standing.error.message} ${all.text}` }) };
  }

  /** Does what is due. Called when the plan may have changed. */
  protected abstract look(): void;
}
