/** How many may run at the same time, and how many may begin within a time. */
export interface Limits {
  readonly atOnce: number;
  readonly begun: number;
  /** In ms. */
  readonly within: number;
}

/** Bounds how often something is done. */
export class RateLimit {
  readonly #limits: Limits;
  #running = 0;
  /** When the last ones began, in ms of `performance.now()`. */
  #begun: number[] = [];

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Whether `run` would do its work now, and if not, why. */
  get state(): 'free' | 'running' | 'begun' {
    const since = performance.now() - this.#limits.within;
    this.#begun = this.#begun.filter((at) => at > since);
    if (this.#running >= this.#limits.atOnce) return 'running';
    return this.#begun.length >= this.#limits.begun ? 'begun' : 'free';
  }

  /** Does the work, and counts it. */
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
