import { systemClock, type Clock } from '../../src/rollout/clock';

const Real = globalThis.Date;
let offset = 0;

/** A wall clock that was set to another time. Monotonic clocks are not affected. */
class Jumped extends Real {
  constructor(...values: [] | [number | string | Date]) {
    if (values.length === 0) super(Real.now() + offset);
    else super(...values);
  }

  static override now(): number {
    return Real.now() + offset;
  }
}

/** Moves the wall clock of this process by a number of ms. */
export function jump(by: number): void {
  offset += by;
  Reflect.set(globalThis, 'Date', Jumped);
}

/** Returns a clock whose monotonic time goes several times as fast. Its wall clock is that of the process. */
export function hasty(times: number): Clock {
  return {
    now: () => systemClock.now() * times,
    date: () => systemClock.date(),
    at: (time, callback) => systemClock.at(time / times, callback),
  };
}

/** Restores the wall clock. */
export function setRight(): void {
  offset = 0;
  Reflect.set(globalThis, 'Date', Real);
}
