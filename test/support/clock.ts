import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../src/rollout/clock';

interface Alarm {
  readonly time: number;
  readonly ring: () => void;
}

/** A clock that stands still until a test moves it on, so that hours pass at once. */
export class TestClock implements Clock {
  /** What the wall clock showed when `now()` was 0. */
  #start: number;
  readonly #alarms = new Set<Alarm>();
  #now = 0;

  /** @param start what the wall clock shows at first */
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

  /** When the next alarm rings, in ms of `now()`; Infinity when none is set. */
  get next(): number {
    return Math.min(...[...this.#alarms].map(({ time }) => time));
  }

  /** Moves on to a time in ms of `now()`, which must be finite. Alarms ring on the way, one after the other, and what they bring about comes first. */
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

  /** Moves on by so many ms. */
  async pass(ms: number): Promise<void> {
    await this.to(this.#now + ms);
  }
}
