import os from 'node:os';
import type { Device } from './device';
import { reachedUptime, restartShown, startRuledOut, withConnection, type Uptime } from './uptime';

/** A moment that a later process on the same machine can still interpret: s since the machine was started. */
export type Moment = number;

/** Returns the current moment. */
export function moment(): Moment {
  return os.uptime();
}

/**
 * Returns how long ago a moment was, in s. If the machine was restarted since, this is a lower bound. Changes of the
 * wall clock do no harm: a small computer without a battery sets its clock only once it has found the network.
 *
 * @param now the current `moment()`
 */
export function elapsedSince(then: Moment, now: Moment): number {
  return now >= then ? now - then : now;
}

/** Some systems report the time since their start in whole seconds only, so a moment may be off by this many s. */
const ROUNDING = 1;

/** What was known of a device when something was published to it, as plain data for a later process. */
export interface Departure {
  readonly at: Moment;
  /**
   * The minimum time for which the device had been up, in s, and the moment at which that was known. A file of an
   * earlier version lacks the moment; then `up` is ignored.
   */
  readonly up?: number;
  readonly upAt?: Moment;
  /** `$mac`, if known. */
  readonly mac?: string;
}

/** Returns whether another device answers under an id now: both `$mac` are known and differ. */
export function isOtherDevice(mac: string | undefined, now: Device | undefined): boolean {
  return mac !== undefined && now?.mac !== undefined && now.mac.value !== mac;
}

/** Returns what is known of a device at the moment at which something is published to it. */
export function departureOf(device: Device): Departure {
  const now = performance.now();
  const at = moment();
  const { value, at: reachedAt } = reachedUptime(device, now);
  const { mac } = device;
  return { at, up: value, upAt: at - (now - reachedAt) / 1000, ...(mac && { mac: mac.value }) };
}

/**
 * Returns the departure of a device that shows that it has received what was published. If the device has connected
 * again since the departure, that connect had another cause, so the departure is replaced by what is known now.
 */
export function givenTo<D extends Departure>(departure: D, device: Device): D {
  const { connectedAt, state } = device;
  if (connectedAt === undefined || state?.value !== 'ready') return departure;
  const since = (performance.now() - connectedAt) / 1000;
  return since < moment() - (departure.upAt ?? departure.at) ? { ...departure, ...departureOf(device) } : departure;
}

/** The current time on both clocks: the moment, and ms of `performance.now()`. */
interface Now {
  readonly moment: Moment;
  readonly ms: number;
}

/**
 * Returns the minimum uptime that a device had reached when something was published to it, on the clock of this
 * process.
 */
export function reachedAtDeparture({ at, up, upAt }: Departure, now: Now): Uptime {
  const [value, since] = up === undefined || upAt === undefined ? [0, at] : [up, upAt];
  return { value, at: now.ms - (elapsedSince(since, now.moment) - ROUNDING) * 1000 };
}

/**
 * Returns whether the uptime of the current connection of a device shows a reboot since something was published to it.
 * `open`: the uptime neither shows nor rules out a reboot. `unknown`: no live uptime has arrived.
 */
export function rebootSince(departure: Departure, device: Device): 'shown' | 'refuted' | 'open' | 'unknown' {
  const { state, uptime } = device;
  if (state === undefined || uptime?.live !== true || uptime.at < state.at) return 'unknown';
  const now = { moment: moment(), ms: performance.now() };
  if (restartShown(reachedAtDeparture(departure, now), withConnection(uptime, device))) return 'shown';
  return restartRuledOut(departure, uptime, now) ? 'refuted' : 'open';
}

/** Returns whether a live uptime rules out that the device was started since something was published to it. */
function restartRuledOut({ at }: Departure, uptime: Uptime, now: Now): boolean {
  return now.moment >= at && startRuledOut(now.ms - (now.moment - at + ROUNDING) * 1000, uptime);
}
