import { randomUUID } from 'node:crypto';
import { EventEmitter, setMaxListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { HomieError } from '../errors';
import { runningFirmware, type DeviceEvent } from '../homie/device';
import { matchAny } from '../homie/pattern';
import { isFinal, reportError, summarize, type Outcome, type State, type Summary, type Update } from '../homie/update';
import { unlessAborted } from '../unless-aborted';
import { systemClock, type Clock } from './clock';
import { elapsedOf, type DeviceState, type JobState, type Rest } from './job-state';
import { Ledger, type Entry } from './ledger';
import { isEnd, Plan } from './plan';
import { serve, Stop, stopped, type Gate } from './serve';
import type { RolloutSettings } from './settings';
import { soakLocked } from './soak';
import type { Hooks, Task } from './task';
import { Opening } from './window';

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
 * may come after that, until `afterwards` resolves. Emits `rest` whenever nothing is left to do: all devices have ended,
 * or failures have stopped the job.
 */
export class Job extends EventEmitter<{ progress: [Update]; result: [Update]; rest: [Summary] }> {
  readonly id: string;
  readonly #task: Task<unknown>;
  readonly #settings: RolloutSettings;
  readonly #clock: Clock;
  readonly #save: () => Promise<void>;
  readonly #before: (device: string) => Promise<boolean>;
  readonly #opening: Opening;
  readonly #plan: Plan;
  readonly #ledger: Ledger;
  readonly #startedAt: string;
  readonly #begunAt: number;
  readonly #flights = new Map<string, unknown>();
  /** Devices of which something in flight was handed to the socket. */
  readonly #sent = new Set<string>();
  readonly #unasked = new Set<string>();
  /** Devices that had not ended when an earlier process did. */
  readonly #resumed = new Set<string>();
  readonly #gate: Gate;
  readonly #stops = new Map<string, AbortController>();
  /** Stop watching a device to which something was sent. */
  readonly #leaves = new Map<string, AbortController>();
  readonly #turns = new Map<string, AbortController>();
  readonly #serving = new Map<string, Promise<void>>();
  readonly #late: Promise<void>[] = [];
  readonly #abandon = new AbortController();
  #soaks = new AbortController();
  #callOff: () => void = () => undefined;
  #deafen: () => void = () => undefined;
  /** Devices with which it has begun. */
  #begun = 0;
  /** Resolved when it may begin with more. */
  #turn: Promise<void> = Promise.resolve();
  #advancing = false;
  #admitted: boolean;
  #canceled: boolean;
  #closed: boolean;
  #kept = false;
  #rest: Rest;
  #restedAt: number;

  constructor({ task, settings, devices = [], clock = systemClock, save, before, restored }: JobInput) {
    super();
    this.setMaxListeners(0);
    // As many listen as devices are served at once.
    setMaxListeners(0, this.#abandon.signal);
    const state = restored?.state;
    this.id = restored?.id ?? randomUUID();
    this.#task = task;
    this.#settings = settings;
    this.#clock = clock;
    this.#opening = new Opening(settings.window, clock);
    this.#save = async () => save?.(this);
    this.#before = async (device) => before?.(device) ?? false;
    this.#startedAt = state?.startedAt ?? clock.date().toISOString();
    this.#begunAt = clock.now() - (state === undefined ? 0 : elapsedOf(state, clock));
    this.#restedAt = this.#begunAt + (state?.elapsed ?? 0);
    this.#rest = state?.rest ?? 'not';
    this.#admitted = state?.admitted ?? false;
    this.#closed = state?.closed === true;
    this.#canceled = state?.canceled === true;
    this.#ledger = new Ledger(this.id, task.initial, this.#startedAt, () => this.#elapsed);
    this.#ledger.restore(state?.devices.map(({ entry }) => entry) ?? []);
    for (const { entry, flight, unasked } of state?.devices ?? []) {
      if (flight !== undefined) {
        this.#flights.set(entry.device, flight);
        this.#sent.add(entry.device);
      }
      if (unasked === true) this.#unasked.add(entry.device);
    }
    // Devices that were named, but not taken in yet, are still to come.
    const waits = state?.admitted === true ? this.#waits(state.devices) : [];
    this.#plan = state === undefined ? new Plan(settings) : Plan.restore(settings, state.plan, waits);
    for (const device of devices) if (!this.#ledger.has(device)) this.#ledger.enter(device);
    this.#gate = {
      away: (device) => {
        this.#turns.delete(device);
        this.#ledger.touch(device);
        this.#plan.away(device, clock.now());
        this.#advance();
      },
      ask: (device, woke) => {
        const turn = new AbortController();
        this.#turns.set(device, turn);
        this.#plan.asks(device, woke);
        this.#advance();
        return turn.signal;
      },
      notSent: (device) => {
        this.#ledger.touch(device);
        this.#plan.notSent(device, clock.now());
        this.#advance();
      },
    };
  }

  /** Whether nothing is left to do, and no device can come any more. */
  get isEnded(): boolean {
    return this.#rest === 'done' && (this.#closed || !this.#settings.continuous);
  }

  /** Whether it can be forgotten: it has ended, and nothing of it can be retried, or could be for long enough. */
  get isStale(): boolean {
    if (!this.isEnded) return false;
    return this.#clock.now() - this.#restedAt >= this.#settings.keep || !this.#ledger.all().some(mayRetry);
  }

  /** Whether it was given up for a later job to go on with it. */
  get isKept(): boolean {
    return this.#kept;
  }

  /** The devices to which nothing was sent yet. */
  get waiting(): string[] {
    return this.#open().filter((device) => !this.#isUnderWay(device));
  }

  /** The job as it is now, to be written down. */
  state(): JobState {
    return { ...this.#stateOfAll(), devices: this.#ledger.entries.map((entry) => this.#deviceState(entry)) };
  }

  /** The same, with only those devices that have changed since this was last called. */
  changes(): JobState {
    return { ...this.#stateOfAll(), devices: this.#ledger.takeTouched().map((entry) => this.#deviceState(entry)) };
  }

  /** What is known of it beside its devices. */
  #stateOfAll(): Omit<JobState, 'devices'> {
    return {
      startedAt: this.#startedAt,
      elapsed: Math.round(this.#elapsed),
      admitted: this.#admitted,
      ...(this.#closed && { closed: true }),
      ...(this.#canceled && { canceled: true }),
      rest: this.#rest,
      plan: this.#plan.state(),
    };
  }

  /** The job as it is now, to be told. */
  summary(): Summary {
    const all = summarize(this.id, this.#ledger.all(), Math.round(this.#elapsed));
    if (this.#rest === 'done') return all;
    const { mode, stopReason } = this.#plan;
    if (mode === 'stopped') {
      const error = new HomieError(stopReason === 'canary' ? 'CANARY_UNSTABLE' : 'ROLLOUT_STOPPED');
      return { ...all, state: 'stopped', error: reportError(error), text: `${error.message} ${all.text}` };
    }
    if (mode === 'paused') return { ...all, state: 'paused' };
    if (!this.#opening.isOpen) return { ...all, stage: 'window', opensAt: this.#opening.next.toISOString() };
    const stage = this.#plan.soaking.length > 0 ? 'soaking' : this.#plan.inCanary ? 'canary' : 'rollout';
    return { ...all, stage };
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
    this.#throwIfKept();
    this.#listen();
    return this.admit(wrap((signal) => this.#task.select(signal)));
  }

  /**
   * Takes in devices that are not part of the job yet, and waits until nothing is left to do. A job that was stopped is
   * not started by that.
   *
   * @returns the summary
   */
  async admit(select: Select): Promise<Summary> {
    const found = await select(this.#abandon.signal);
    this.#throwIfKept();
    this.#add(this.#settings.order === 'id' ? [...found].sort() : found);
    return this.atRest();
  }

  /** Resolves with the summary when nothing is left to do. Rejects with an AbortError when the job is kept for later. */
  async atRest(): Promise<Summary> {
    this.#look();
    if (this.#rest !== 'not') return this.summary();
    this.#throwIfKept();
    return new Promise((resolve, reject) => {
      const given = (): void => {
        if (this.#kept) reject(this.#abandon.signal.reason);
      };
      this.#abandon.signal.addEventListener('abort', given, { once: true });
      this.once('rest', (summary) => {
        this.#abandon.signal.removeEventListener('abort', given);
        resolve(summary);
      });
    });
  }

  /** Goes on with what was written down before a restart, and runs as `run` does. */
  async restart(wrap?: (select: Select) => Select): Promise<Summary> {
    if (!this.#admitted) return this.run(wrap);
    for (const device of this.#open()) {
      this.#resumed.add(device);
      this.#begin(device);
    }
    for (const device of this.#plan.soaking) this.#track(device, this.#watchCanary(device));
    this.#listen();
    return this.atRest();
  }

  /** Whether a device is part of the job. */
  has(device: string): boolean {
    return this.#ledger.has(device);
  }

  /** Starts no more devices. What runs is finished. */
  pause(): void {
    this.#plan.pause();
    void this.#save();
    this.#advance();
  }

  /** Goes on after `pause`, or after failures have stopped it. */
  resume(): void {
    this.#goOn();
    void this.#save();
    this.#advance();
  }

  /**
   * Tries again with devices that have ended without success, and goes on where failures have stopped the job. Where there
   * are none, nothing changes.
   *
   * @param devices all of them when it is left out
   * @returns those with which it begins anew
   */
  retry(devices?: readonly string[]): string[] {
    const meant = devices && new Set(devices);
    const again = this.#ledger
      .all()
      .filter((update) => mayRetry(update) && (meant?.has(update.device) ?? true))
      .map(({ device }) => device)
      .filter((device) => this.#hasEnded(device));
    if (again.length === 0) return [];
    for (const device of again) this.#task.allowAgain(device);
    this.#goOn();
    this.#again(again);
    void this.#save();
    return again;
  }

  /**
   * Cancels one device or all. A device to which something was sent is no longer watched: what it does is not known then, so
   * it stays locked until it is shown to have restarted.
   *
   * @returns the devices to which nothing was sent, and the others
   * @throws {HomieError} INVALID_SETTING when the device is not part of the job
   */
  cancel(device?: string): { unsent: string[]; sent: string[] } {
    if (device !== undefined && !this.#ledger.has(device)) {
      throw new HomieError('INVALID_SETTING', `${device} is not part of job ${this.id}.`, {
        hint: 'Leave msg.device out to cancel the whole job.',
      });
    }
    const meant = device === undefined ? this.#open() : [device].filter((each) => this.#isOpen(each));
    const sent = meant.filter((each) => this.#isUnderWay(each));
    const unsent = meant.filter((each) => !this.#isUnderWay(each));
    if (device === undefined) this.cancelUnsent();
    else for (const each of meant) this.#stop(each, { state: 'canceled' });
    for (const each of sent) this.#leaves.get(each)?.abort();
    return { unsent, sent };
  }

  /** Cancels the devices to which nothing was sent, and sends nothing again to the others, which are watched on. */
  cancelUnsent(): void {
    this.#canceled = true;
    this.close();
    for (const device of this.#open()) this.#stop(device, { state: 'canceled' });
  }

  /** Whether it has a device, or will take it in when it appears. */
  claims(id: string): boolean {
    const device = this.#task.broker.registry.get(id);
    const listens = this.#settings.continuous && !this.#closed;
    return this.#ledger.has(id) || (listens && device !== undefined && this.#task.admits(device));
  }

  /** Resolves when the job does nothing with a device. */
  async served(device: string): Promise<void> {
    await this.#serving.get(device);
  }

  /** Gives up devices that wait, because another job takes them. Resolves when they are free. */
  async handOver(devices: readonly string[]): Promise<string[]> {
    const waiting = new Set(this.waiting);
    const given = devices.filter((device) => waiting.has(device));
    for (const device of given) this.#stop(device, { state: 'canceled', reason: 'superseded' });
    await Promise.all(given.map((device) => this.served(device)));
    return given;
  }

  /** Takes in no device that appears later. */
  close(): void {
    this.#closed = true;
    this.#deafen();
    void this.#save();
    this.#advance();
  }

  /** Resolves when nothing more will come of a job that has ended: no device is watched on. */
  async afterwards(): Promise<void> {
    await Promise.all(this.#late);
  }

  /**
   * Stops watching, because the node is closed. A device whose update is under way stays locked until it connects anew.
   *
   * @param keep leaves the devices as they are written down, so that a later job goes on with them
   */
  async abandon(keep = false): Promise<void> {
    this.#kept = keep;
    this.#abandon.abort();
    this.#callOff();
    await Promise.all([...this.#serving.values(), ...this.#late]);
  }

  #throwIfKept(): void {
    if (this.#kept) this.#abandon.signal.throwIfAborted();
  }

  /** ms since it began, until nothing was left to do. */
  get #elapsed(): number {
    return (this.#rest === 'done' ? this.#restedAt : this.#clock.now()) - this.#begunAt;
  }

  /** All that waits is waited for from now on. */
  #goOn(): void {
    this.#plan.resume(this.#clock.now());
    for (const device of this.#open()) this.#ledger.touch(device);
  }

  #setFlight(device: string, flight: unknown): void {
    if (flight === undefined) this.#flights.delete(device);
    else this.#flights.set(device, flight);
    this.#ledger.touch(device);
  }

  #deviceState(entry: Entry): DeviceState {
    const flight = this.#flights.get(entry.device);
    const since = isEnd(entry.state) ? undefined : this.#plan.since(entry.device);
    return {
      entry,
      ...(flight !== undefined && { flight }),
      ...(this.#unasked.has(entry.device) && { unasked: true }),
      ...(since !== undefined && { since: Math.round(since - this.#begunAt) }),
    };
  }

  /** A device that was in flight runs on, whatever its state: it holds its place until it is judged. */
  #waits(devices: readonly DeviceState[]): { device: string; state: State; since: number }[] {
    return devices.map(({ entry: { device, state }, flight, since }) => ({
      device,
      state: flight === undefined && state === 'running' ? 'queued' : flight === undefined ? state : 'running',
      since: since === undefined ? this.#clock.now() : this.#begunAt + since,
    }));
  }

  #open(): string[] {
    return this.#ledger
      .all()
      .filter(({ state }) => !isFinal(state))
      .map(({ device }) => device);
  }

  #isOpen(device: string): boolean {
    const known = this.#ledger.get(device);
    return known !== undefined && !isFinal(known.state);
  }

  #isUnderWay(device: string): boolean {
    return this.#sent.has(device) || (this.#ledger.get(device)?.attempt ?? 0) > 0;
  }

  #add(devices: readonly string[]): void {
    this.#admitted = true;
    const isExcluded = matchAny(this.#settings.exclude);
    const fresh = devices.filter((device) => this.#plan.stage(device) === undefined);
    this.#plan.add(devices, this.#clock.now());
    for (const device of fresh) {
      this.#ledger.touch(device);
      const known = this.#ledger.get(device);
      if (known === undefined) this.#ledger.enter(device);
      // It was canceled, or another job has taken it, before the devices were found.
      if (known !== undefined && isEnd(known.state)) this.#plan.ended(device, known.state);
      else if (this.#canceled) this.#track(device, this.#end(device, { state: 'canceled' }));
      else if (isExcluded(device)) this.#track(device, this.#end(device, { state: 'skipped', reason: 'excluded' }));
      else this.#begin(device);
    }
    void this.#save();
    this.#advance();
  }

  #begin(device: string): void {
    this.#track(device, this.#serve(device));
  }

  #track(device: string, serving: Promise<void>): void {
    this.#serving.set(device, serving);
  }

  async #serve(device: string): Promise<void> {
    const [stop, leave] = [new AbortController(), new AbortController()];
    this.#stops.set(device, stop);
    this.#leaves.set(device, leave);
    const given = AbortSignal.any([stop.signal, this.#abandon.signal]);
    await this.#pace();
    const isTaken = await unlessAborted(given, this.#before(device));
    if (isTaken === true) stop.abort(new Stop({ state: 'canceled', reason: 'superseded' }));
    const abandon = AbortSignal.any([leave.signal, this.#abandon.signal]);
    const outcome =
      given.aborted && !this.#flights.has(device)
        ? stopped(stop.signal)
        : await this.#locked(device, () => this.#bring(device, stop.signal, abandon));
    this.#stops.delete(device);
    this.#leaves.delete(device);
    await this.#end(device, leave.signal.aborted ? left(outcome) : outcome);
  }

  /** Hundreds of devices at a time would hold up the event loop. */
  #pace(): Promise<void> {
    this.#begun += 1;
    if (this.#begun % AT_ONCE === 0) this.#turn = this.#turn.then(() => setImmediate());
    return this.#turn;
  }

  async #bring(device: string, stop: AbortSignal, abandon: AbortSignal): Promise<Outcome> {
    const task = this.#task;
    const hooks = this.#hooks(device, stop, abandon);
    const flight = this.#flights.get(device);
    if (flight !== undefined) {
      await unlessAborted(abandon, task.broker.locks.unorphaned(device));
      const judged = await task.judge(device, flight, hooks);
      if (judged !== 'again') return judged;
      this.#sent.delete(device);
      this.#setFlight(device, undefined);
      hooks.report({ state: 'queued' });
      void this.#save();
      this.#gate.notSent(device);
    }
    return serve(device, {
      task,
      gate: this.#gate,
      asked: hooks.asked,
      stop,
      abandon,
      report: hooks.report,
      exchange: () => task.exchange(device, hooks),
    });
  }

  /** One device takes one job at a time. */
  async #locked(device: string, work: () => Promise<Outcome>): Promise<Outcome> {
    const { locks } = this.#task.broker;
    try {
      if (this.#flights.has(device)) locks.takeUp(device, this.id);
      else locks.acquire(device, this.id, this.#task.stages);
    } catch (error) {
      if (error instanceof HomieError) return { state: 'rejected', error };
      throw error;
    }
    try {
      return await work();
    } finally {
      locks.release(device, this.id);
    }
  }

  #hooks(device: string, cancel: AbortSignal, abandon: AbortSignal): Hooks<unknown> {
    return {
      job: this.id,
      mayBegin: () => this.#plan.maySend && this.#opening.isOpen,
      handedOver: () => void this.#sent.add(device),
      cancel,
      abandon,
      asked: !this.#unasked.has(device),
      report: (change) => {
        const update = this.#ledger.change(device, change);
        if (update !== undefined) this.emit('progress', update);
      },
      begin: async (flight) => {
        this.#setFlight(device, flight);
        await this.#save();
      },
      unsent: () => {
        this.#sent.delete(device);
        this.#setFlight(device, undefined);
        void this.#save();
      },
      watchOn: (late) => {
        this.#late.push(this.#tellLate(device, late));
      },
    };
  }

  async #end(device: string, outcome: Outcome): Promise<void> {
    // After a restart it is judged by what is written down.
    if (this.#kept) return;
    const known = this.#task.broker.registry.get(device);
    const update = this.#ledger.end(device, outcome, known && runningFirmware(known));
    if (update === undefined) return;
    this.#sent.delete(device);
    this.#setFlight(device, undefined);
    // Written down first: a result may be missed when the process ends just now, but it never comes twice.
    await this.#task.ended(device, update, this.#resumed.delete(device));
    await this.#save();
    this.emit('progress', update);
    this.emit('result', update);
    const isCanary = this.#plan.ended(device, outcome.state);
    this.#advance();
    if (isCanary) await this.#watchCanary(device);
  }

  async #tellLate(device: string, late: Promise<Outcome | undefined>): Promise<void> {
    const outcome = await late;
    const update = outcome && this.#ledger.late(device, outcome);
    if (update !== undefined) this.emit('progress', update);
  }

  async #watchCanary(device: string): Promise<void> {
    const { broker } = this.#task;
    const soaking = { broker, device, clock: this.#clock, soak: this.#settings.soak, job: this.id };
    const end = await soakLocked(soaking, this.#abandon.signal, this.#soaks.signal);
    if (end === 'stayed') this.#plan.soaked(device);
    else if (end === 'spoiled') this.#plan.spoiled(device);
    else if (end === 'dozed') this.#plan.dozed(device);
    else return;
    void this.#save();
    this.#advance();
  }

  #stop(device: string, outcome: Outcome): void {
    if (this.#admitted) this.#stops.get(device)?.abort(new Stop(outcome));
    else this.#track(device, this.#end(device, outcome));
  }

  /** Why a device was waited for in vain. */
  #inVain(device: string): HomieError {
    const isThere = this.#task.readyAt(device) !== undefined;
    return isThere && !this.#opening.isOpen ? new HomieError('WINDOW_CLOSED') : this.#task.missing(device);
  }

  /** Sees to what is due, once for all that happens at a time. */
  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    queueMicrotask(() => {
      this.#advancing = false;
      this.#look();
    });
  }

  #look(): void {
    this.#callOff();
    if (!this.#admitted) return;
    if (!this.#abandon.signal.aborted) this.#doWhatIsDue();
    this.#comeToRest();
  }

  #doWhatIsDue(): void {
    const now = this.#clock.now();
    const { start, expired, wakeAt = Number.POSITIVE_INFINITY } = this.#plan.due(now, this.#opening.isOpen);
    for (const device of start) {
      this.#ledger.touch(device);
      this.#turns.get(device)?.abort();
      this.#turns.delete(device);
    }
    for (const device of expired) this.#stop(device, { state: 'timed_out', error: this.#inVain(device) });
    const wake = Math.min(wakeAt, this.#plan.isDone ? Number.POSITIVE_INFINITY : now + this.#opening.lookAgainIn);
    if (Number.isFinite(wake)) this.#callOff = this.#clock.at(wake, () => this.#look());
  }

  #comeToRest(): void {
    const rest = this.#plan.isDone ? 'done' : this.#plan.mode === 'stopped' ? 'stopped' : 'not';
    if (rest === this.#rest) return;
    if (rest === 'done') this.#restedAt = this.#clock.now();
    this.#rest = rest;
    if (this.isEnded) {
      this.#soaks.abort();
      this.#soaks = new AbortController();
      this.#deafen();
    }
    if (rest !== 'not') void this.#tellRest();
  }

  /** Written down first: a summary may be missed when the process ends just now, but it never comes twice. */
  async #tellRest(): Promise<void> {
    const summary = this.summary();
    await this.#save();
    this.emit('rest', summary);
  }

  /** A continuous job hears of devices that appear, or that show another firmware. */
  #listen(): void {
    if (!this.#settings.continuous || this.#closed) return;
    const { registry } = this.#task.broker;
    const hear = (device: string, { attribute }: DeviceEvent): void => {
      if (attribute === 'state' || attribute === 'fwName' || attribute === 'checksum') this.#hear(device);
    };
    registry.on('event', hear);
    this.#deafen = () => registry.off('event', hear);
    this.#abandon.signal.addEventListener('abort', this.#deafen, { once: true });
  }

  #hear(id: string): void {
    const device = this.#task.broker.registry.get(id);
    if (!this.#admitted || device === undefined || !this.#task.admits(device)) return;
    const known = this.#ledger.get(id);
    if (known === undefined) {
      this.#unasked.add(id);
      this.#add([id]);
    } else if (this.#hasEnded(id) && this.#task.readyAt(id) !== undefined && this.#task.isWorthAnotherLook(known)) {
      // What another job is doing with it does not concern this one; the device is heard of again.
      if (this.#task.broker.locks.holder(id) === undefined) this.#again([id]);
    }
  }

  /** Begins anew with devices that have ended. */
  #again(devices: readonly string[]): void {
    for (const device of devices) {
      this.#unasked.add(device);
      this.#ledger.enter(device);
    }
    this.#plan.again(devices, this.#clock.now());
    for (const device of devices) this.#begin(device);
    this.#advance();
  }

  /** Whether the plan knows, too, that a device has ended, and it is not watched as a canary. */
  #hasEnded(device: string): boolean {
    const stage = this.#plan.stage(device);
    return stage !== undefined && isEnd(stage) && !this.#plan.soaking.includes(device);
  }
}

/** How a device ends that was no longer watched because of a cancel. */
function left(outcome: Outcome): Outcome {
  if (outcome.state !== 'failed' || outcome.error.code !== 'ABANDONED') return outcome;
  const { config } = outcome;
  return { state: 'canceled', reason: 'already_sent', hint: ALREADY_SENT, ...(config && { config }) };
}

const ALREADY_SENT =
  'It was sent before the cancel, so the device may still take it. The device takes no other job until it is seen to have restarted.';

/** What failed, was not reached or refused; and what is held, since only the user can let it go. */
function mayRetry({ state, reason }: Update): boolean {
  return state === 'failed' || state === 'timed_out' || state === 'rejected' || reason === 'held';
}
