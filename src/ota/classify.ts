import type { Device, DeviceEvent } from '../homie/device';
import { dialectOf, hasDiscarded } from '../homie/dialect';
import { hasLeft, type Advertisement } from '../homie/device-observer';
import { endedByClient, type Sendings } from './keepalive';
import { parseStatus, type OtaStatus } from './status';

/** What is known of a transfer when an event arrives. Times are in ms of `performance.now()`. */
export interface Context {
  /** The device has started to receive the image. */
  readonly begun: boolean;
  /** MQTT 5: the broker reported that nobody subscribes to the topic. */
  readonly noSubscribers: boolean;
  /** The device still owes the second half of its answer to a question, which comes before any status of the image. */
  readonly owesAnswer: boolean;
  /** The device announced that it goes to sleep, and has not started to receive the image since. */
  readonly asleep: boolean;
  /** The broker acknowledged the image. */
  readonly acknowledged: boolean;
  /**
   * When the broker had the whole image. Whatever the device does before that and before its first status, the broker
   * will still deliver the image to it.
   */
  readonly sentAt: number;
  /** By when a device that takes the image has started to receive it. */
  readonly dueAt: number;
  /** Our own connection has been lost since. */
  readonly blinked: boolean;
  readonly advertisement: Advertisement | undefined;
  /** The device as known now. */
  readonly device: Pick<Device, 'state' | 'checksum' | 'implementation' | 'implementationVersion'> | undefined;
  /** `$fw/checksum` before the publish. */
  readonly before: string | undefined;
  /** Every checksum that a device running the image may report. */
  readonly expected: ReadonlySet<string>;
  /** The total sizes in bytes that the device may report for the image. */
  readonly totals: ReadonlySet<number>;
  /** When the device sent its statuses. */
  readonly sendings: Sendings | undefined;
}

/**
 * What an event says about a transfer.
 *
 * - `missed`: the device was away when the broker had the image, and never receives it
 * - `asleep`: the device is about to disconnect to sleep. It may still take an image that it received just before
 * - `gone`: the device was lost or has reconnected. `tooSlow`: its MQTT client ended the connection this many s into
 *   the transfer
 * - `works_again`: the device sends statistics, so the update that it had started has ended unseen
 * - `not_begun`: the device sends statistics, although it should have started to receive the image by now
 * - `answer`: the second half of an answer to an earlier question
 * - `discarded`: the device has discarded the update that it was receiving, as the `status` says
 * - `reboot_pending`: a reboot of the device is pending, probably for the image
 * - `accepted`, `progress`, `flashed`, `refused`, `another_updater`: a status of the device; `written` in bytes
 */
export type Sign =
  | { readonly kind: 'nothing' | 'connection' | 'asleep' | 'works_again' | 'not_begun' | 'accepted' | 'answer' }
  | { readonly kind: 'missed' | 'flashed' | 'another_updater' | 'reboot_pending' }
  | { readonly kind: 'gone'; readonly tooSlow?: number | undefined }
  | { readonly kind: 'progress'; readonly written: number }
  | { readonly kind: 'refused' | 'discarded'; readonly status: OtaStatus };

const nothing: Sign = { kind: 'nothing' };

/** Returns what an event says about a transfer before the image is flashed. */
export function classify(event: DeviceEvent, context: Context): Sign {
  if (returnedUnseen(context)) return { kind: 'gone' };
  switch (event.attribute) {
    case 'connection':
      return { kind: 'connection' };
    case 'state':
      return classifyState(event, context);
    case 'uptime':
      if (!event.live) return nothing;
      // The firmware sends no statistics while an update runs.
      if (context.begun) return { kind: 'works_again' };
      return event.at >= context.dueAt ? { kind: 'not_begun' } : nothing;
    case 'otaStatus':
      return event.live ? classifyStatus(event.value, context) : nothing;
    default:
      return nothing;
  }
}

/** Whether a device came back while we were disconnected, and its topics say enough to judge it. */
function returnedUnseen({ advertisement, before }: Context): boolean {
  if (advertisement === undefined || advertisement.live) return false;
  const { checksum, readyAt, uptime } = advertisement;
  return checksum !== undefined && readyAt !== undefined && (uptime !== undefined || checksum !== before);
}

type StateEvent = DeviceEvent & { readonly attribute: 'state' };

function classifyState(event: StateEvent, context: Context): Sign {
  const { begun, noSubscribers, sentAt, blinked, sendings, device } = context;
  if (isAsleep(event, context)) return { kind: 'asleep' };
  if (!hasLeft(event)) return nothing;
  if (!begun && (noSubscribers || context.asleep)) return { kind: 'missed' };
  if (!begun && event.at < sentAt) return nothing;
  const mayBeTooSlow = event.value === 'init' && !blinked && dialectOf(device).endsSlowTransfers;
  return { kind: 'gone', tooSlow: mayBeTooSlow ? sendings && endedByClient(sendings, event.at) : undefined };
}

function isAsleep(event: StateEvent, { begun, acknowledged, noSubscribers, device }: Context): boolean {
  if (begun || !acknowledged || noSubscribers) return false;
  // The firmware does not process its sleep flag while an update runs, and it boots before it is ready again.
  return event.live && event.value === 'sleeping' && device?.state?.at === event.at;
}

function classifyStatus(text: string, context: Context): Sign {
  const status = parseStatus(text, context.device?.implementation?.value);
  switch (status?.kind) {
    case undefined:
      return nothing;
    case 'flashed':
      return { kind: 'flashed' };
    case 'unchanged':
      // This 304 answers another image, which somebody else has sent.
      return runsAnother(context) ? nothing : { kind: 'refused', status };
    case 'refused':
      return classifyRefusal(status, context);
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

function classifyRefusal(status: OtaStatus & { readonly kind: 'refused' }, context: Context): Sign {
  const { device, begun, owesAnswer } = context;
  if (owesAnswer && !begun && dialectOf(device).question.rest?.test(status.text) === true) return { kind: 'answer' };
  // Answers a message that the broker has retained, which the device receives before the image.
  if (status.code === 'RETAINED_FIRMWARE' && !begun) return nothing;
  if (status.code === 'DEVICE_REBOOT_PENDING') return { kind: 'reboot_pending' };
  return { kind: hasDiscarded(device, status.text) ? 'discarded' : 'refused', status };
}

/** Whether a device reports that it runs something other than the image. */
function runsAnother({ device, expected }: Context): boolean {
  const checksum = device?.checksum?.value;
  return checksum !== undefined && !expected.has(checksum);
}
