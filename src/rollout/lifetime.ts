import { setMaxListeners } from 'node:events';
import type { Clock } from './clock';
import type { JobState } from './job-state';
import type { IdleState } from './plan';

/**
 * The lifetime of a job: its duration, the idle state that was last reported, and whether it was abandoned or failed.
 */
export class Lifetime {
  /** ISO 8601. */
  readonly startedAt: string;
  readonly #clock: Clock;
  /** `#begunAt` and `#stoppedAt` are in ms on the clock. The duration does not grow while nothing is left to do. */
  readonly #begunAt: number;
  #stoppedAt: number | undefined;
  #idle: IdleState;
  /** Pending reports: late outcomes, and that nothing is left to do. */
  readonly #unreported = new Set<Promise<void>>();
  readonly #abandon = new AbortController();
  readonly #keep = new AbortController();
  readonly #failure = new AbortController();
  /** Aborted when no summary will come: the job is kept for a later job, or has failed (the reason is the error). */
  readonly over = AbortSignal.any([this.#keep.signal, this.#failure.signal]);

  /** @param state the state of a job that an earlier process started; the wall clock may have been set back since */
  constructor(clock: Clock, state?: JobState) {
    this.#clock = clock;
    const now = clock.date();
    const { startedAt = now.toISOString(), elapsed = 0, idle = 'no' } = state ?? {};
    this.startedAt = startedAt;
    this.#begunAt = clock.now() - (Math.max(elapsed, now.getTime() - Date.parse(startedAt)) || elapsed);
    if (idle === 'done') this.#stoppedAt = this.#begunAt + elapsed;
    this.#idle = idle;
    // Each device that is being served adds a listener.
    setMaxListeners(0, this.abandoned, this.over);
  }

  /** Duration of the job in ms: from its start until now, or until nothing was left to do. */
  get elapsed(): number {
    return (this.#stoppedAt ?? this.#clock.now()) - this.#begunAt;
  }

  /** ms for which nothing has been left to do; 0 while something is. */
  get idleFor(): number {
    return this.#stoppedAt === undefined ? 0 : this.#clock.now() - this.#stoppedAt;
  }

  /** The idle state that was last reported. */
  get idle(): IdleState {
    return this.#idle;
  }

  /** Aborted when the devices are no longer observed. */
  get abandoned(): AbortSignal {
    return this.#abandon.signal;
  }

  /** Aborted when the job is abandoned so that a later job continues it. */
  get kept(): AbortSignal {
    return this.#keep.signal;
  }

  /** Returns how long after the start of the job a time on the clock is, in ms. */
  offsetOf(time: number): number {
    return Math.round(time - this.#begunAt);
  }

  /** Returns the time on the clock at an offset from the start of the job, in ms; now if the offset is not known. */
  timeOf(offset: number | undefined): number {
    return offset === undefined ? this.#clock.now() : this.#begunAt + offset;
  }

  /** Records an idle state as reported. @returns whether it differs from the last one */
  notice(idle: IdleState): boolean {
    if (idle === this.#idle) return false;
    this.#idle = idle;
    this.#stoppedAt = idle === 'done' ? this.#clock.now() : undefined;
    return true;
  }

  /** Makes `allReported` wait for this report. */
  willReport(telling: Promise<void>): void {
    this.#unreported.add(telling);
    void telling.finally(() => this.#unreported.delete(telling));
  }

  /** Resolves when no report is pending. */
  async allReported(): Promise<void> {
    await Promise.all(this.#unreported);
  }

  /** Records that the devices cannot be found. */
  fail(error: unknown): void {
    this.#failure.abort(error);
  }

  /** @param keep whether a later job continues this one */
  abandon(keep: boolean): void {
    if (keep) this.#keep.abort();
    this.#abandon.abort();
  }
}
