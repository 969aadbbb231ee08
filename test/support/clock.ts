import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../src/rollout/clock';

interface Alarm {
  readonly time: number;
  readonly ring: () => void;
}

/** A clock that stands still until a test advances it, so that hours pass in no time. */
export class TestClock implements Clock {
  /** Wall-clock time at which `now()` was 0, in ms since the epoch. */
  #start: number;
  readonly #alarms = new Set<Alarm>();
  #now = 0;

  /** @param start initial wall-clock time */
  constructor(start: Date | string = '2026-05-04T12:00:00Z') {
    this.#start = new Date(start).getTime();
  }

  now(): number {
    return this.#now;
  }

  date(): Date {
    return new Date(this.#start + this.#now);
  }

  /** Sets the wall clock. */
  set(date: string): void {
    this.#start = new Date(date).getTime() - this.#now;
  }

  at(time: number, callback: () => void): () => void {
    const alarm = { time, ring: callback };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  /** Time of the next alarm in ms of `now()`; Infinity if none is set. */
  get next(): number {
    return Math.min(...[...this.#alarms].map(({ time }) => time));
  }

  /**
   * Advances to a time in ms of `now()`. Rings the alarms on the way one by one, and lets their effects happen in
   * between.
   * @throws {RangeError} for an infinite time
   */
  async to(time: number): Promise<void> {
    if (!Number.isFinite(time)) throw new RangeError('No alarm is set');
    for (let next = this.next; next <= time; next = this.next) {
      this.#now = Math.max(this.#now, next);
      for (const alarm of this.#alarms) {
        if (alarm.time > next || !this.#alarms.delete(alarm)) continue;
        alarm.ring();
        break;
      }
      await turn();
    }
    this.#now = Math.max(this.#now, time);
  }

  /** Advances by a duration in ms. */
  async pass(ms: number): Promise<void> {
    await this.to(this.#now + ms);
  }
}
