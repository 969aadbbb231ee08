import { MAX_TIMER } from '../deadline';

/** Time for a rollout: a monotonic clock for durations, the wall clock for time windows. */
export interface Clock {
  /** Returns a monotonic time in ms, which jumps of the wall clock do not affect. */
  now(): number;
  /** Returns the time of the wall clock. */
  date(): Date;
  /**
   * Calls back once when `now()` has reached a time.
   *
   * @param time ms of `now()`
   * @returns a function that cancels the call
   */
  at(time: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  at: (time, callback) => {
    let timer: NodeJS.Timeout;
    const wait = (): void => {
      const left = time - performance.now();
      timer = left > MAX_TIMER ? setTimeout(wait, MAX_TIMER) : setTimeout(callback, Math.max(0, Math.ceil(left)));
    };
    wait();
    return () => clearTimeout(timer);
  },
};
