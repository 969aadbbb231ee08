import { HomieError } from '../errors';
import { reportError, type Hold, type Summary } from '../update/update';
import type { Clock } from './clock';
import type { Due, Plan } from './plan';
import type { Window } from '../settings/times';
import { Opening } from './window';

/** Runs a plan on a clock: looks at what is due after each change, and again when more becomes due. */
export class Schedule {
  readonly plan: Plan;
  readonly #opening: Opening;
  readonly #clock: Clock;
  readonly #look: () => void;
  #callOff: () => void = () => undefined;
  #isLookDue = false;

  /** @param look called when something may be due */
  constructor(plan: Plan, window: Window | undefined, clock: Clock, look: () => void) {
    this.plan = plan;
    this.#opening = new Opening(window, clock);
    this.#clock = clock;
    this.#look = look;
  }

  /** Whether the time window is open. */
  get isOpen(): boolean {
    return this.#opening.isOpen;
  }

  /** Whether something may still be sent to a device that has its turn. */
  get maySend(): boolean {
    return this.plan.holds.maySend && this.isOpen;
  }

  /** What keeps available devices from starting. */
  get hold(): Hold | undefined {
    return this.plan.hold(this.isOpen);
  }

  /** Returns what keeps a queued device from starting, or, `between` two steps of a change, from the next step. */
  holdOf(device: string, between: boolean): Hold | undefined {
    return this.plan.waits(device) || (between && !this.maySend) ? this.hold : undefined;
  }

  /** When the time window opens next; now if it is open. */
  get opensAt(): Date {
    return this.#opening.next;
  }

  /** What a job that has not ended is doing or waiting for. */
  get standing(): Pick<Summary, 'stage' | 'opensAt' | 'error'> & { readonly state?: 'paused' | 'stopped' } {
    const { mode, stopReason, soaking, inCanary } = this.plan.holds;
    if (mode === 'stopped') {
      const error = new HomieError(stopReason === 'canary' ? 'CANARY_UNSTABLE' : 'ROLLOUT_STOPPED');
      return { state: 'stopped', error: reportError(error) };
    }
    if (mode === 'paused') return { state: 'paused' };
    if (!this.isOpen) return { stage: 'window', opensAt: this.opensAt.toISOString() };
    return { stage: soaking.length > 0 ? 'soaking' : inCanary ? 'canary' : 'rollout' };
  }

  /** Changes the plan, then looks at what is due. */
  apply(change: (plan: Plan, now: number) => void): void {
    change(this.plan, this.#clock.now());
    this.advance();
  }

  /** Looks at what is due, once for all changes in the same turn of the event loop. */
  advance(): void {
    if (this.#isLookDue) return;
    this.#isLookDue = true;
    queueMicrotask(() => {
      this.#isLookDue = false;
      this.#look();
    });
  }

  /** Returns what is due now, and schedules the next look. */
  due(): Due {
    const now = this.#clock.now();
    const due = this.plan.due(now, this.isOpen);
    const wakeAt = due.wakeAt ?? Number.POSITIVE_INFINITY;
    const wake = Math.min(wakeAt, this.plan.isDone ? Number.POSITIVE_INFINITY : now + this.#opening.lookAgainIn);
    if (Number.isFinite(wake)) this.#callOff = this.#clock.at(wake, this.#look);
    return due;
  }

  /** Cancels the next scheduled look. */
  callOff(): void {
    this.#callOff();
  }
}
