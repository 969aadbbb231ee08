import type { ErrorCode } from '../errors';
import { isFinal, type FinalState, type Hold, type State } from '../update/update';
import { Holds, type PlanState } from './holds';
import type { RolloutSettings } from './settings';

/** The settings that decide how many devices are served at once, and when to stop. */
export type PlanSettings = Pick<
  RolloutSettings,
  'concurrency' | 'canary' | 'spacing' | 'maxFailures' | 'expires' | 'continuous'
>;

/**
 * Where a device stands in a plan:
 *
 * - `new`: not looked for yet
 * - `away`: offline, asleep, or locked by another job; takes no slot
 * - `asking`: available, but not served yet
 * - `running`: being served; takes a slot
 */
export type PlanStage = 'new' | 'away' | 'asking' | 'running' | FinalState;

/** Whether nothing is left to do. `stopped`: nothing until the plan is resumed. */
export type IdleState = 'no' | 'stopped' | 'done';

/** What is due now. */
export interface Due {
  /** Devices to serve. Each is `running` from now on. */
  readonly start: readonly string[];
  /** Devices that timed out. */
  readonly expired: readonly string[];
  /** When to ask again even if nothing has happened, in ms on the same clock. */
  readonly wakeAt?: number;
}

interface Entry {
  stage: PlanStage;
  /** Its position in the order of the job. */
  readonly rank: number;
  /** Whether the device came while the job waited for it; then it may be awake only for moments. */
  woke: boolean;
  /** While the device is away: the start of the wait, in ms, moved forward by the time it was available in between. */
  since: number;
  /** How long the device had been away in total when it last asked, in ms. */
  waited: number;
}

/**
 * Decides which devices of a job are served, and when. It reads no clock and acts on nothing: its methods record what
 * happens, and `due` returns what is due. Times are in ms on one clock.
 */
export class Plan {
  readonly holds: Holds;
  readonly #settings: PlanSettings;
  readonly #devices = new Map<string, Entry>();
  readonly #asking = new Set<string>();
  readonly #running = new Set<string>();
  #left = 0;
  #lastStart = Number.NEGATIVE_INFINITY;
  /** When the window closed, in ms. */
  #closedSince: number | undefined;

  /**
   * @param state the state from before a restart
   * @param devices the devices from before a restart: those that were `running` run again, and all others that have not
   *   ended are looked for again. `since`: see `wait`
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
   * Returns what keeps available devices from starting; undefined when they wait only for a free slot.
   *
   * @param open whether the window is open
   */
  hold(open: boolean): Hold | undefined {
    const { mode, inCanary } = this.holds;
    if (mode !== 'active') return mode;
    if (!open) return 'window';
    return inCanary && this.#free <= 0 ? 'canary' : undefined;
  }

  /** Returns whether a device waits to be started. */
  waits(id: string): boolean {
    return this.#waiting(id) !== undefined;
  }

  /** The devices that are being served. */
  get running(): ReadonlySet<string> {
    return this.#running;
  }

  get isDone(): boolean {
    return this.#left === 0;
  }

  get idle(): IdleState {
    return this.isDone ? 'done' : this.holds.mode === 'stopped' ? 'stopped' : 'no';
  }

  stage(id: string): PlanStage | undefined {
    return this.#devices.get(id)?.stage;
  }

  /**
   * Returns how long the job has waited for a device, in ms: `since` a time until now, or, while the device asks,
   * the time it had `waited` before. Undefined when it has ended.
   */
  wait(id: string): { readonly since: number } | { readonly waited: number } | undefined {
    const entry = this.#devices.get(id);
    if (entry === undefined || isFinal(entry.stage)) return undefined;
    return entry.stage === 'asking' ? { waited: entry.waited } : { since: entry.since };
  }

