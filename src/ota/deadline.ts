import type { DeviceObserver } from '../homie/device-observer';

/**
 * The time until which we wait for a device, on the clock of the observer. It moves with what the device does, but
 * never past a final limit.
 */
export class Deadline {
  readonly #observer: DeviceObserver;
  readonly #last: number;
  #at: number;

  /**
   * @param within ms from now, as in `set`
   * @param atMost ms from now to the final limit
   */
  constructor(observer: DeviceObserver, within: number, atMost: number) {
    this.#observer = observer;
    this.#last = observer.clock() + atMost;
    this.#at = this.#in(within);
  }

  get at(): number {
    return this.#at;
  }

  get isReached(): boolean {
    return this.#observer.clock() >= this.#at;
  }

  /** Whether the final limit has been reached: the wait ends, whatever the device does. */
  get isFinal(): boolean {
    return this.#observer.clock() >= this.#last;
  }

  /** Sets the deadline to `ms` from now. */
  set(ms: number): void {
    this.#at = this.#in(ms);
  }

  /** Allows at least `ms` from now, within the final limit. */
  extend(ms: number): void {
    this.#at = Math.max(this.#at, this.#in(ms));
  }

  /** Allows at most `ms` from now. */
  shorten(ms: number): void {
    this.#at = Math.min(this.#at, this.#in(ms));
  }

  #in(ms: number): number {
    return Math.min(this.#observer.clock() + ms, this.#last);
  }
}
