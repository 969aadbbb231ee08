import { isFinal, type FinalState, type Hold, type State } from '../update/update';
import { Holds, type PlanState } from './holds';
import type { RolloutSettings } from './settings';

/** How many devices are served at once, and when to stop. */
export type PlanSettings = Pick<
  RolloutSettings,
  'concurrency' | 'canary' | 'spacing' | 'maxFailures' | 'expires' | 'continuous'
>;

/**
 * Where a device stands in a plan:
 *
 * - `new`: not looked for yet
 * - `away`: offline, asleep, or taken by another job; it holds no place
 * - `asking`: there, and not served yet
 * - `running`: being served; it holds a place
 */
export type PlanStage = 'new' | 'away' | 'asking' | 'running' | FinalState;

/** Whether anything is left to do; `stopped`: not until the plan is resumed. */
export type Idle = 'no' | 'stopped' | 'done';

/** What is to be done now. */
export interface Due {
  /** Devices to be served. Each is `running` from now on. */
  readonly start: readonly string[];
  /** Devices that did not come in time. */
  readonly expired: readonly string[];
  /** When to ask again although nothing has happened, in ms on the same clock. */
  readonly wakeAt?: number;
}

interface Entry {
  stage: PlanStage;
  /** Its place in the order. */
  readonly rank: number;
  /** It came while it was waited for: it may be awake for moments only. */
  woke: boolean;
  /** While it is away: when the wait for it would have begun if it had been away without a break, in ms. */
  since: number;
  /** How long it had been away in all when it last asked, in ms. */
  waited: number;
}

/**
 * Which devices of a job are served, and when. It looks at no clock and does nothing itself: it is told what happens, and
 * `due` tells what is to be done. Times are in ms on one clock.
 */
export class Plan {
  readonly holds: Holds;
  readonly #settings: PlanSettings;
  readonly #devices = new Map<string, Entry>();
  readonly #asking = new Set<string>();
  #running = 0;
  #left = 0;
  #lastStart = Number.NEGATIVE_INFINITY;
  /** Since when the window is closed, in ms. */
  #closedSince: number | undefined;

  /**
   * @param state as it was before a restart
   * @param devices as they were before a restart: those that were `running` run again, and all others that have not ended are
   * looked for again. `since`: see `wait`
   */
  constructor(
    settings: PlanSettings,
    state?: PlanState,
    devices: readonly { readonly device: string; readonly state: State; readonly since: number }[] = [],
  ) {
    this.#settings = settings;
    this.holds = new Holds(settings, state);
    for (const { device, state: was, since } of devices) {
      this.add([device], since);
      const entry = this.#entry(device);
      if (was === 'running') this.#run(device, entry);
      else if (isFinal(was)) this.#leave(entry, was);
    }
  }

  /**
   * Returns what keeps devices from being started that are there; undefined when they wait for nothing but a free slot.
   *
   * @param open whether the window is open
   */
  hold(open: boolean): Hold | undefined {
    const { mode, inCanary } = this.holds;
    if (mode !== 'active') return mode;
    if (!open) return 'window';
    return inCanary && this.#free <= 0 ? 'canary' : undefined;
  }

  /** Whether a device waits to be started. */
  waits(id: string): boolean {
    return this.#waiting(id) !== undefined;
  }

  /** Whether every device has ended. */
  get isDone(): boolean {
    return this.#left === 0;
  }

  get idle(): Idle {
    return this.isDone ? 'done' : this.holds.mode === 'stopped' ? 'stopped' : 'no';
  }

  stage(id: string): PlanStage | undefined {
    return this.#devices.get(id)?.stage;
  }

  /** How long a device has been waited for: up to now since a time, or so long before it asked; in ms. */
  wait(id: string): { readonly since: number } | { readonly waited: number } | undefined {
    const entry = this.#devices.get(id);
    if (entry === undefined || isFinal(entry.stage)) return undefined;
    return entry.stage === 'asking' ? { waited: entry.waited } : { since: entry.since };
  }

