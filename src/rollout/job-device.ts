import { runningFirmware } from '../homie/device';
import { isFinal, type Outcome, type Update } from '../update/update';
import { unlessAborted } from '../unless-aborted';
import { DeviceTurn } from './device-turn';
import { canceledLate, changed, ended, endedLate, isBetween, mayRetry, queued, restored, type Entry } from './entry';
import type { StoredDevice } from './job-state';
import type { Lifetime } from './lifetime';
import { Preparation } from './preparation';
import type { Schedule } from './schedule';
import { judgeInFlight, serveDevice, Stop, stopped } from './serve';
import type { Hooks, Task } from './task';

/** What the parts of a job share. */
export interface JobContext {
  /** The id of the job. */
  readonly job: string;
  readonly task: Task<unknown>;
  readonly lifetime: Lifetime;
  readonly schedule: Schedule;
  /** The devices that have changed since changes were last stored. */
  readonly touched: Set<JobDevice>;
  /** Resolves when one more device may start. */
  readonly pace: () => Promise<void>;
  /** Resolves when no other job must finish the device first: with true if another job keeps the device. */
  readonly before: (device: string) => Promise<boolean>;
  /** Stores the job. Resolves when it is stored or cannot be: with whether it is on the disk. Does not reject. */
  readonly save: () => Promise<boolean>;
  readonly emit: (event: 'progress' | 'result', update: Update) => void;
  /** Called when the job shows these devices otherwise than before; all devices by default. */
  readonly changed: (devices?: readonly string[]) => void;
  /** Observes a canary. */
  readonly observe: (canary: Update) => Promise<void>;
}

/** One device of a job: keeps its record and what was sent to it, and serves it. */
export class JobDevice {
  readonly id: string;
  readonly #context: JobContext;
  readonly #turn: DeviceTurn;
  #entry: Entry;
  /** What was published and has no result yet. */
  #flight: unknown;
  readonly #preparation: Preparation;
  /** Whether something was handed to the socket. */
  #isSent = false;
  /** Whether the user requested this device; false when the job found it later or tries it again. */
  #isAsked = true;
  /** Whether the device had not ended when an earlier process did. */
  #isResumed = false;
  /**
   * `stop` ends the device if nothing was sent; `leave` stops observing it even if something was. Undefined unless the
   * device is being served.
   */
  #signals: { readonly stop: AbortController; readonly leave: AbortController } | undefined;
  #serving: Promise<void> | undefined;

  /** @param state the state from before a restart */
  constructor(id: string, context: JobContext, state?: StoredDevice) {
    this.id = id;
    this.#context = context;
    this.#turn = new DeviceTurn(id, context.schedule, () => this.touch());
    const store = (): Promise<boolean> => {
      this.touch();
      return context.save();
    };
    this.#preparation = new Preparation(store, state?.prepared === true);
    this.#flight = state?.flight;
    this.#isSent = this.#flight !== undefined;
    this.#isAsked = state?.unasked !== true;
    this.#entry = state === undefined ? this.#fresh : { ...restored(state.entry, this.#isSent), job: context.job };
    this.touch();
  }

  /** The update to report. */
  get update(): Update {
    return this.#updateOf(this.#entry);
  }

