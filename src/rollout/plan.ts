import type { State } from '../homie/update';

/** How many devices are served at once, and when to stop. */
export interface PlanSettings {
  /** Devices at once. */
  readonly concurrency: number;
  /** So many must be proven before the others begin; 0: none. */
  readonly canary: number;
  /** Between two starts, in ms. */
  readonly spacing: number;
  /** No more are started when so many have failed; 0: never. */
  readonly maxFailures: number;
  /** How long a device is waited for that cannot be served, in ms. */
  readonly expires: number;
  /** The job stays open for devices that appear later. */
  readonly continuous: boolean;
}

/** How a device of a plan ended. */
export type End = Extract<State, 'succeeded' | 'skipped' | 'failed' | 'timed_out' | 'rejected' | 'canceled'>;

/**
 * Where a device stands in a plan:
 *
 * - `new`: not looked for yet
 * - `away`: offline or asleep; it holds no place
 * - `asking`: there, and not served yet
 * - `running`: being served; it holds a place
 */
export type Stage = 'new' | 'away' | 'asking' | 'running' | End;

/** `stopped`: by failures. Paused and stopped, nothing is started and nothing expires. */
export type Mode = 'active' | 'paused' | 'stopped';

/** Why a plan stopped: too many devices failed, or a canary did not stay well. */
export type StopReason = 'failures' | 'canary';

/** What is to be known of a plan after a restart, beside what became of its devices: plain data. */
export interface PlanState {
  readonly mode: Mode;
  /** What failed last. */
  readonly reason?: StopReason;
  /** Canaries that count. */
  readonly proven: number;
  readonly failures: number;
  readonly soaking: readonly string[];
}

/** What is to be done now. */
export interface Due {
  /** Devices to be served. Each is `running` from now on. */
  readonly start: readonly string[];
  /** Devices that were waited for in vain. */
  readonly expired: readonly string[];
  /** When to ask again although nothing has happened, in ms on the same clock. */
  readonly wakeAt?: number;
}

interface Entry {
  stage: Stage;
  /** Its place in the order. */
  readonly rank: number;
  /** It came while it was waited for: it may be awake for moments only. */
  woke: boolean;
  /** Since when it could not be served, in ms. */
  since: number;
}

/**
 * Which devices of a job are served, and when. It looks at no clock and does nothing itself: it is told what happens, and
 * `due` tells what is to be done. Times are in ms on one clock.
 */
export class Plan {
  readonly #settings: PlanSettings;
  readonly #devices = new Map<string, Entry>();
  readonly #asking = new Set<string>();
  /** Canaries that are watched. */
  readonly #soaking = new Set<string>();
  #running = 0;
  #left = 0;
  #mode: Mode = 'active';
  #reason: StopReason | undefined;
  #proven = 0;
  #failures = 0;
  #lastStart = Number.NEGATIVE_INFINITY;
  /** Since when the window is closed, in ms. */
  #closedSince: number | undefined;

  constructor(settings: PlanSettings) {
    this.#settings = settings;
  }

  /**
   * A plan as it was before a restart: what was `running` runs again, and what has not ended is looked for anew.
   *
   * @param devices `since` when each is waited for, in ms
   */
  static restore(
    settings: PlanSettings,
    { mode, reason, proven, failures, soaking }: PlanState,
    devices: readonly { readonly device: string; readonly state: State; readonly since: number }[],
  ): Plan {
    const plan = new Plan(settings);
    plan.#mode = mode;
    plan.#reason = reason;
    plan.#proven = proven;
    plan.#failures = failures;
    for (const { device, state, since } of devices) {
      plan.add([device], since);
      const entry = plan.#entry(device);
      if (state === 'running') plan.#run(device, entry);
      else if (isEnd(state)) plan.#leave(entry, state);
      if (soaking.includes(device)) plan.#soaking.add(device);
    }
    return plan;
  }

  get mode(): Mode {
    return this.#mode;
  }

  get stopReason(): StopReason | undefined {
    return this.#mode === 'stopped' ? this.#reason : undefined;
  }

  /** Whether a device that has its turn may still be sent something. */
  get maySend(): boolean {
    return this.#mode === 'active' && !this.#hasFailed;
  }

  /** Whether every device has ended. */
  get isDone(): boolean {
    return this.#left === 0;
  }

  /** Whether canaries are still to be proven before the others begin. */
  get inCanary(): boolean {
    return this.#proven < this.#settings.canary;
  }

