import type { Device } from './device';

/**
 * How late the `init` of a device may reach the broker, in ms. It is the first message of a connection, so nothing
 * delays it.
 */
const LATE_INIT = 3_000;

/**
 * How late any other message of a device, including its will, may reach the broker, in ms. The broker ends a silent
 * connection after one and a half times its keep-alive, which is 15 s.
 */
export const LATE = 25_000;

/** By which part of a time the clock of a device and ours may differ. A crystal has 20 to 50 ppm. */
const DRIFT = 1e-4;

/** How often to bring `Connection.freshSince` up to date while a job watches a device, in ms. */
export const REFRESH = 1000;

/**
 * How long a device must have been up, in s, so that a reboot right after can be shown, also if the device sends its
 * first uptime 1.5 s after its connect.
 */
const SHOWABLE = (LATE_INIT + REFRESH) / 1000 + 2.5;

/**
 * How long a device had been up, in s, when it reported that; and when the report arrived, in ms of
 * `performance.now()`.
 */
export interface Uptime {
  readonly value: number;
  readonly at: number;
  /** The broker sent the report after this time; left out if that is `at`. */
  readonly from?: number | undefined;
  /**
   * When the connection of this report began: the live `init` arrived, or our own connection was made, since the device
   * may have connected before. Undefined if it began before the observation.
   */
  readonly connectedAt?: number | undefined;
  /** The broker sent the live `init` of the connection of this report after this time; undefined if it was not seen. */
  readonly connectedFrom?: number | undefined;
}

/**
 * Returns whether an uptime shows that the device was restarted since an earlier moment. A mere reconnect shows the
 * same `init` … `ready`, but the uptime continues to count (seen on homie-esp8266 ba452ea). So the uptime shows a
 * restart only if it is smaller than the device must have reached otherwise. `$stats/uptime` is in whole seconds,
 * rounded down, and may arrive late, so the start of its connection counts, too. What counts is when the broker sent
 * both at the earliest: our own link may have stalled, which delays everything without a sign.
 *
 * @param before the minimum that the device had reached at the earlier moment
 * @param after arrived live later
 */
export function restartShown(before: Uptime, after: Uptime): boolean {
  // The messages of a device arrive in order, however late.
  if (after.value < Math.floor(before.value)) return true;
  // In the same connection, it is an old report: a bridge between brokers repeats what is retained as if it were live.
  if ((after.connectedAt ?? Number.NEGATIVE_INFINITY) <= before.at) return false;
  const saidAt = Math.max(
    (after.from ?? after.at) - LATE,
    (after.connectedFrom ?? Number.NEGATIVE_INFINITY) - LATE_INIT,
  );
  return after.value + 1 <= before.value + ((saidAt - before.at) / 1000) * (1 - DRIFT);
}

/** Returns an uptime that arrived just now with the connection of its device, which may be any if it is not known. */
export function withConnection({ value, at, from }: Uptime, device: Device | undefined): Uptime {
  const { connectedFrom, followedAt = Number.POSITIVE_INFINITY, connectedAt = followedAt } = device ?? {};
  return { value, at, from, connectedAt, connectedFrom };
}

/** Returns whether an uptime rules out that the device was started after `moment` (ms of `performance.now()`). */
export function startRuledOut(moment: number, { value, at }: Uptime): boolean {
  return value * 1000 * (1 - DRIFT) >= at - moment;
}

/**
 * Returns the minimum time for which a device has been up, from what arrived live in its current connection. A retained
 * uptime, or one from an earlier connection, may be from an earlier boot.
 *
 * @param now ms of `performance.now()`
 */
export function reachedUptime({ state, uptime, connectedAt }: Device, now: number): Uptime {
  if (state?.value !== 'ready') return { value: 0, at: now };
  if (uptime?.live === true && uptime.at >= state.at) return { value: uptime.value, at: uptime.at };
  return { value: 0, at: connectedAt ?? state.at };
}

/**
 * Returns when a reboot of a ready device could be shown, in ms of `performance.now()`. Returns 0 for a device that
 * sleeps, so that nothing waits for it: the device starts again at each wake, and its next wakes show that it was
 * restarted.
 */
export function showableAt(device: Device, now: number): number {
  if (device.sleeps === true) return 0;
  const { value, at } = reachedUptime(device, now);
  return at + (SHOWABLE - value) * 1000;
}