  /**
   * Takes in devices, in this order. One that is known is waited for no longer than before: who asks for it every night
   * is to hear that it was not there.
   */
  add(ids: readonly string[], now: number): void {
    for (const id of ids) {
      if (this.#devices.has(id)) continue;
      const entry: Entry = { stage: 'new', rank: this.#devices.size, woke: false, since: now, waited: 0 };
      this.#devices.set(id, entry);
      this.#left += 1;
    }
  }

  /** Starts again with devices that have ended, but for those that are still watched as canaries. */
  again(ids: readonly string[], now: number): void {
    for (const id of ids) {
      const entry = this.#devices.get(id);
      if (entry === undefined || !isFinal(entry.stage) || this.holds.isSoaking(id)) continue;
      Object.assign(entry, { stage: 'new', woke: false, since: now, waited: 0 });
      this.#left += 1;
    }
  }

  /** The device cannot be served: it is not there, or something else has it. */
  away(id: string, now: number): void {
    const entry = this.#waiting(id);
    if (entry === undefined || entry.stage === 'away') return;
    this.#asking.delete(id);
    // Before it is looked for, it is waited for already: it may have been since before a restart.
    if (entry.stage === 'asking') entry.since = now - entry.waited;
    entry.stage = 'away';
  }

  /** The device is there and can be served. */
  asks(id: string, woke: boolean, now: number): void {
    const entry = this.#waiting(id);
    if (entry === undefined) return;
    this.#asking.add(id);
    if (entry.stage !== 'asking') entry.waited = now - entry.since;
    Object.assign(entry, { stage: 'asking', woke });
  }

  /** The device was served, but had gone, and nothing was sent. The wait for it goes on, and did so meanwhile. */
  notSent(id: string): void {
    const entry = this.#devices.get(id);
    if (entry?.stage !== 'running') return;
    this.#running -= 1;
    entry.stage = 'away';
  }

  /**
   * The device has ended. The first ones that are proven must stay well for a while; `soaked`, `spoiled` or `dozed`
   * reports the result.
   *
   * @returns whether it is to be watched on as a canary
   */
  ended(id: string, end: FinalState): boolean {
    const entry = this.#devices.get(id);
    if (entry === undefined || isFinal(entry.stage)) return false;
    if (entry.stage === 'running') this.#running -= 1;
    this.#leave(entry, end);
    this.#asking.delete(id);
    if (end === 'failed') this.holds.fail('failures');
    this.#stopIfFailed();
    if (end !== 'succeeded' || !this.holds.inCanary) return false;
    this.holds.soak(id);
    return true;
  }

  /** A canary has not stayed well. */
  spoiled(id: string): void {
    this.holds.spoiled(id);
    this.#stopIfFailed();
  }

  /** Goes on, also after a stop. What failed before counts no more. */
  resume(now: number): void {
    const wasActive = this.holds.mode === 'active';
    this.holds.resume();
    if (wasActive) return;
    for (const entry of this.#devices.values())
      if (!isFinal(entry.stage)) Object.assign(entry, { since: now, waited: 0 });
  }

  /**
   * What is to be done now. To be called after everything that happens, and at `wakeAt`.
   *
   * @param open whether the window is open
   */
  due(now: number, open: boolean): Due {
    this.#closedSince = open ? undefined : (this.#closedSince ?? now);
    this.#stopIfFailed();
    if (this.holds.mode !== 'active') return { start: [], expired: [] };
    const start: string[] = [];
    let wakeAt = Number.POSITIVE_INFINITY;
    if (open && this.#free > 0 && this.#asking.size > 0) {
      for (const id of this.#queue()) {
        if (this.#free <= 0) break;
        if (now < this.#lastStart + this.#settings.spacing) {
          wakeAt = this.#lastStart + this.#settings.spacing;
          break;
        }
        const entry = this.#entry(id);
        entry.since = now - entry.waited;
        this.#run(id, entry);
        this.#lastStart = now;
        start.push(id);
      }
    }
    const expired: string[] = [];
    for (const [id, entry] of this.#devices) {
      const deadline = this.#deadline(entry);
      if (deadline <= now) expired.push(id);
      else wakeAt = Math.min(wakeAt, deadline);
    }
    return { start, expired, ...(Number.isFinite(wakeAt) && { wakeAt }) };
  }

  /** How many more may be started. Until enough canaries are proven, only so many as are missing. */
  get #free(): number {
    const places = this.#settings.concurrency - this.#running;
    return this.holds.inCanary ? Math.min(places, this.holds.missing - this.#running) : places;
  }

  /** Those that ask, in the order in which they are served. A canary must be able to stay, so there those that woke are last. */
  #queue(): string[] {
    const first = !this.holds.inCanary;
    const entries = [...this.#asking].map((id) => ({ id, ...this.#entry(id) }));
    entries.sort((a, b) => Number(b.woke === first) - Number(a.woke === first) || a.rank - b.rank);
    return entries.map(({ id }) => id);
  }

  /** When it is given up, in ms. One that is there is waiting for nothing but its turn, unless the window is closed. */
  #deadline({ stage, since }: Entry): number {
    const { expires } = this.#settings;
    if (stage === 'away') return since + expires;
    if (stage === 'asking' && this.#closedSince !== undefined) return Math.max(since, this.#closedSince) + expires;
    return Number.POSITIVE_INFINITY;
  }

  /** Where nothing is left to be started, nothing is stopped, until something is. */
  #stopIfFailed(): void {
    if (this.holds.hasFailed && (this.#left > this.#running || this.#settings.continuous)) this.holds.stop();
  }

  #run(id: string, entry: Entry): void {
    this.#asking.delete(id);
    entry.stage = 'running';
    this.#running += 1;
  }

  #leave(entry: Entry, end: FinalState): void {
    entry.stage = end;
    this.#left -= 1;
  }

  #waiting(id: string): Entry | undefined {
    const entry = this.#devices.get(id);
    return entry === undefined || isFinal(entry.stage) || entry.stage === 'running' ? undefined : entry;
  }

  #entry(id: string): Entry {
    const entry = this.#devices.get(id);
    if (entry === undefined) throw new Error(`${id} is not part of the plan`);
    return entry;
  }
}
