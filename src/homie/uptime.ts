import type { Device } from './device';

/** A moment on the monotonic clock, in ms, and how long the device had been up by then, in s. */
export interface Uptime {
  readonly value: number;
  readonly at: number;
}

/**
 * Whether an uptime shows a reboot since the publish. A mere reconnect gives the same `init` … `ready`, but there the
 * uptime goes on counting (seen on homie-esp8266 ba452ea). `$stats/uptime` is in whole seconds, rounded down: of a
 * device that had just booted when the firmware was published, it must be smaller by a full second.
 *
 * @param uptime as it came after the publish
 * @param publishedAt ms
 * @param upBefore whether the device was known to have been up for a second or more at the publish
 */
export function rebootShown(uptime: Uptime, publishedAt: number, upBefore: boolean): boolean {
  const elapsed = (uptime.at - publishedAt) / 1000;
  return uptime.value + (upBefore ? 0 : 1) <= elapsed;
}

/** Whether a device is known to have been up for a second or more at `now` (ms). */
export function upForASecond(device: Device, now: number): boolean {
  const { state, uptime } = device;
  // It may have booted since it told an uptime before it came back.
  const stale = state?.live === true && uptime !== undefined && uptime.at < state.at;
  if (!stale && (uptime?.value ?? 0) >= 1) return true;
  return state?.value === 'ready' && now - state.at >= 1000;
}
