import { asHomieError, HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import {
  departureOf,
  givenTo,
  isOtherDevice,
  elapsedSince,
  moment,
  reachedAtDeparture,
  restartRuledOut,
  type Departure,
} from '../homie/elapsed';
import type { OpenEnd } from '../homie/lock';
import { settle, settledOrAbandoned } from '../homie/presence';
import { Sight } from '../homie/sight';
import type { Change, Outcome } from '../homie/update';
import { restartShown } from '../homie/uptime';
import type { ImageFacts } from './image';
import { ASK_AGAIN, askStaleUpdate, isConnectionGone, restart } from './recovery';
import { withRetained } from './retained-firmware';
import type { OtaSettings } from './settings';
import { concernsImage, parseStatus } from './status';
import { lostUnseen } from './transfer';
import { identify, notRebooted } from './verdict';

/** What must be known to judge, in a later process, a device to which an image was sent: plain data. */
export interface Flight extends Departure {
  /** `$fw/checksum`. */
  readonly before?: string;
  /** It sent its uptime. */
  readonly statistics: boolean;
  /** `$implementation/ota/status`. */
  readonly status?: string;
  /** It has said that the image is flashed. */
  readonly flashed: boolean;
}

export interface JudgeInput {
  readonly broker: HomieBroker;
  readonly device: string;
  /** The job that holds its lock. */
  readonly job: string;
  readonly firmware: ImageFacts;
  readonly flight: Flight;
  readonly settings: OtaSettings;
  /** The device can be watched no longer. */
  readonly abandon: AbortSignal;
  readonly report: (change: Change) => void;
}

/**
 * What became of a device. `open`: it may still boot something, as `OpenEnd` says. `again`: the image did not reach it, the
 * old one runs, and no update is under way.
 */
export type FlightEnd =
  { readonly kind: 'ended'; readonly outcome: Outcome; readonly open?: OpenEnd } | { readonly kind: 'again' };

/** What the topics of a device say of an image that was sent to it. */
type Sign =
  | { readonly kind: 'ended'; readonly outcome: Outcome; readonly open?: OpenEnd }
  /** It is not there. */
  | { readonly kind: 'away' }
  /** It says what runs on it too little, or not live. */
  | { readonly kind: 'unclear'; readonly missing?: 'checksum' }
  /** It has an image to boot; or has booted, if that is `open`. */
  | { readonly kind: 'flashed'; readonly open: boolean }
  /** It runs what it ran before. `restarted`: and was restarted since. */
  | { readonly kind: 'as_before'; readonly restarted: boolean };

/** What is known of a device at the moment at which an image is sent to it. */
export function flightOf(device: Device): Flight {
  const { checksum, uptime, otaStatus } = device;
  return {
    ...departureOf(device),
    ...(checksum && { before: checksum.value }),
    statistics: uptime !== undefined,
    ...(otaStatus && { status: otaStatus.value }),
    flashed: false,
  };
}

/** The same when the device has said that the image is flashed: only a restart after that is for the image. */
export function flashedFlight(flight: Flight, device: Device): Flight {
  return { ...givenTo(flight, device), flashed: true };
}

/**
 * Judges by what a device runs what became of an image that was sent to it while it was watched no longer. The caller
 * holds the lock of the device.
 *
 * It runs the image when a checksum that differs from the one before names it and a live uptime shows that it was
 * restarted since. Where the old one runs, the updater of the device is asked whether an update is under way, before
 * anything is sent again.
 */
export async function judgeFlight(input: JudgeInput): Promise<FlightEnd> {
  const { broker, device, job, firmware, settings, abandon, report } = input;
  report({ state: 'running', phase: 'verifying' });
  const expected = new Set([firmware.info.md5, ...(await firmware.alternativeChecksums())]);
  const watch = broker.watch(device);
  try {
    for (;;) {
      await settledOrAbandoned(broker, abandon);
      try {
        const sight = new Sight({ broker, watch, signal: abandon });
        const end = await follow(input, expected, sight);
        if (end.kind === 'again') return end;
        const outcome = await withRetained(end.outcome, {
          sender: { broker, device, job, abandon },
          statusSince: sight.advertisement?.otaStatus,
          expected,
          clear: settings.clearRetained,
        });
        return { ...end, outcome };
      } catch (error) {
        if (!isConnectionGone(error)) throw error;
      }
    }
  } catch (error) {
    return ended(abandon.aborted ? new HomieError('ABANDONED') : asHomieError(error), 'unknown');
  } finally {
    watch.close();
  }
}

async function follow(input: JudgeInput, expected: ReadonlySet<string>, sight: Sight): Promise<FlightEnd> {
  const { broker, device, job, settings, abandon } = input;
  let { flight } = input;
  let until = sight.clock() + settings.stall + settings.reboot + settings.ready;
  /** It is not in the middle of an update; whether something is staged is not known. */
  let isAsked = false;
  /** The device was sent another image after it had flashed this one. */
  let isAnotherSent = false;
  /** Its session is clean: after a new connect, whatever it is given is something else, such as a retained firmware. */
  let isReconnected = false;
  for (;;) {
    abandon.throwIfAborted();
    if (!broker.isSettled) await settle(broker, abandon);
    const known = broker.registry.get(device);
    const sign = read(known, flight, expected, sight);
    if (sign.kind === 'ended') return sign;
    if (sign.kind === 'as_before' && sign.restarted) return { kind: 'again' };
    const underWay = known?.otaStatus === undefined ? 0 : settings.stall - ageOfProgress(known, flight);
    let pause = underWay;
    if (sign.kind === 'as_before' && underWay <= 0 && !isAsked) {
      const stuck = { broker, device, job, settings, sight, abandon };
      const answer = await askStaleUpdate(stuck);
      if (answer === 'cut_off') return { kind: 'again' };
      if (answer === 'silence' || answer === 'busy') return ended(new HomieError('LOST_IN_TRANSFER'), 'unknown');
      if (answer === 'flashed') flight = nowFlashed(flight, broker.registry.get(device));
      if (answer === 'idle_or_staged') {
        isAsked = true;
        if (settings.recoverReboot) await restart(stuck);
      }
      // Much may have come meanwhile. Where the question could not be sent, this must not go round without a pause.
      if (answer !== 'gone') continue;
      pause = ASK_AGAIN;
    }
    const event = await sight.next(until, pause > 0 ? sight.clock() + pause : undefined);
    if (event === undefined && sight.clock() >= until)
      return inVain(sign, { wasFlashed: flight.flashed, another: isAnotherSent });
    if (event?.attribute === 'state' && event.live && event.value === 'init') isReconnected = true;
    if (event?.attribute === 'otaStatus' && event.live) {
      if (concernsImage(event.value)) {
        if (flight.flashed) isAnotherSent = true;
        // A retained firmware makes the device answer at every connect, without end.
        else if (!isReconnected)
          until = Math.max(until, sight.clock() + settings.stall + settings.reboot + settings.ready);
      }
      if (parseStatus(event.value)?.kind === 'flashed') flight = nowFlashed(flight, broker.registry.get(device));
    }
  }
}

function nowFlashed(flight: Flight, device: Device | undefined): Flight {
  return device === undefined ? { ...flight, flashed: true } : flashedFlight(flight, device);
}

/** ms since the device told, live and after the publish, that it takes an image; Infinity when it tells nothing of that kind. */
function ageOfProgress({ otaStatus, state }: Device, flight: Flight): number {
  if (otaStatus === undefined || !isSince(flight, otaStatus) || (state?.at ?? 0) > otaStatus.at) return Infinity;
  const kind = parseStatus(otaStatus.value)?.kind;
  return kind === 'accepted' || kind === 'progress' ? performance.now() - otaStatus.at : Infinity;
}

/** Whether something came live, and after the publish. */
function isSince({ at }: Flight, fact: { readonly live: boolean; readonly at: number }): boolean {
  return fact.live && (performance.now() - fact.at) / 1000 < elapsedSince(at, moment());
}

function read(device: Device | undefined, flight: Flight, expected: ReadonlySet<string>, sight: Sight): Sign {
  if (device?.state?.value !== 'ready') return { kind: 'away' };
  const { checksum, state, uptime, connectedAt } = device;
  if (isOtherDevice(flight.mac, device)) {
    return { kind: 'ended', outcome: { state: 'failed', error: new HomieError('OTHER_DEVICE') }, open: 'unknown' };
  }
  if (checksum === undefined) return { kind: 'unclear', missing: 'checksum' };
  const now = { moment: moment(), ms: performance.now() };
  const shown = uptime?.live === true && uptime.at >= state.at ? uptime : undefined;
  const restarted = shown !== undefined && restartShown(reachedAtDeparture(flight, now), { ...shown, connectedAt });
  const open = shown === undefined || !restartRuledOut(flight, shown, now);
  const isNew = identify(checksum.value, expected, flight.before) === 'new';

  if (checksum.value !== flight.before) {
    // A device without statistics: a connect that was seen as it happened stands for them.
    const seen = !flight.statistics && sight.advertisement?.live === true && sight.advertisement.readyAt !== undefined;
    // Another checksum than before proves itself, where an uptime shows that the device is there and does not rule it out.
    const confirmed = restarted || (shown !== undefined && open);
    if (!confirmed && !seen) return { kind: 'unclear' };
    if (isNew) return succeeded(restarted ? 'proven' : 'unproven');
    return { kind: 'ended', outcome: { state: 'failed', error: new HomieError('OTHER_FIRMWARE') } };
  }
  if (!isFlashed(device, flight)) return { kind: 'as_before', restarted };
  if (!restarted) return { kind: 'flashed', open };
  if (isNew) return succeeded('proven');
  return { kind: 'ended', outcome: { state: 'failed', error: new HomieError('OLD_FIRMWARE') } };
}

function isFlashed({ otaStatus }: Device, flight: Flight): boolean {
  if (flight.flashed) return true;
  if (otaStatus === undefined || parseStatus(otaStatus.value)?.kind !== 'flashed') return false;
  return otaStatus.value !== flight.status || isSince(flight, otaStatus);
}

function succeeded(reboot: 'proven' | 'unproven'): Sign {
  return { kind: 'ended', outcome: { state: 'succeeded', reboot } };
}

const UNTOLD =
  'The firmware is flashed and the device runs the old one; whether it has rebooted in between cannot be told.';

function inVain(sign: Sign, { wasFlashed, another }: Record<'wasFlashed' | 'another', boolean>): FlightEnd {
  switch (sign.kind) {
    case 'away':
      return ended(wasFlashed ? new HomieError('NOT_BACK') : lostUnseen(), 'unknown');
    case 'flashed':
      return ended(sign.open ? new HomieError('REBOOT_UNPROVEN', UNTOLD) : notRebooted(another), 'flashed');
    case 'unclear':
      return ended(new HomieError(sign.missing === undefined ? 'UNCONFIRMED' : 'CHECKSUM_MISSING'), 'unknown');
    default:
      return ended(new HomieError('LOST_IN_TRANSFER'), 'unknown');
  }
}

function ended(error: HomieError, open: OpenEnd): FlightEnd {
  return { kind: 'ended', outcome: { state: 'failed', error }, open };
}