  /**
   * Adds devices in this order. For a device that is already in the plan, the wait does not start over, so that a
   * device that is requested every night can still time out.
   */
  add(ids: readonly string[], now: number): void {
    for (const id of ids) {
      if (this.#devices.has(id)) continue;
      const entry: Entry = { stage: 'new', rank: this.#devices.size, woke: false, since: now, waited: 0 };
      this.#devices.set(id, entry);
      this.#left += 1;
    }
  }

  /** Restarts devices that have ended, except canaries under observation. */
  again(ids: readonly string[], now: number): void {
    for (const id of ids) {
      const entry = this.#devices.get(id);
      if (entry === undefined || !isFinal(entry.stage) || this.holds.isSoaking(id)) continue;
      Object.assign(entry, { stage: 'new', since: now, waited: 0 });
      this.#left += 1;
    }
  }

  /** Records that a device cannot be served: it is away, or another job has it. */
  away(id: string, now: number): void {
    const entry = this.#waiting(id);
    if (entry === undefined) return;
    this.#asking.delete(id);
    // For a `new` device, `since` already counts, possibly from before a restart.
    if (entry.stage === 'asking') entry.since = now - entry.waited;
    entry.stage = 'away';
  }

  /** Records that a device is available and asks for its turn. `woke`: whether it came while the job waited for it. */
  asks(id: string, woke: boolean, now: number): void {
    const entry = this.#waiting(id);
    if (entry === undefined) return;
    this.#asking.add(id);
    if (entry.stage !== 'asking') entry.waited = now - entry.since;
    Object.assign(entry, { stage: 'asking', woke });
  }

  /**
   * Records that a device had gone when it had its turn, and that nothing was sent. Its turn counts as waiting time.
   */
  notSent(id: string): void {
    const entry = this.#devices.get(id);
    if (entry?.stage !== 'running') return;
    this.#running.delete(id);
    entry.stage = 'away';
  }

  /**
   * Records how a device ended. The first devices that succeed are observed as canaries; `soaked`, `spoiled` or `dozed`
   * records the result.
   *
   * @param code of its error
   * @returns whether the device must be observed as a canary
   */
  ended(id: string, end: FinalState, code?: ErrorCode): boolean {
    const entry = this.#devices.get(id);
    if (entry === undefined || isFinal(entry.stage)) return false;
    this.#running.delete(id);
    this.#leave(entry, end);
    this.#asking.delete(id);
    if (end === 'failed') this.holds.failed(code);
    this.#stopIfFailed();
    if (end !== 'succeeded' || !this.holds.inCanary) return false;
    this.holds.soak(id);
    return true;
  }

  /** Records that a canary did not stay ready. */
  spoiled(id: string): void {
    this.holds.spoiled(id);
    this.#stopIfFailed();
  }

  /** Continues after a pause or a stop, and restarts the wait for devices. Earlier failures no longer count. */
  resume(now: number): void {
    const wasActive = this.holds.mode === 'active';
    this.holds.resume();
    if (wasActive) return;
    for (const entry of this.#devices.values()) Object.assign(entry, { since: now, waited: 0 });
  }

  /**
   * Returns what is due now. Must be called after each change, and at `wakeAt`.
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

  /** How many more devices may start: until all canaries are proven, only as many as are still needed. */
  get #free(): number {
    const places = this.#settings.concurrency - this.#running.size;
    return this.holds.inCanary ? Math.min(places, this.holds.missing - this.#running.size) : places;
  }

  /**
   * Returns the devices that ask, in the order in which they are served. Devices that woke come first, since they may
   * soon sleep again. As canaries they come last, since a canary must stay awake.
   */
  #queue(): string[] {
    const first = !this.holds.inCanary;
    const entries = [...this.#asking].map((id) => ({ id, ...this.#entry(id) }));
    entries.sort((a, b) => Number(b.woke === first) - Number(a.woke === first) || a.rank - b.rank);
    return entries.map(({ id }) => id);
  }

  /** Returns when a device times out, in ms. An available device times out only while the window is closed. */
  #deadline({ stage, since }: Entry): number {
    const { expires } = this.#settings;
    if (stage === 'away') return since + expires;
    if (stage === 'asking' && this.#closedSince !== undefined) return Math.max(since, this.#closedSince) + expires;
    return Number.POSITIVE_INFINITY;
  }

  /** Stops the plan after too many failures, unless none of its devices waits and none can be added later. */
  #stopIfFailed(): void {
    const isAwaited = this.#left > this.#running.size || this.holds.isBetween;
    if (this.holds.hasFailed && (isAwaited || this.#settings.continuous)) this.holds.stop();
  }

  #run(id: string, entry: Entry): void {
    this.#asking.delete(id);
    entry.stage = 'running';
    this.#running.add(id);
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
