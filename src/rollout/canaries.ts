import type { Clock } from './clock';
import type { JobContext } from './job-device';
import { soakDevice, type SoakEnd } from './soak';

/** Observes the canaries of a job, and reports to its plan whether they stay well. */
export class Canaries {
  readonly #context: JobContext;
  readonly #clock: Clock;
  readonly #soak: number;
  #over = new AbortController();

  /** @param soak how long a canary must stay well, in ms on the clock */
  constructor(context: JobContext, clock: Clock, soak: number) {
    this.#context = context;
    this.#clock = clock;
    this.#soak = soak;
  }

  /** Observes a canary. Resolves when it is known whether the canary stays well, or when the job is abandoned. */
  async observe(device: string): Promise<void> {
    const { schedule, save } = this.#context;
    const end = await this.#lockedEnd(device);
    if (end === undefined) return;
    schedule.apply((plan) => {
      if (end === 'stayed') plan.holds.soaked(device);
      else if (end === 'spoiled') plan.spoiled(device);
      else plan.holds.dozed(device);
    });
    void save();
  }

  /** Ends all observations, because no device is left to wait for their results. */
  stop(): void {
    this.#over.abort();
    this.#over = new AbortController();
  }

  /** Locks the canary, so that nobody else reboots it. @returns undefined when a later job can observe it again */
  async #lockedEnd(device: string): Promise<SoakEnd | undefined> {
    const { job, task, lifetime } = this.#context;
    const { broker } = task;
    const signal = AbortSignal.any([lifetime.abandoned, this.#over.signal]);
    try {
      broker.locks.acquire(device, job);
    } catch {
      return 'dozed';
    }
    try {
      return await soakDevice({ broker, device, clock: this.#clock }, this.#soak, signal);
    } catch {
      // When the job is retried, another canary is taken.
      return lifetime.abandoned.aborted ? undefined : 'dozed';
    } finally {
      broker.locks.release(device, job);
    }
  }
}
