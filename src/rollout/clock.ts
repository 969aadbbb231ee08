import { MAX_TIMER } from '../deadline';

/** The time as a rollout sees it: hours pass in it, and a time window has a local time. */
export interface Clock {
  /** ms, monotonic: no jump of the wall clock does harm. */
  now(): number;
  /** The wall clock. */
  date(): Date;
  /**
   * Calls back once `now()` has reached a time.
   *
   * @param time ms of `now()`
   * @returns the function that calls it off
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
