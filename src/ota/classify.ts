import type { Device, DeviceEvent } from '../homie/device';
import { hasDisconnected, type Advertisement } from '../homie/device-observer';
import { endedByClient, type Sendings } from './keepalive';
import { parseStatus, type OtaStatus } from './status';

/** What is known of a transfer when an event comes. Moments are in ms of `performance.now()`. */
export interface Context {
  /** The device has begun to take the image. */
  readonly begun: boolean;
  /** MQTT 5: the broker knew of nobody who subscribed to the topic. */
  readonly noSubscribers: boolean;
  /** It has said that it goes to sleep, and has not begun since. */
  readonly asleep: boolean;
  /** The broker acknowledged the image. */
  readonly acknowledged: boolean;
  /**
   * When the broker had all of the image: whatever a device does before that and before its first status, it is still going
   * to be given the image.
   */
  readonly sentAt: number;
  /** When a device that takes the image has begun. */
  readonly dueAt: number;
  /** Our own connection was lost since. */
  readonly blinked: boolean;
  readonly advertisement: Advertisement | undefined;
  /** The device as it is known now. */
  readonly device: Pick<Device, 'state' | 'checksum' | 'implementation'> | undefined;
  /** `$fw/checksum` before the publish. */
  readonly before: string | undefined;
  /** Every checksum that a device running the image may report. */
  readonly expected: ReadonlySet<string>;
  /** The sizes in bytes that the device may report for the image. */
  readonly totals: ReadonlySet<number>;
  /** When the device sent its statuses. */
  readonly sendings: Sendings | undefined;
}

/**
 * What an event says of a transfer.
 *
 * - `missed`: the device was away when the broker had the image, and never receives it
 * - `asleep`: it is about to disconnect to sleep. What it was given just before that it may still take
 * - `gone`: it was lost, or has connected again; its MQTT client ended the connection `tooSlow` s into the transfer
 * - `works_again`: it sends its statistics, so that what it had begun has ended unseen
 * - `not_begun`: it sends its statistics although it must have begun by now
 * - `accepted`, `progress`, `flashed`, `refused`, `another_updater`: a status of the device; `written` in bytes
 */
export type Sign =
  | { readonly kind: 'nothing' | 'connection' | 'asleep' | 'works_again' | 'not_begun' | 'accepted' }
  | { readonly kind: 'missed' | 'flashed' | 'another_updater' }
  | { readonly kind: 'gone'; readonly tooSlow?: number | undefined }
  | { readonly kind: 'progress'; readonly written: number }
  | { readonly kind: 'refused'; readonly status: OtaStatus };

const nothing: Sign = { kind: 'nothing' };

/** Returns what an event says of a transfer before the image is flashed. */
export function classify(event: DeviceEvent, context: Context): Sign {
  if (returnedUnseen(context)) return { kind: 'gone' };
  switch (event.attribute) {
    case 'connection':
      return { kind: 'connection' };
    case 'state':
      return classifyState(event, context);
    case 'uptime':
      if (!event.live) return nothing;
      // While an update runs, no statistics are sent.
      if (context.begun) return { kind: 'works_again' };
      return event.at >= context.dueAt ? { kind: 'not_begun' } : nothing;
    case 'otaStatus':
      return event.live ? classifyStatus(event.value, context) : nothing;
    default:
      return nothing;
  }
}

/** Whether a device has come back, while we were not connected, with something to be judged. */
function returnedUnseen({ advertisement, before }: Context): boolean {
  if (advertisement === undefined || advertisement.live) return false;
  const { checksum, readyAt, uptime } = advertisement;
  return checksum !== undefined && readyAt !== undefined && (uptime !== undefined || checksum !== before);
}

type StateEvent = DeviceEvent & { readonly attribute: 'state' };

function classifyState(event: StateEvent, context: Context): Sign {
  const { begun, noSubscribers, sentAt, blinked, sendings } = context;
  if (isAsleep(event, context)) return { kind: 'asleep' };
  if (!hasLeft(event)) return nothing;
  if (!begun && (noSubscribers || context.asleep)) return { kind: 'missed' };
  if (!begun && event.at < sentAt) return nothing;
  const isInSight = event.value === 'init' && !blinked;
  return { kind: 'gone', tooSlow: isInSight ? sendings && endedByClient(sendings, event.at) : undefined };
}

function isAsleep(event: StateEvent, { begun, acknowledged, noSubscribers, device }: Context): boolean {
  if (begun || !acknowledged || noSubscribers) return false;
  // While an update runs the firmware does not process its sleep flag; it boots before it is ready again.
  return event.live && event.value === 'sleeping' && device?.state?.at === event.at;
}

/** Whether a device is away, or begins another connection. */
function hasLeft({ value, live }: StateEvent): boolean {
  return hasDisconnected(value) || (live && value === 'init');
}

function classifyStatus(text: string, context: Context): Sign {
  const status = parseStatus(text, context.device?.implementation?.value);
  switch (status?.kind) {
    case undefined:
      return nothing;
    case 'flashed':
      return { kind: 'flashed' };
    case 'unchanged':
      // It is said of another image, which somebody else has sent.
      return runsAnother(context) ? nothing : { kind: 'refused', status };
    case 'refused':
    case 'disabled':
      return { kind: 'refused', status };
    case 'progress': {
      const { written, total } = status;
      return context.totals.has(total) ? { kind: 'progress', written } : { kind: 'another_updater' };
    }
    case 'accepted':
    case 'other':
      return { kind: 'accepted' };
  }
}

/** Whether a device says of itself that it runs something else than the image. */
function runsAnother({ device, expected }: Context): boolean {
  const checksum = device?.checksum?.value;
  return checksum !== undefined && !expected.has(checksum);
}
