import type { Clock } from './clock';
import type { Update } from '../update/update';
import type { JobContext } from './job-device';
import { soakDevice, type SoakEnd } from './soak';

/** Observes the canaries of a job, and reports the results to its plan. */
export class Canaries {
  readonly #context: JobContext;
  readonly #clock: Clock;
  readonly #soak: number;
  /** Ends the observation of each canary as a failure. */
  readonly #failures = new Map<string, AbortController>();
  /** When each observation ends, in ms since 1970. */
  readonly #until = new Map<string, number>();
  #over = new AbortController();

  /** @param soak observation time of a canary, in ms on the clock */
  constructor(context: JobContext, clock: Clock, soak: number) {
    this.#context = context;
    this.#clock = clock;
    this.#soak = soak;
  }

  /** Observes a canary. Resolves when the result is known or the job is abandoned. */
  async observe({ device, config }: Update): Promise<void> {
    const { schedule, save } = this.#context;
    const end = await this.#lockedEnd(device, config?.moved !== undefined);
    if (end === undefined) return;
    schedule.apply((plan) => {
      if (end === 'stayed') plan.holds.soaked(device);
      else if (end === 'spoiled') plan.spoiled(device);
      else plan.holds.dozed(device);
    });
    void save();
  }

  /** Returns when the observation of a canary ends, in ms since 1970; undefined while it is not ready. */
  untilOf(device: string): number | undefined {
    return this.#until.get(device);
  }

  /** Ends the observation of a canary as a failure, because it is rolled back. */
  fail(device: string): void {
    this.#failures.get(device)?.abort();
  }

  /** Ends all observations, because no device is left that waits for their results. */
  stop(): void {
    this.#over.abort();
    this.#over = new AbortController();
  }

  /**
   * Observes the canary while it is locked, so that no other job reboots it.
   *
   * @param hasMoved whether the device has moved to another address, so that it cannot be observed here
   * @returns undefined when the job was abandoned: a later job can observe the canary again
   */
  async #lockedEnd(device: string, hasMoved: boolean): Promise<SoakEnd | undefined> {
    const { job, task, lifetime } = this.#context;
    const { broker } = task;
    const failed = new AbortController();
    const signal = AbortSignal.any([lifetime.abandoned, this.#over.signal, failed.signal]);
    try {
      broker.locks.acquire(device, job);
    } catch {
      return 'dozed';
    }
    this.#failures.set(device, failed);
    try {
      if (hasMoved) return 'dozed';
      return await soakDevice(
        { broker, device, clock: this.#clock, ends: (at) => this.#ends(device, at) },
        this.#soak,
        signal,
      );
    } catch {
      if (lifetime.abandoned.aborted) return undefined;
      // Unless it has failed: if the job is retried, another device becomes the canary.
      return failed.signal.aborted ? 'spoiled' : 'dozed';
    } finally {
      this.#failures.delete(device);
      this.#ends(device, undefined);
      broker.locks.release(device, job);
    }
  }

  /** @param at ms on the clock */
  #ends(device: string, at: number | undefined): void {
    if (at === undefined) this.#until.delete(device);
    // To the second, so that it stays the same as long as nothing has changed.
    else this.#until.set(device, Math.round((this.#clock.date().getTime() + at - this.#clock.now()) / 1000) * 1000);
    this.#context.changed();
  }
}