  get soaking(): readonly string[] {
    return [...this.#soaking];
  }

  stage(id: string): Stage | undefined {
    return this.#devices.get(id)?.stage;
  }

  /** Since when a device is waited for, in ms. */
  since(id: string): number | undefined {
    return this.#waiting(id)?.since;
  }

  state(): PlanState {
    return {
      mode: this.#mode,
      ...(this.#reason !== undefined && { reason: this.#reason }),
      proven: this.#proven,
      failures: this.#failures,
      soaking: this.soaking,
    };
  }

  /**
   * Takes in devices, in this order. One that is known is waited for no longer than before: who asks for it every night
   * is to hear that it was not there.
   */
  add(ids: readonly string[], now: number): void {
    for (const id of ids) {
      if (this.#devices.has(id)) continue;
      const entry: Entry = { stage: 'new', rank: this.#devices.size, woke: false, since: now };
      this.#devices.set(id, entry);
      this.#left += 1;
    }
  }

  /** Begins anew with devices that have ended, but for those that are still watched as canaries. */
  again(ids: readonly string[], now: number): void {
    for (const id of ids) {
      const entry = this.#devices.get(id);
      if (entry === undefined || !isEnd(entry.stage) || this.#soaking.has(id)) continue;
      Object.assign(entry, { stage: 'new', woke: false, since: now });
      this.#left += 1;
    }
  }

  /** It is known that the device is not there. */
  away(id: string, now: number): void {
    const entry = this.#waiting(id);
    if (entry === undefined) return;
    this.#asking.delete(id);
    // Before it is looked for, it is waited for already: it may have been since before a restart.
    Object.assign(entry, { stage: 'away', since: entry.stage === 'new' ? entry.since : now });
  }

  /** The device is there and can be served. */
  asks(id: string, woke: boolean): void {
    const entry = this.#waiting(id);
    if (entry === undefined) return;
    this.#asking.add(id);
    Object.assign(entry, { stage: 'asking', woke });
  }

  /** The device was served, but had gone, and nothing was sent. */
  notSent(id: string, now: number): void {
    const entry = this.#devices.get(id);
    if (entry?.stage !== 'running') return;
    this.#running -= 1;
    Object.assign(entry, { stage: 'away', since: now });
  }

  /**
   * The device has ended. The first ones that are proven must stay well for a while; `soaked`, `spoiled` or `dozed` tells
   * what becomes of them.
   *
   * @returns whether it is to be watched on as a canary
   */
  ended(id: string, end: End): boolean {
    const entry = this.#devices.get(id);
    if (entry === undefined || isEnd(entry.stage)) return false;
    if (entry.stage === 'running') this.#running -= 1;
    this.#leave(entry, end);
    this.#asking.delete(id);
    if (end === 'failed') this.#fail('failures');
    if (end !== 'succeeded' || !this.inCanary) return false;
    this.#soaking.add(id);
    return true;
  }

  /** A canary has stayed well. */
  soaked(id: string): void {
    if (this.#soaking.delete(id)) this.#proven += 1;
  }

  /** A canary has not stayed well. */
  spoiled(id: string): void {
    if (this.#soaking.delete(id)) this.#fail('canary');
  }

  /** A canary has gone to sleep, so that it proves nothing; another one is taken. */
  dozed(id: string): void {
    this.#soaking.delete(id);
  }

  /** Starts nothing more until `resume`. */
  pause(): void {
    if (this.#mode === 'active') this.#mode = 'paused';
  }

  /** Goes on, also after a stop. What failed before counts no more. */
  resume(now: number): void {
    this.#failures = 0;
    this.#reason = undefined;
    if (this.#mode === 'active') return;
    this.#mode = 'active';
    for (const entry of this.#devices.values()) if (!isEnd(entry.stage)) entry.since = now;
  }

  /**
   * What is to be done now. To be called after everything that happens, and at `wakeAt`.
   *
   * @param open whether the window is open
   */
  due(now: number, open: boolean): Due {
    this.#closedSince = open ? undefined : (this.#closedSince ?? now);
    this.#stopIfFailed();
    if (this.#mode !== 'active') return { start: [], expired: [] };
    const start: string[] = [];
    let wakeAt = Number.POSITIVE_INFINITY;
    if (open && this.#free > 0 && this.#asking.size > 0) {
      for (const id of this.#queue()) {
        if (this.#free <= 0) break;
        if (now < this.#lastStart + this.#settings.spacing) {
          wakeAt = this.#lastStart + this.#settings.spacing;
          break;
        }
        this.#run(id, this.#entry(id));
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
    if (!this.inCanary) return places;
    return Math.min(places, this.#settings.canary - this.#proven - this.#running - this.#soaking.size);
  }

  /** Those that ask, in the order in which they are served. A canary must be able to stay, so there those that woke are last. */
  #queue(): string[] {
    const first = !this.inCanary;
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

  #fail(reason: StopReason): void {
    this.#failures += 1;
    if (this.#mode !== 'stopped') this.#reason = reason;
    this.#stopIfFailed();
  }

  /** Where nothing is left to be started, nothing is stopped, until something is. */
  #stopIfFailed(): void {
    if (!this.#hasFailed) return;
    if (this.#left > this.#running || this.#settings.continuous) this.#mode = 'stopped';
  }

  get #hasFailed(): boolean {
    const { maxFailures } = this.#settings;
    return maxFailures > 0 && this.#failures >= maxFailures;
  }

  #run(id: string, entry: Entry): void {
    this.#asking.delete(id);
    entry.stage = 'running';
    this.#running += 1;
  }

  #leave(entry: Entry, end: End): void {
    entry.stage = end;
    this.#left -= 1;
  }

  #waiting(id: string): Entry | undefined {
    const entry = this.#devices.get(id);
    return entry === undefined || isEnd(entry.stage) || entry.stage === 'running' ? undefined : entry;
  }

  #entry(id: string): Entry {
    const entry = this.#devices.get(id);
    if (entry === undefined) throw new Error(`${id} is not part of the plan`);
    return entry;
  }
}

const ends: ReadonlySet<Stage | State> = new Set<End>([
  'succeeded',
  'skipped',
  'failed',
  'timed_out',
  'rejected',
  'canceled',
]);

/** Whether a stage or a state is an end. */
export function isEnd(stage: Stage | State): stage is End {
  return ends.has(stage);
}
