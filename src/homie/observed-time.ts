/** How long an exchange continues without a connection of our own before it gives up, in ms. */
export const BLIND_LIMIT = 180_000;

/**
 * A clock that stops while we have no connection of our own, so that deadlines count only time in which a device can be
 * seen. In ms, like `performance.now()`.
 */
export class ObservedTime {
  readonly #begunAt: number;
  /**
   * Start of the silence before our own connection was lost, in ms of `performance.now()`; undefined while there is
   * one.
   */
  #blindSince: number | undefined;
  #blindUntil = Number.POSITIVE_INFINITY;
  /** Total time without a connection before that. */
  #blind = 0;

  /** @param begunAt when the observation started, in ms of `performance.now()` */
  constructor(begunAt: number) {
    this.#begunAt = begunAt;
  }

  /** Returns the time on this clock. */
  now(): number {
    return (this.#blindSince ?? performance.now()) - this.#blind;
  }

  /** Converts a time of `performance.now()`, since the last loss and with a connection, to this clock. */
  at(ms: number): number {
    return ms - this.#blind;
  }

  /** Returns when the clock will show a time, in ms of `performance.now()`, unless the connection is lost before. */
  when(shown: number): number {
    return shown + this.#blind;
  }

  /** When to give up waiting for the connection, in ms of `performance.now()`; undefined while there is one. */
  get blindUntil(): number | undefined {
    return this.#blindSince === undefined ? undefined : this.#blindUntil;
  }

  /** Whether the connection was ever lost. */
  get blinked(): boolean {
    return this.#blind > 0 || this.#blindSince !== undefined;
  }

  /**
   * Stops the clock, because the connection was lost.
   *
   * @param heardAt when the connection last delivered anything
   */
  stop(at: number, heardAt: number): void {
    this.#blindSince ??= Math.max(heardAt, this.#begunAt);
    this.#blindUntil = at + BLIND_LIMIT;
  }

  /** Starts the clock again, because there is a connection again. */
  resume(at: number): void {
    if (this.#blindSince !== undefined) this.#blind += at - this.#blindSince;
    this.#blindSince = undefined;
  }
}
