import { DAY, type Window } from '../settings/times';
import type { Clock } from './clock';

const MINUTE = 60_000;

/** How often the wall clock is looked at, in ms: it may jump. */
const LOOK_AGAIN = MINUTE;

/** A time window by the wall clock. Without one it is always open. */
export class Opening {
  readonly #window: Window | undefined;
  readonly #clock: Clock;

  constructor(window: Window | undefined, clock: Clock) {
    this.#window = window;
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#window === undefined || isOpen(this.#window, this.#clock.date());
  }

  /** When it opens next: now, when it is open. */
  get next(): Date {
    const date = this.#clock.date();
    return this.#window === undefined ? date : nextOpening(this.#window, date);
  }

  /** When to look at it again, in ms from now: at its opening, and now and then. */
  get lookAgainIn(): number {
    if (this.#window === undefined) return Number.POSITIVE_INFINITY;
    const opening = this.next.getTime() - this.#clock.date().getTime();
    return opening > 0 ? Math.min(opening, LOOK_AGAIN) : LOOK_AGAIN;
  }
}

export function isOpen(window: Window, at: Date): boolean {
  const minute = at.getHours() * 60 + at.getMinutes();
  return window.some(({ from, to }) => (from < to ? minute >= from && minute < to : minute >= from || minute < to));
}

/** When the window is open next: `at` itself when it is open. Looks at each minute, so that changes of the clock are right. */
export function nextOpening(window: Window, at: Date): Date {
  if (isOpen(window, at)) return at;
  let time = Math.floor(at.getTime() / MINUTE) * MINUTE;
  for (let minutes = 0; minutes < 3 * DAY; minutes += 1) {
    time += MINUTE;
    if (isOpen(window, new Date(time))) return new Date(time);
  }
  // A span that lies within an hour that the clock leaves out, on a day of its own.
  return new Date(time);
}
