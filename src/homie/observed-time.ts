/** How long an exchange goes on without a connection of our own before it gives up, in ms. */
export const BLIND_LIMIT = 180_000;

/**
 * A clock that stands still while there is no connection of our own: deadlines count only the time in which a device can be
 * seen. In ms, as `performance.now()`.
 */
export class ObservedTime {
  readonly #begunAt: number;
  /** Since when our own connection is known to have told nothing. */
  #blindSince: number | undefined;
  #blindUntil = Number.POSITIVE_INFINITY;
  /** For how long there was no connection before. */
  #blind = 0;

  /** @param begunAt from when on it is watched, in ms of `performance.now()` */
  constructor(begunAt: number) {
    this.#begunAt = begunAt;
  }

  /** What the clock shows now. */
  now(): number {
    return (this.#blindSince ?? performance.now()) - this.#blind;
  }

  /** What the clock showed at a time of `performance.now()` at which there was a connection, after the last loss. */
  at(ms: number): number {
    return ms - this.#blind;
  }

  /** When the clock will show a time, in ms of `performance.now()`, unless the connection is lost before. */
  when(shown: number): number {
    return shown + this.#blind;
  }

  /** When the connection is given up, in ms of `performance.now()`; undefined while there is one. */
  get blindUntil(): number | undefined {
    return this.#blindSince === undefined ? undefined : this.#blindUntil;
  }

  /** Whether there ever was no connection. */
  get blinked(): boolean {
    return this.#blind > 0 || this.#blindSince !== undefined;
  }

  /**
   * The connection was lost.
   *
   * @param heardAt when something last came over it
   */
  stop(at: number, heardAt: number): void {
    this.#blindSince ??= Math.max(heardAt, this.#begunAt);
    this.#blindUntil = at + BLIND_LIMIT;
  }

  /** There is a connection again. */
  resume(at: number): void {
    if (this.#blindSince !== undefined) this.#blind += at - this.#blindSince;
    this.#blindSince = undefined;
  }
}
