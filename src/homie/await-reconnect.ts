import type { DeviceEvent } from './device';
import type { Registry } from './registry';
import type { Advertisement, DeviceObserver } from './device-observer';
import { LATE } from './uptime';

/** How long after `ready` the statistics of a device are waited for, in ms. It sends them at once. */
const STATISTICS = 5_000;

export interface ReconnectDeadlines {
  /** When the device must have reconnected, on the clock of the observer. */
  readonly until: number;
  /** How long it may take from there until it is ready, in ms. */
  readonly ready: number;
  /** Whether the device is known to send statistics. */
  readonly statistics: boolean;
  /** Called when it is ready, and only its statistics are waited for. */
  readonly verifying: () => void;
  /** Called with each event. */
  readonly heard?: (event: DeviceEvent) => void;
}

/** The next connect of a device with all that it brings, or why there is none in time. */
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
      // One that connects again and again is not waited for each time.
      limit = current.live ? Math.min(current.readyAt, limit) + STATISTICS : until;
    }
    const event = await observer.next(limit);
    if (event !== undefined) heard?.(event);
    else if (current?.readyAt !== undefined) return current;
    else return beganAt === undefined ? 'never' : 'not_ready';
  }
}

/** Whether all has come that a device sends when it is ready. */
function isComplete({ uptime, live }: Advertisement, statistics: boolean): boolean {
  return uptime !== undefined || (live && !statistics);
}

/** A sign of a device. */
export interface LifeSign {
  /** When it came, in ms of `performance.now()`. */
  readonly at: number;
  /** Until when the will of the device would have come if there was none after it, on the clock of the observer. */
  readonly willBy: number;
}

/** The sign that has just come. */
export function lifeSign(observer: DeviceObserver): LifeSign {
  return { at: performance.now(), willBy: observer.clock() + LATE };
}

/** Waits until a device gives another sign or is gone, or has kept its connection for so long that it must be alive. */
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
