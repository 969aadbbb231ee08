/** What the topics of a device say of an image that was sent to it while it was not watched. */
import { HomieError } from '../errors';
import type { Device } from '../homie/device';
import type { DeviceObserver } from '../homie/device-observer';
import { elapsedSince, isOtherDevice, moment, rebootSince } from '../homie/elapsed';
import type { OpenEnd } from '../homie/lock-table';
import type { Outcome } from '../update/update';
import type { ImageInFlight } from './in-flight';
import { parseStatus } from './status';
import { identify } from './verdict';

/** The device has ended with an image. `open`: it may still boot something, as `OpenEnd` says. */
export interface Ended {
  readonly kind: 'ended';
  readonly outcome: Outcome;
  readonly open?: OpenEnd;
}

/** What the topics of a device say of an image that was sent to it. */
export type FlightSign =
  | Ended
  /** It is not there. */
  | { readonly kind: 'away' }
  /** It says what runs on it too little, or not live. */
  | { readonly kind: 'unclear'; readonly missing?: 'checksum' | 'uptime' }
  /** It has an image to boot; or has booted, if that is `open`. */
  | { readonly kind: 'flashed'; readonly open: boolean }
  /** It runs what it ran before. `restarted`: and was restarted since. */
  | { readonly kind: 'as_before'; readonly restarted: boolean };

/**
 * Reads what the topics of a device say of an image that was sent to it. Nothing is taken for proven that was not seen.
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
  if (isOtherDevice(flight.mac, device)) return ended(new HomieError('OTHER_DEVICE'), 'unknown');
  if (device.checksum === undefined) return { kind: 'unclear', missing: 'checksum' };
  const checksum = device.checksum.value;
  const reboot = rebootSince(flight, device);
  const isNew = identify(checksum, expected, flight.before) === 'new';
  if (checksum !== flight.before) {
    if (!isConfirmed(flight, reboot, observer))
      return { kind: 'unclear', ...(reboot === 'unknown' && { missing: 'uptime' }) };
    return isNew ? succeeded(reboot === 'shown' ? 'proven' : 'unproven') : ended(new HomieError('OTHER_FIRMWARE'));
  }
  if (!isFlashed(device, flight)) return { kind: 'as_before', restarted: reboot === 'shown' };
  if (reboot !== 'shown') return { kind: 'flashed', open: reboot !== 'refuted' };
  return isNew ? succeeded('proven') : ended(new HomieError('OLD_FIRMWARE'));
}

/** Whether another checksum than before is that of the firmware which runs now. */
function isConfirmed(
  { statistics }: ImageInFlight,
  reboot: ReturnType<typeof rebootSince>,
  { advertisement }: DeviceObserver,
): boolean {
  // It proves itself, where an uptime shows that the device is there and does not rule out a reboot.
  if (reboot === 'shown' || reboot === 'open') return true;
  // A device without statistics: a connect that was seen as it happened stands for them.
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
 * Returns how long ago the device reported, live and after the publish, that it receives an image, in ms; Infinity where it
 * reported nothing of that kind.
 */
export function ageOfProgress({ otaStatus, state }: Device, flight: ImageInFlight): number {
  if (otaStatus === undefined || !isSince(flight, otaStatus) || (state?.at ?? 0) > otaStatus.at) return Infinity;
  const kind = parseStatus(otaStatus.value)?.kind;
  return kind === 'accepted' || kind === 'progress' ? performance.now() - otaStatus.at : Infinity;
}

/** Whether something came live, and after the publish. */
function isSince({ at }: ImageInFlight, fact: { readonly live: boolean; readonly at: number }): boolean {
  return fact.live && (performance.now() - fact.at) / 1000 < elapsedSince(at, moment());
}

export function ended(error: HomieError, open?: OpenEnd): Ended {
  return { kind: 'ended', outcome: { state: 'failed', error }, ...(open && { open }) };
}
