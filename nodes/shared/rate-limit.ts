/** How many runs may be active at the same time, and how many may start within a period. */
export interface Limits {
  readonly atOnce: number;
  readonly begun: number;
  /** The period, in ms. */
  readonly within: number;
}

/** Limits how often something is done. */
export class RateLimit {
  readonly #limits: Limits;
  #running = 0;
  /** When the last runs started, in ms of `performance.now()`. */
  #begun: number[] = [];

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Whether a run may start now, and if not, which limit is reached. */
  get state(): 'free' | 'running' | 'begun' {
    const since = performance.now() - this.#limits.within;
    this.#begun = this.#begun.filter((at) => at > since);
    if (this.#running >= this.#limits.atOnce) return 'running';
    return this.#begun.length >= this.#limits.begun ? 'begun' : 'free';
  }

  /** Runs the work and counts it. Does not check the limits. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.#running += 1;
    this.#begun.push(performance.now());
    try {
      return await work();
    } finally {
      this.#running -= 1;
    }
  }
}
