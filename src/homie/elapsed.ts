import os from 'node:os';
import type { Uptime } from './uptime';

/** A moment that can be told from a later process of the same machine: s since the machine was started. */
export type Moment = number;

export function moment(): Moment {
  return os.uptime();
}

/**
 * How long ago a moment was, in s: that, or longer, when the machine was restarted in between. No jump of the wall clock
 * does harm, which a small computer without a battery sets only when it has found the network.
 *
 * @param now what `moment` says now
 */
export function elapsedSince(then: Moment, now: Moment): number {
  return now >= then ? now - then : now;
}

/** Both `$stats/uptime` and the clock of the machine are rounded, in s. */
const ROUNDING = 2;

/** What was known of a device when something was published. */
export interface Departure {
  readonly at: Moment;
  /** `$stats/uptime` in s, the last that was known. */
  readonly up?: number;
}

/**
 * Whether an uptime that came live shows for sure that the device was restarted since then.
 *
 * @param now the clocks now: the moment, and ms of `performance.now()`
 */
export function restartShown(
  { at, up }: Departure,
  uptime: Uptime,
  now: { readonly moment: Moment; readonly ms: number },
): boolean {
  if (up !== undefined && uptime.value < Math.floor(up)) return true;
  const elapsed = elapsedSince(at, now.moment) - (now.ms - uptime.at) / 1000;
  return uptime.value + ROUNDING <= elapsed;
}

/** Whether an uptime that came live rules that out: the device had been up before. */
export function restartRuledOut(
  { at }: Departure,
  uptime: Uptime,
  now: { readonly moment: Moment; readonly ms: number },
): boolean {
  return now.moment >= at && uptime.value >= now.moment - at - (now.ms - uptime.at) / 1000 + ROUNDING;
}
