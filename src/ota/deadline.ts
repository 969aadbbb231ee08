import type { DeviceObserver } from '../homie/device-observer';

/** Until when a device is waited for. It moves with what the device does, up to a last moment. On the clock of the observer. */
export class Deadline {
  readonly #observer: DeviceObserver;
  readonly #last: number;
  #at: number;

  /**
   * @param within ms from now, as `set` takes them
   * @param atMost ms from now to the last moment
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

  /** Whether the last moment has come: the device is waited for no longer, whatever it does. */
  get isFinal(): boolean {
    return this.#observer.clock() >= this.#last;
  }

  /** Sets the deadline to so many ms from now. */
  set(ms: number): void {
    this.#at = this.#in(ms);
  }

  /** Allows at least so many ms from now. */
  extend(ms: number): void {
    this.#at = Math.max(this.#at, this.#in(ms));
  }

  /** Allows at most so many ms from now. */
  shorten(ms: number): void {
    this.#at = Math.min(this.#at, this.#in(ms));
  }

  #in(ms: number): number {
    return Math.min(this.#observer.clock() + ms, this.#last);
  }
}
