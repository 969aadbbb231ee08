import os from 'node:os';
import type { Device } from './device';
import { reachedUptime, restartShown, startRuledOut, type Uptime } from './uptime';

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

/** The clock of the machine is in whole seconds on some systems, in s. */
const ROUNDING = 1;

/** What was known of a device when something was published, as plain data for a later process. */
export interface Departure {
  readonly at: Moment;
  /** How long it had been up at least, in s, and when. A file of an earlier version lacks the moment: then it tells nothing. */
  readonly up?: number;
  readonly upAt?: Moment;
  /** `$mac`, where it is known. */
  readonly mac?: string;
}

/** Whether what is seen under an id now is another device: both `$mac` are known, and differ. */
export function isOtherDevice(mac: string | undefined, now: Device | undefined): boolean {
  return mac !== undefined && now?.mac !== undefined && now.mac.value !== mac;
}

/** What is known of a device at the moment at which something is published to it. */
export function departureOf(device: Device): Departure {
  const now = performance.now();
  const at = moment();
  const { value, at: reachedAt } = reachedUptime(device, now);
  const { mac } = device;
  return { at, up: value, upAt: at - (now - reachedAt) / 1000, ...(mac && { mac: mac.value }) };
}

/**
 * The same when the device shows that it was given what was published: where it has connected again since the departure, that
 * was for something else.
 */
export function givenTo<D extends Departure>(departure: D, device: Device): D {
  const { connectedAt, state } = device;
  if (connectedAt === undefined || state?.value !== 'ready') return departure;
  const since = (performance.now() - connectedAt) / 1000;
  return since < moment() - (departure.upAt ?? departure.at) ? { ...departure, ...departureOf(device) } : departure;
}

/** The clocks now: the moment, and ms of `performance.now()`. */
interface Now {
  readonly moment: Moment;
  readonly ms: number;
}

/** What a device had reached, at least, when something was published to it, on the clock of this process. */
export function reachedAtDeparture({ at, up, upAt }: Departure, now: Now): Uptime {
  const [value, since] = up === undefined || upAt === undefined ? [0, at] : [up, upAt];
  return { value, at: now.ms - (elapsedSince(since, now.moment) - ROUNDING) * 1000 };
}

/**
 * Whether the uptime of the present connection of a device shows a reboot since something was published to it. `open`: it
 * neither shows one nor rules it out; `unknown`: none came live.
 */
export function rebootSince(
  departure: Departure,
  { state, uptime, connectedAt }: Device,
): 'shown' | 'refuted' | 'open' | 'unknown' {
  if (state === undefined || uptime?.live !== true || uptime.at < state.at) return 'unknown';
  const now = { moment: moment(), ms: performance.now() };
  if (restartShown(reachedAtDeparture(departure, now), { ...uptime, connectedAt })) return 'shown';
  return restartRuledOut(departure, uptime, now) ? 'refuted' : 'open';
}

/** Whether an uptime that came live rules out that the device was started since something was published to it. */
function restartRuledOut({ at }: Departure, uptime: Uptime, now: Now): boolean {
  return now.moment >= at && startRuledOut(now.ms - (now.moment - at + ROUNDING) * 1000, uptime);
}
