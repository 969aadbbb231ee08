import { MAX_TIMER } from '../deadline';
import type { DeviceEvent } from './device';

/**
 * How many unread events are kept, and how many characters of text in them. If nobody reads for long, the oldest are
 * dropped.
 */
const MAX_WAITING = 1000;
const MAX_TEXT = 256 * 1024;

/** Collects the events of one device in order, so that an exchange can be written from top to bottom. */
export class DeviceWatch {
  readonly #waiting: DeviceEvent[] = [];
  /** Characters of text in the unread events. */
  #text = 0;
  readonly #closed: () => void;
  #wake: (() => void) | undefined;

  /** @param closed called when the watch ends */
  constructor(closed: () => void) {
    this.#closed = closed;
  }

  /** Adds an event. Called by the registry. */
  push(event: DeviceEvent): void {
    this.#waiting.push(event);
    this.#text += textOf(event);
    while (this.#waiting.length > MAX_WAITING || this.#text > MAX_TEXT) this.#take();
    this.#wake?.();
  }

  /**
   * Returns the next event. An event that has already arrived is returned even if `until` has passed. Allows one reader
   * at a time.
   *
   * @param until ms of `performance.now()`; may be Infinity
   * @param signal rejects with its reason when aborted
   * @returns undefined if `until` has passed
   */
  async next(until: number, signal?: AbortSignal): Promise<DeviceEvent | undefined> {
    for (;;) {
      signal?.throwIfAborted();
      const event = this.#take();
      if (event !== undefined) return event;
      const remaining = until - performance.now();
      if (remaining <= 0) return undefined;
      await this.#sleep(Math.min(Math.ceil(remaining), MAX_TIMER), signal);
    }
  }

  /** Ends the watch, and drops unread events. */
  close(): void {
    this.#closed();
    this.#waiting.length = 0;
    this.#text = 0;
  }

  #take(): DeviceEvent | undefined {
    const event = this.#waiting.shift();
    if (event !== undefined) this.#text -= textOf(event);
    return event;
  }

  /** Waits for an event, the end of the time, or an abort. */
  #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', wake);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal?.addEventListener('abort', wake);
      this.#wake = wake;
    });
  }
}

function textOf({ value }: DeviceEvent): number {
  return typeof value === 'string' ? value.length : 0;
}
