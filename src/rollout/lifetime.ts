import { setMaxListeners } from 'node:events';
import type { Clock } from './clock';
import type { JobState } from './job-state';
import type { Idle } from './plan';

/** How long a job has run, whether anything is left to do by its last report, and whether it was abandoned. */
export class Lifetime {
  /** ISO 8601. */
  readonly startedAt: string;
  readonly #clock: Clock;
  /** Both in ms on the clock. The time of the job stops while nothing is left to do. */
  readonly #begunAt: number;
  #stoppedAt: number | undefined;
  #idle: Idle;
  /** Reports that are still to come: late outcomes, and that nothing is left to do. */
  readonly #unreported = new Set<Promise<void>>();
  readonly #abandon = new AbortController();
  readonly #keep = new AbortController();
  readonly #failure = new AbortController();
  /** Aborted when the job has no summary for whoever waits: it is kept, or has failed; then with the error. */
  readonly over = AbortSignal.any([this.#keep.signal, this.#failure.signal]);

  /** @param state of a job that an earlier process began; the wall clock may have been set back since */
  constructor(clock: Clock, state?: JobState) {
    this.#clock = clock;
    const now = clock.date();
    const { startedAt = now.toISOString(), elapsed = 0, idle = 'no' } = state ?? {};
    this.startedAt = startedAt;
    this.#begunAt = clock.now() - (Math.max(elapsed, now.getTime() - Date.parse(startedAt)) || elapsed);
    if (idle === 'done') this.#stoppedAt = this.#begunAt + elapsed;
    this.#idle = idle;
    // As many listen as devices are served at once.
    setMaxListeners(0, this.abandoned, this.over);
  }

  /** ms since the job began, until nothing was left to do. */
  get elapsed(): number {
    return (this.#stoppedAt ?? this.#clock.now()) - this.#begunAt;
  }

  /** ms since nothing is left to do; 0 while something is. */
  get idleFor(): number {
    return this.#stoppedAt === undefined ? 0 : this.#clock.now() - this.#stoppedAt;
  }

  /** Whether anything is left to do, by the last report. */
  get idle(): Idle {
    return this.#idle;
  }

  /** Aborted when the devices are no longer watched. */
  get abandoned(): AbortSignal {
    return this.#abandon.signal;
  }

  /** Aborted when the job is abandoned for a later job to continue it. */
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

  /** @returns whether this differs from the last report */
  notice(idle: Idle): boolean {
    if (idle === this.#idle) return false;
    this.#idle = idle;
    this.#stoppedAt = idle === 'done' ? this.#clock.now() : undefined;
    return true;
  }

  /** Waits for a report before the job is closed. */
  willReport(telling: Promise<void>): void {
    this.#unreported.add(telling);
    void telling.finally(() => this.#unreported.delete(telling));
  }

  /** Resolves when nothing is left to report. */
  async allReported(): Promise<void> {
    await Promise.all(this.#unreported);
  }

  /** The devices cannot be found. */
  fail(error: unknown): void {
    this.#failure.abort(error);
  }

  abandon(keep: boolean): void {
    if (keep) this.#keep.abort();
    this.#abandon.abort();
  }
}