  get hasEnded(): boolean {
    return isFinal(this.#entry.state);
  }

  /** Whether something was sent to the device. */
  get isUnderWay(): boolean {
    return this.#isSent || this.#entry.attempt > 0;
  }

  /** Whether what was sent to the device may still take effect. */
  get isInFlight(): boolean {
    return this.#isSent || this.#context.task.mayHaveTaken?.(this.id) === true;
  }

  /**
   * Whether the device failed, timed out or was rejected; or was held back or skipped after a stopped rollout, which
   * only the user can override.
   */
  get mayRetry(): boolean {
    return mayRetry(this.#entry);
  }

  /** The state to store. */
  get state(): StoredDevice {
    const { task, schedule, lifetime } = this.#context;
    const mayHaveSent = this.#preparation.isToStore(lifetime.kept.aborted, () =>
      task.broker.locks.isRebootPending(this.id),
    );
    const wait = this.hasEnded ? undefined : schedule.plan.wait(this.id);
    return {
      entry: this.#entry,
      ...(this.#flight === undefined ? mayHaveSent && { prepared: true } : { flight: this.#flight }),
      ...(!this.#isAsked && { unasked: true }),
      ...(wait !== undefined && ('since' in wait ? { since: lifetime.offsetOf(wait.since) } : wait)),
    };
  }

  /** Resolves when the device is not being served. */
  async served(): Promise<void> {
    await this.#serving;
  }

  /** Marks the device to be stored again. */
  touch(): void {
    this.#context.touched.add(this);
    this.#context.changed([this.id]);
  }

  /** Waits for the device, and serves it. */
  begin(): void {
    this.#serving = this.#serve();
  }

  /** Continues the device in a new process. */
  restart(): void {
    this.#isResumed = true;
    this.begin();
  }

  /** Observes the device as a canary. */
  observe(): void {
    this.#serving = this.#context.observe(this.update);
  }

  /** Forgets how the device ended, so that the job can try it again. */
  renew(): void {
    this.#isAsked = false;
    this.#set(this.#fresh);
  }

  /** Records that the job found the device later, without a request from the user. */
  markUnasked(): void {
    this.#isAsked = false;
    this.touch();
  }

  /** Gives the device its turn. */
  takeTurn(): void {
    this.#turn.come();
  }

  /** Ends the device with this outcome if nothing was sent to it; otherwise sends nothing more to it. */
  stop(outcome: Outcome): void {
    if (this.#serving === undefined) this.#serving = this.#end(outcome);
    else this.#signals?.stop.abort(new Stop(outcome));
  }

  /** Marks the device to be stored for a later process. */
  keep(): void {
    if (this.#preparation.isMade) this.touch();
  }

  /** Stops observing the device, even if something was sent to it. */
  leave(): void {
    this.#signals?.leave.abort();
  }

  async #serve(): Promise<void> {
    const { job, task, lifetime, pace, before } = this.#context;
    const { abandoned } = lifetime;
    const [stop, leave] = [new AbortController(), new AbortController()];
    this.#signals = { stop, leave };
    const given = AbortSignal.any([stop.signal, abandoned]);
    await pace();
    const isTaken = await unlessAborted(given, before(this.id));
    if (isTaken === true) stop.abort(new Stop({ state: 'canceled', reason: 'superseded' }));
    try {
      const outcome =
        given.aborted && this.#flight === undefined
          ? stopped(stop.signal)
          : await this.#bring(stop.signal, AbortSignal.any([leave.signal, abandoned]));
      this.#signals = undefined;
      const isOpen = outcome.state === 'canceled' && task.mayHaveTaken?.(this.id) === true;
      await this.#end(canceledLate(outcome, { wasLeft: leave.signal.aborted, isOpen }));
    } finally {
      task.broker.locks.release(this.id, job);
    }
  }

  async #bring(cancel: AbortSignal, abandon: AbortSignal): Promise<Outcome> {
    const { job, task } = this.#context;
    const input = { task, turn: this.#turn, hooks: this.#hooks(cancel, abandon) };
    if (this.#flight !== undefined) {
      const judged = await judgeInFlight(this.id, this.#flight, input);
      if (judged !== 'again') return judged;
      input.hooks.report({ state: 'queued' });
      input.hooks.unsent();
      task.broker.locks.release(this.id, job);
      input.turn.notSent();
    }
    return serveDevice(this.id, input);
  }

  #hooks(cancel: AbortSignal, abandon: AbortSignal): Hooks<unknown> {
    const { job, task, schedule, lifetime, save, emit } = this.#context;
    return {
      job,
      mayBegin: () => schedule.maySend,
      handedOver: () => void (this.#isSent = true),
      cancel,
      abandon,
      asked: this.#isAsked,
      report: (change) => emit('progress', this.#set(changed(this.#entry, change))),
      prepare: () => void this.#preparation.make(task.broker.registry.get(this.id)),
      unprepare: () => this.#preparation.undo(),
      begin: async (flight) => {
        const isPrepared = this.#preparation.use();
        this.#flight = flight;
        this.touch();
        const saved = save();
        if (!isPrepared) await saved;
        return isPrepared;
      },
      unsent: () => {
        this.#land();
        void save();
      },
      watchOn: (late) => lifetime.willReport(this.#reportLate(late)),
    };
  }

  async #end(outcome: Outcome): Promise<void> {
    const { job, task, lifetime, schedule, save, emit, observe } = this.#context;
    // A later process judges the device by the stored state.
    if (lifetime.kept.aborted) return;
    const known = task.broker.registry.get(this.id);
    const entry = ended(this.#entry, outcome, known && runningFirmware(known));
    const update = this.#set({ ...entry, duration: lifetime.elapsed });
    this.#land();
    const wasResumed = this.#isResumed;
    this.#isResumed = false;
    // Stored before it is reported: if the process ends in between, a result may be lost, but never reported twice.
    await task.ended(this.id, update, wasResumed);
    await save();
    const isCanary = schedule.plan.ended(this.id, outcome.state, update.error?.code);
    // The plan must know its canaries and failures after a restart, too.
    if (isCanary || 'error' in outcome) await save();
    // A canary stays locked until it has been observed, so that no other job reboots it.
    if (!isCanary) task.broker.locks.release(this.id, job);
    emit('progress', update);
    emit('result', update);
    schedule.advance();
    if (isCanary) await observe(update);
  }

  async #reportLate(late: Promise<Outcome | undefined>): Promise<void> {
    const { task, emit } = this.#context;
    const outcome = await late;
    if (outcome === undefined) return;
    const update = this.#updateOf(endedLate(this.#entry, outcome));
    // While a retry has not ended, the history waits for its result.
    if (this.hasEnded) await task.ended(this.id, update, false);
    emit('progress', update);
  }

  /** Records that nothing is in flight any more. */
  #land(): void {
    this.#isSent = false;
    this.#flight = undefined;
    this.#preparation.end();
    this.touch();
  }

  get #fresh(): Entry {
    const { job, task, lifetime } = this.#context;
    return queued({ job, device: this.id, startedAt: lifetime.startedAt }, task.initial);
  }

  #set(entry: Entry): Update {
    this.#entry = entry;
    if (entry.config !== undefined) this.#turn.between(isBetween(entry));
    this.touch();
    return this.update;
  }

  #updateOf(entry: Entry): Update {
    const { lifetime, schedule } = this.#context;
    const duration = Math.round(entry.duration ?? lifetime.elapsed);
    const reason = entry.state === 'queued' ? schedule.holdOf(this.id, isBetween(entry)) : undefined;
    return reason === undefined ? { ...entry, duration } : { ...entry, state: 'waiting', reason, duration };
  }
}
