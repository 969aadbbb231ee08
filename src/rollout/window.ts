import { DAY, type Window } from '../settings/times';
import type { Clock } from './clock';

const MINUTE = 60_000;

/** How often to read the wall clock, in ms, since it may jump. */
const LOOK_AGAIN = MINUTE;

/** A time window on the wall clock. Always open if no window is given. */
export class Opening {
  readonly #window: Window | undefined;
  readonly #clock: Clock;
  /** The next opening as found in a minute of the wall clock: thousands of devices may ask. */
  #found: { readonly minute: number; readonly opening: Date } | undefined;

  constructor(window: Window | undefined, clock: Clock) {
    this.#window = window;
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#window === undefined || isOpen(this.#window, this.#clock.date());
  }

  /** When the window opens next; now if it is open. */
  get next(): Date {
    const date = this.#clock.date();
    if (this.#window === undefined || this.isOpen) return date;
    const minute = Math.floor(date.getTime() / MINUTE);
    if (this.#found?.minute !== minute) this.#found = { minute, opening: nextOpening(this.#window, date) };
    return this.#found.opening;
  }

  /** When to look again, in ms from now: at the next opening, and at least once a minute. */
  get lookAgainIn(): number {
    if (this.#window === undefined) return Number.POSITIVE_INFINITY;
    const opening = this.next.getTime() - this.#clock.date().getTime();
    return opening > 0 ? Math.min(opening, LOOK_AGAIN) : LOOK_AGAIN;
  }
}

/** Returns whether a window is open at a time, in local time. A span may extend past midnight. */
function isOpen(window: Window, at: Date): boolean {
  const minute = at.getHours() * 60 + at.getMinutes();
  return window.some(({ from, to }) => (from < to ? minute >= from && minute < to : minute >= from || minute < to));
}

/** Returns when the window is open next; `at` if it is open. Tries each minute, to be right when the clock changes. */
function nextOpening(window: Window, at: Date): Date {
  if (isOpen(window, at)) return at;
  let time = Math.floor(at.getTime() / MINUTE) * MINUTE;
  for (let minutes = 0; minutes < 3 * DAY; minutes += 1) {
    time += MINUTE;
    if (isOpen(window, new Date(time))) return new Date(time);
  }
  // Not reached: each span occurs within three days, even if the clock skips an hour.
  return new Date(time);
}
