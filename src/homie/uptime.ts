import type { Device } from './device';

/** How late the `init` of a device may reach us, in ms. It is the first message of a connection: nothing waits before it. */
const LATE_INIT = 3_000;

/**
 * How late any other message of a device may reach us, its will included, in ms. The broker ends a connection on which
 * nothing comes for one and a half keepalives, which are 15 s.
 */
export const LATE = 25_000;

/** How long a device must have been up, in s, before a reboot that follows at once can be shown. */
const SHOWABLE = LATE_INIT / 1000 + 2;

/** How long a device had been up, in s, when it said so; and when that came, in ms of `performance.now()`. */
export interface Uptime {
  readonly value: number;
  readonly at: number;
  /** When the live `init` of the connection came in which it was said, in ms; undefined when nobody saw that. */
  readonly connectedAt?: number | undefined;
}

/**
 * Whether an uptime shows that the device was restarted since an earlier moment. A mere reconnect gives the same `init` …
 * `ready`, but there the uptime goes on counting (seen on homie-esp8266 ba452ea). So it shows a restart only when it is
 * smaller than what the device must have reached otherwise. `$stats/uptime` is in whole seconds, rounded down, and may
 * come late: what counts is when its connection began.
 *
 * @param before what the device had reached, at least, at that moment
 * @param after as it came live later
 */
export function restartShown(before: Uptime, after: Uptime): boolean {
  // The messages of a device come in their order, however late.
  if (after.value < Math.floor(before.value)) return true;
  const saidAt = Math.max(after.at - LATE, (after.connectedAt ?? Number.NEGATIVE_INFINITY) - LATE_INIT);
  return after.value + 1 <= before.value + (saidAt - before.at) / 1000;
}

/** Whether an uptime rules out that the device was started after `moment` (ms of `performance.now()`). */
export function startRuledOut(moment: number, { value, at }: Uptime): boolean {
  return value * 1000 >= at - moment;
}

/**
 * How long a device has been up at least, by what came live in its present connection. The uptime of an earlier connection
 * may be that of an earlier boot, and so may one that is retained.
 *
 * @param now ms of `performance.now()`
 */
export function reachedUptime({ state, uptime, connectedAt }: Device, now: number): Uptime {
  if (state?.value !== 'ready') return { value: 0, at: now };
  if (uptime?.live === true && uptime.at >= state.at) return { value: uptime.value, at: uptime.at };
  return { value: 0, at: connectedAt ?? state.at };
}

/**
 * From when on a reboot of a device that is ready could be shown, in ms of `performance.now()`. One that sleeps starts again
 * at each wake and is not waited for: its next wakes show that it was restarted.
 */
export function showableAt(device: Device, now: number): number {
  if (device.sleeps === true) return 0;
  const { value, at } = reachedUptime(device, now);
  return at + (SHOWABLE - value) * 1000;
}
