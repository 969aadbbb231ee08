/** Reads from the topics of a device what happened to an image while the device was not watched. */
import { HomieError } from '../errors';
import type { Device } from '../homie/device';
import type { DeviceObserver } from '../homie/device-observer';
import { elapsedSince, isOtherDevice, moment, rebootSince } from '../homie/elapsed';
import type { OpenEnd } from '../homie/lock-table';
import type { Outcome } from '../update/update';
import type { ImageInFlight } from './in-flight';
import { parseStatus } from './status';
import { identify } from './verdict';

/** The device has ended. `open`: it may still boot something, as `OpenEnd` says. */
export interface Ended {
  readonly kind: 'ended';
  readonly outcome: Outcome;
  readonly open?: OpenEnd;
}

/** What the topics of a device say about an image that was sent to it. */
export type FlightSign =
  | Ended
  /** The device is away. */
  | { readonly kind: 'away' }
  /** The device reports too little of what it runs, or nothing live. */
  | { readonly kind: 'unclear'; readonly missing?: 'checksum' | 'uptime' }
  /** The device has an image to boot. `open`: it may have booted already. */
  | { readonly kind: 'flashed'; readonly open: boolean }
  /** The device runs what it ran before. `restarted`: it has restarted since. */
  | { readonly kind: 'as_before'; readonly restarted: boolean };

/**
 * Returns what the topics of a device say about an image that was sent to it. Only what was seen counts as proven.
 *
 * @param expected every checksum that a device running the image may report
 */
export function readSign(
  device: Device | undefined,
  flight: ImageInFlight,
  expected: ReadonlySet<string>,
  observer: DeviceObserver,
): FlightSign {
  if (device?.state?.value !== 'ready') return { kind: 'away' };
  if (isOtherDevice(flight.mac, device)) return failedEnd(new HomieError('OTHER_DEVICE'), 'unknown');
  if (device.checksum === undefined) return { kind: 'unclear', missing: 'checksum' };
  const checksum = device.checksum.value;
  const reboot = rebootSince(flight, device);
  const isNew = identify(checksum, expected, flight.before) === 'new';
  if (checksum !== flight.before) {
    if (!isConfirmed(flight, reboot, observer))
      return { kind: 'unclear', ...(reboot === 'unknown' && { missing: 'uptime' }) };
    return isNew ? succeeded(reboot === 'shown' ? 'proven' : 'unproven') : failedEnd(new HomieError('OTHER_FIRMWARE'));
  }
  if (!isFlashed(device, flight)) return { kind: 'as_before', restarted: reboot === 'shown' };
  if (reboot !== 'shown') return { kind: 'flashed', open: reboot !== 'refuted' };
  return isNew ? succeeded('proven') : failedEnd(new HomieError('OLD_FIRMWARE'));
}

/** Whether a changed checksum is known to be that of the firmware that runs now. */
function isConfirmed(
  { statistics }: ImageInFlight,
  reboot: ReturnType<typeof rebootSince>,
  { advertisement }: DeviceObserver,
): boolean {
  // A changed checksum proves itself if an uptime shows that the device is there and does not rule out a reboot.
  if (reboot === 'shown' || reboot === 'open') return true;
  // For a device without statistics, a connect that was seen live takes their place.
  return !statistics && advertisement?.live === true && advertisement.readyAt !== undefined;
}

function isFlashed({ otaStatus }: Device, flight: ImageInFlight): boolean {
  if (flight.flashed) return true;
  if (otaStatus === undefined || parseStatus(otaStatus.value)?.kind !== 'flashed') return false;
  return otaStatus.value !== flight.status || isSince(flight, otaStatus);
}

function succeeded(reboot: 'proven' | 'unproven'): FlightSign {
  return { kind: 'ended', outcome: { state: 'succeeded', reboot } };
}

/**
 * Returns how long ago, in ms, the device reported live and after the publish that it is receiving an image; Infinity
 * if it did not.
 */
export function ageOfProgress({ otaStatus, state }: Device, flight: ImageInFlight): number {
  if (otaStatus === undefined || !isSince(flight, otaStatus) || (state?.at ?? 0) > otaStatus.at) return Infinity;
  const kind = parseStatus(otaStatus.value)?.kind;
  return kind === 'accepted' || kind === 'progress' ? performance.now() - otaStatus.at : Infinity;
}

/** Whether a fact arrived live and after the publish. */
function isSince({ at }: ImageInFlight, fact: { readonly live: boolean; readonly at: number }): boolean {
  return fact.live && (performance.now() - fact.at) / 1000 < elapsedSince(at, moment());
}

export function failedEnd(error: HomieError, open?: OpenEnd): Ended {
  return { kind: 'ended', outcome: { state: 'failed', error }, ...(open && { open }) };
}
