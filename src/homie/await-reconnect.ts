import type { DeviceEvent } from './device';
import type { Registry } from './registry';
import type { Advertisement, DeviceObserver } from './device-observer';
import { LATE } from './uptime';

/** How long to wait for the statistics of a device after `ready`, in ms. It sends them at once. */
const STATISTICS = 5_000;

export interface ReconnectDeadlines {
  /** When the device must have reconnected, on the clock of the observer. */
  readonly until: number;
  /** How long the device may take from the start of its connection until it is ready, in ms. */
  readonly ready: number;
  /** Whether the device is known to send statistics. */
  readonly statistics: boolean;
  /** Called when the device is ready and only its statistics are missing. */
  readonly verifying: () => void;
  /** Called with each event. */
  readonly heard?: (event: DeviceEvent) => void;
}

/**
 * Waits for the next connect of a device and all that it publishes then.
 *
 * @returns the advertisement, without `uptime` if the statistics did not arrive in time; `never` if the device did not
 *   connect in time, `not_ready` if it connected but was not ready in time
 * @throws {HomieError} those of `DeviceObserver.next`
 */
export async function awaitReconnect(
  observer: DeviceObserver,
  { until, ready, statistics, verifying, heard }: ReconnectDeadlines,
): Promise<Advertisement | 'never' | 'not_ready'> {
  let beganAt: number | undefined;
  for (;;) {
    const current = observer.advertisement;
    if (current?.live === true) beganAt ??= current.beganAt;
    let limit = beganAt === undefined ? until : beganAt + ready;
    if (current?.readyAt !== undefined) {
      if (isComplete(current, statistics)) return current;
      verifying();
      // A device that reconnects again and again does not extend the deadline each time.
      limit = current.live ? Math.min(current.readyAt, limit) + STATISTICS : until;
    }
    const event = await observer.next(limit);
    if (event !== undefined) heard?.(event);
    else if (current?.readyAt !== undefined) return current;
    else return beganAt === undefined ? 'never' : 'not_ready';
  }
}

/** Returns whether everything has arrived that a device sends when it is ready. */
function isComplete({ uptime, live }: Advertisement, statistics: boolean): boolean {
  return uptime !== undefined || (live && !statistics);
}

/** A sign of life of a device. */
export interface LifeSign {
  /** When it arrived, in ms of `performance.now()`. */
  readonly at: number;
  /**
   * The latest time at which the will of the device would arrive if this was its last sign, on the clock of the
   * observer.
   */
  readonly willBy: number;
}

/** Returns the sign that has just arrived. */
export function lifeSign(observer: DeviceObserver): LifeSign {
  return { at: performance.now(), willBy: observer.clock() + LATE };
}

/**
 * Waits until a device gives another sign or is gone, or until its will would have arrived, so that it must be alive.
 *
 * @throws {HomieError} those of `DeviceObserver.next`
 */
export async function untilAnotherSign(
  { at, willBy }: LifeSign,
  observer: DeviceObserver,
  device: { readonly registry: Registry; readonly id: string },
  heard: (event: DeviceEvent) => void = () => undefined,
): Promise<void> {
  while (!observer.gone && (device.registry.get(device.id)?.seenAt ?? 0) <= at) {
    const event = await observer.next(willBy);
    if (event === undefined) return;
    heard(event);
  }
}
