import { HomieError } from '../errors';
import { matchAny } from '../homie/pattern';
import { isFinal, type Hold } from '../update/update';
import { excluded } from './held-back';
import { JobDevice, type JobContext } from './job-device';
import type { StoredDevice, JobState } from './job-state';

/** The devices of a job, in their order. Starts and ends them according to the plan of the job. */
export class JobDevices {
  readonly #context: JobContext;
  readonly #isExcluded: (id: string) => boolean;
  readonly #devices = new Map<string, JobDevice>();
  #isAdmitted: boolean;
  #isCanceled: boolean;
  /** The hold that was last reported. */
  #hold: Hold | undefined;

  /**
   * @param exclude ids and patterns of devices to skip
   * @param state the state of a job that an earlier process started
   */
  constructor(context: JobContext, exclude: readonly string[], state?: JobState) {
    this.#context = context;
    this.#isExcluded = matchAny(exclude);
    this.#isAdmitted = state?.admitted === true;
    this.#isCanceled = state?.canceled === true;
    for (const each of state?.devices ?? []) this.enter(each.entry.device, each);
  }

  /** Whether the devices have been found. */
  get isAdmitted(): boolean {
    return this.#isAdmitted;
  }

  /** Whether all devices were canceled, including those that have not been found yet. */
  get isCanceled(): boolean {
    return this.#isCanceled;
  }

  get all(): JobDevice[] {
    return [...this.#devices.values()];
  }

  get ids(): Iterable<string> {
    return this.#devices.keys();
  }

  get size(): number {
    return this.#devices.size;
  }

  /** The devices that have not ended. */
  get open(): JobDevice[] {
    return this.all.filter(({ hasEnded }) => !hasEnded);
  }

  get(id: string): JobDevice | undefined {
    return this.#devices.get(id);
  }

  /** Returns the devices that have changed since the last call. */
  takeChanged(): JobDevice[] {
    const { touched } = this.#context;
    const changed = [...touched];
    touched.clear();
    return changed;
  }

  /** Returns the devices that ended without success and can be retried. */
  retryable(ids?: readonly string[]): JobDevice[] {
    const meant = ids && new Set(ids);
    return this.all.filter(({ id, mayRetry }) => mayRetry && (meant?.has(id) ?? true) && this.hasEnded(id));
  }

  /** Returns whether a device has ended for the plan, too, and is not observed as a canary. */
  hasEnded(id: string): boolean {
    const { plan } = this.#context.schedule;
    const stage = plan.stage(id);
    return stage !== undefined && isFinal(stage) && !plan.holds.isSoaking(id);
  }

  /** Returns a device, and makes it part of the job if it is not yet. The plan learns of it only from `add`. */
  enter(id: string, state?: StoredDevice): JobDevice {
    const device = this.#devices.get(id) ?? new JobDevice(id, this.#context, state);
    this.#devices.set(id, device);
    return device;
  }

  /** Adds devices that were found to the plan, and starts them. */
  add(ids: readonly string[]): void {
    const { schedule } = this.#context;
    this.#isAdmitted = true;
    const fresh = ids.filter((id) => schedule.plan.stage(id) === undefined);
    schedule.apply((plan, now) => plan.add(ids, now));
    for (const device of fresh.map((id) => this.enter(id))) {
      device.touch();
      const { state } = device.update;
      // The device was canceled or moved to another job before the devices were found.
      if (isFinal(state)) schedule.plan.ended(device.id, state);
      else if (this.#isCanceled) device.stop({ state: 'canceled' });
      else if (this.#isExcluded(device.id)) device.stop(excluded);
      else device.begin();
    }
  }

  /** Restarts devices that have ended. */
  again(ended: readonly JobDevice[]): void {
    const devices = ended.filter(({ id }) => !this.#isExcluded(id));
    for (const device of devices) device.renew();
    this.#context.schedule.apply((plan, now) => plan.again(idsOf(devices), now));
    for (const device of devices) device.begin();
  }

  /** Restarts devices because the user requests it, including those that were held back. */
  retry(devices: readonly JobDevice[]): void {
    for (const { id } of devices) this.#context.task.allowAgain?.(id);
    this.again(devices);
  }

  /** Continues all devices in a new process. */
  restart(): void {
    for (const device of this.open) device.restart();
    for (const id of this.#context.schedule.plan.holds.soaking) this.get(id)?.observe();
  }

  /** Resumes the plan. After a pause or stop, the time that waiting devices have to become available starts over. */
  resume(): void {
    this.#context.task.goOn?.();
    this.#context.schedule.apply((plan, now) => plan.resume(now));
    for (const device of this.open) device.touch();
  }

  /** Cancels these devices, or all; see `Job.cancel`. */
  cancel(ids?: readonly string[]): { unsent: string[]; sent: string[] } {
    const wanted = ids && new Set(ids);
    const meant = this.open.filter(({ id }) => wanted?.has(id) ?? true);
    const sent = meant.filter(({ isInFlight }) => isInFlight);
    const unsent = meant.filter((device) => !sent.includes(device));
    if (ids === undefined) this.cancelUnsent();
    else for (const device of meant) device.stop({ state: 'canceled' });
    for (const device of sent) device.leave();
    return { unsent: idsOf(unsent), sent: idsOf(sent) };
  }

  /**
   * Cancels all devices to which nothing was sent, including those that have not been found yet. The others are still
   * observed.
   */
  cancelUnsent(): void {
    this.#isCanceled = true;
    for (const device of this.open) device.stop({ state: 'canceled' });
  }

  /**
   * Cancels those of these devices to which nothing was sent, because a newer job takes them. Resolves when they are
   * free.
   */
  async handOver(ids: readonly string[]): Promise<void> {
    const wanted = new Set(ids);
    const given = this.open.filter(({ id, isUnderWay }) => wanted.has(id) && !isUnderWay);
    for (const device of given) device.stop({ state: 'canceled', reason: 'superseded' });
    await Promise.all(given.map((device) => device.served()));
  }

  /** Gives devices their turn, and ends devices that timed out. */
  doWhatIsDue(): void {
    const { start, expired } = this.#context.schedule.due();
    for (const id of start) this.get(id)?.takeTurn();
    for (const id of expired) this.get(id)?.stop({ state: 'timed_out', error: this.#inVain(id) });
    this.#reportHold();
  }

  /** Reports each waiting device when the hold that keeps it from starting changes. */
  #reportHold(): void {
    const { schedule, emit, changed } = this.#context;
    const { hold } = schedule;
    if (hold === this.#hold) return;
    this.#hold = hold;
    changed();
    const updates = this.open.map(({ update }) => update);
    for (const update of updates) if (update.reason === hold && update.state !== 'running') emit('progress', update);
  }

  #inVain(id: string): HomieError {
    const { job, task, schedule } = this.#context;
    const busy = task.broker.locks.refusalOf(id, task.stages, job);
    if (busy !== undefined) return busy;
    const isThere = task.readyAt(id) !== undefined;
    return isThere && !schedule.isOpen ? new HomieError('WINDOW_CLOSED') : task.missing(id);
  }
}

export function idsOf(devices: readonly JobDevice[]): string[] {
  return devices.map(({ id }) => id);
}
