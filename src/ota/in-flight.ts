import { HomieError } from '../errors';
import type { Device, DeviceEvent } from '../homie/device';
import { hasDiscarded } from '../homie/dialect';
import { departureOf, givenTo, isOtherDevice, type Departure } from '../homie/elapsed';
import { settleFor } from '../homie/presence';
import type { DeviceObserver } from '../homie/device-observer';
import type { Serving } from '../homie/serving';
import { judgeUnwatched, lateOutcomeUnwatched, unconfirmed } from '../homie/unwatched';
import type { Outcome } from '../update/update';
import { ageOfProgress, failedEnd, readSign, type Ended, type FlightSign } from './flight-sign';
import type { ImageFacts } from './image';
import { ASK_AGAIN, askStaleUpdate, restart } from './recovery';
import { withRetained } from './retained-firmware';
import type { OtaSettings } from './settings';
import { concernsImage, parseStatus } from './status';
import { notRebooted } from './verdict';

/** What a later process must know to judge a device to which an image was sent: plain data. */
export interface ImageInFlight extends Departure {
  /** `$fw/checksum` before the publish. */
  readonly before?: string;
  /** Whether the device had sent its uptime. */
  readonly statistics: boolean;
  /** `$implementation/ota/status` before the publish. */
  readonly status?: string;
  /** Whether the device has reported that the image is flashed. */
  readonly flashed: boolean;
}

export interface JudgeImageInput extends Pick<Serving, 'broker' | 'device' | 'job' | 'abandon' | 'report' | 'watchOn'> {
  readonly firmware: ImageFacts;
  readonly flight: ImageInFlight;
  readonly settings: OtaSettings;
}

/**
 * How a device ended. `open`: it may still boot something, as `OpenEnd` says. `again`: the image was not installed, the
 * old firmware runs, and no update is in progress.
 */
export type ImageInFlightEnd = Ended | { readonly kind: 'again' };

/** Returns what is known of a device at the moment when an image is sent to it. */
export function flightOf(device: Device): ImageInFlight {
  const { checksum, uptime, otaStatus } = device;
  return {
    ...departureOf(device),
    ...(checksum && { before: checksum.value }),
    statistics: uptime !== undefined,
    ...(otaStatus && { status: otaStatus.value }),
    flashed: false,
  };
}

/** Returns the flight after the broker has the whole image: no earlier restart is for the image. */
export function acknowledgedFlight(flight: ImageInFlight, device: Device): ImageInFlight {
  // The acknowledgment may come after the reboot into the image.
  if (flight.flashed) return flight;
  return device.state?.value === 'ready' ? givenTo(flight, device) : { ...flight, ...departureOf(device) };
}

/** Returns the flight after the device has reported the image as flashed: only a later restart is for the image. */
export function flashedFlight(flight: ImageInFlight, device: Device): ImageInFlight {
  return { ...givenTo(flight, device), flashed: true };
}

/**
 * Judges, from what a device runs, an image that was sent to it before the watch on it ended. The caller holds the lock
 * of the device.
 *
 * The device runs the image if its checksum has changed to one of the image, and a live uptime does not rule out a
 * restart since; for a device without statistics, a live connect replaces the uptime. If the old firmware runs, the
 * updater of the device is asked whether an update is in progress before anything is sent again. Keeps watching a
 * device that may still boot the image at the end.
 */
export async function judgeImageInFlight(input: JudgeImageInput): Promise<ImageInFlightEnd> {
  const { broker, device, job, firmware, settings, abandon, report } = input;
  report({ state: 'running', phase: 'verifying' });
  const expected = await firmware.checksums();
  return judgeUnwatched(
    input,
    async (observer) => {
      const flightJudge = new FlightJudge(input, expected, observer);
      const end = await flightJudge.end();
      if (end.kind === 'again') return end;
      if (end.open !== undefined) input.watchOn(flightJudge.late());
      const outcome = await withRetained(end.outcome, {
        sender: { broker, device, job, abandon },
        statusSince: observer.advertisement?.otaStatus,
        expected,
        clear: settings.clearRetained,
      });
      return { ...end, outcome };
    },
    (error) => failedEnd(error, 'unknown'),
  );
}

/** Judges from what a device shows from now on whether it runs an image that was sent to it. */
class FlightJudge {
  readonly #input: JudgeImageInput;
  readonly #expected: ReadonlySet<string>;
  readonly #observer: DeviceObserver;
  #flight: ImageInFlight;
  #until: number;
  /** The device has answered that it is not in the middle of an update. Whether something is staged is unknown. */
  #isAsked = false;
  /** A silent device is not asked again before this time (clock of the observer), unless its state changes. */
  #silentUntil = 0;
  /** The device was sent another image after it had flashed this one. */
  #isAnotherSent = false;
  /** The device has reported that it has discarded the update. */
  #isDiscarded = false;
  /** The device has reconnected. Its session is clean, so it gets only other messages, such as a retained firmware. */
  #isReconnected = false;

  constructor(input: JudgeImageInput, expected: ReadonlySet<string>, observer: DeviceObserver) {
    this.#input = input;
    this.#expected = expected;
    this.#observer = observer;
    this.#flight = input.flight;
    this.#until = this.#inTime;
  }

  async end(): Promise<ImageInFlightEnd> {
    const { broker, device, abandon } = this.#input;
    const observer = this.#observer;
    for (;;) {
      abandon.throwIfAborted();
      await settleFor(broker, device, abandon);
      const known = broker.registry.get(device);
      const sign = readSign(known, this.#flight, this.#expected, observer);
      if (sign.kind === 'ended') return sign;
      if (sign.kind === 'as_before' && this.#mayGoAgain(sign, known)) return { kind: 'again' };
      let pause = this.#underWay(known);
      if (sign.kind === 'as_before' && pause <= 0 && !this.#isAsked) {
        const next = await this.#ask();
        if (next.kind === 'look') continue;
        if (next.kind !== 'unasked') return next;
        // Do not loop without a pause.
        pause = ASK_AGAIN;
      }
      const event = await observer.next(this.#until, pause > 0 ? observer.clock() + pause : undefined);
      if (event !== undefined) this.#take(event);
      else if (observer.clock() >= this.#until) return this.#inVain(sign, known);
    }
  }

  /** Returns whether the device has discarded the image, or has restarted and is not receiving one since. */
  #mayGoAgain({ restarted }: FlightSign & { kind: 'as_before' }, known: Device | undefined): boolean {
    const isReceiving = known !== undefined && ageOfProgress(known, this.#flight) < this.#input.settings.stall;
    return this.#isDiscarded || (restarted && !isReceiving);
  }

  #inVain(sign: FlightSign, known: Device | undefined): ImageInFlightEnd {
    if (sign.kind === 'unclear' && sign.missing === 'uptime' && known !== undefined) {
      return failedEnd(unconfirmed(known, this.#patience), 'unknown');
    }
    return inVain(sign, this.#flight.flashed, this.#isAnotherSent);
  }

  /** Keeps watching after an end at which the device may still boot the image. */
  late(): Promise<Outcome | undefined> {
    const [flight, expected] = [this.#flight, this.#expected];
    return lateOutcomeUnwatched(this.#input, (device, observer) => {
      const sign = isOtherDevice(flight.mac, device) ? undefined : readSign(device, flight, expected, observer);
      return sign?.kind === 'ended' ? sign.outcome : undefined;
    });
  }

  /** By when a device that is being sent an image has shown the result, on the clock of the observer. */
  get #inTime(): number {
    return this.#observer.clock() + this.#patience;
  }

  get #patience(): number {
    const { stall, reboot, ready } = this.#input.settings;
    return stall + reboot + ready;
  }

  /** Returns for how many more ms an update counts as in progress. */
  #underWay(known: Device | undefined): number {
    const silent = this.#silentUntil - this.#observer.clock();
    if (known?.otaStatus === undefined) return silent;
    return Math.max(silent, this.#input.settings.stall - ageOfProgress(known, this.#flight));
  }

  /**
   * Asks the updater of the device whether an update is in progress.
   *
   * @returns `unasked` if the question could not be sent, `look` if the device must be judged again
   */
  async #ask(): Promise<ImageInFlightEnd | { readonly kind: 'look' } | { readonly kind: 'unasked' }> {
    const { broker, device, job, settings, abandon } = this.#input;
    const { md5 } = this.#input.firmware.info;
    const stuck = { broker, device, job, md5, settings, observer: this.#observer, abandon };
    const answer = await askStaleUpdate(stuck);
    switch (answer) {
      case 'idle':
        return { kind: 'again' };
      case 'reboot_pending':
        // The reboot decides.
        this.#silentUntil = this.#until;
        break;
      case 'silence':
        // The device may be receiving without a status, and its update may be cut off when its connection ends.
        this.#silentUntil = this.#until;
        break;
      case 'busy':
        return failedEnd(new HomieError('LOST_IN_TRANSFER'), 'unknown');
      case 'gone':
        return { kind: 'unasked' };
      case 'flashed':
        this.#flashed();
        break;
      case 'idle_or_staged':
        this.#isAsked = true;
        if (settings.recoverReboot) await restart(stuck);
        break;
      case 'progress':
    }
    return { kind: 'look' };
  }

  #take(event: DeviceEvent): void {
    if (event.attribute === 'state' && event.live) {
      this.#silentUntil = 0;
      if (event.value === 'init') this.#isReconnected = true;
    }
    if (event.attribute !== 'otaStatus' || !event.live) return;
    const { broker, device } = this.#input;
    if (hasDiscarded(broker.registry.get(device), event.value)) this.#isDiscarded = true;
    if (concernsImage(event.value)) {
      if (this.#flight.flashed) this.#isAnotherSent = true;
      // With a retained firmware message, the device reports at every connect: the deadline would never pass.
      else if (!this.#isReconnected) this.#until = Math.max(this.#until, this.#inTime);
    }
    if (parseStatus(event.value)?.kind === 'flashed') this.#flashed();
  }

  #flashed(): void {
    const { broker, device } = this.#input;
    const known = broker.registry.get(device);
    this.#flight = known === undefined ? { ...this.#flight, flashed: true } : flashedFlight(this.#flight, known);
  }
}

function inVain(sign: FlightSign, wasFlashed: boolean, another: boolean): ImageInFlightEnd {
  switch (sign.kind) {
    case 'away':
      return failedEnd(new HomieError(wasFlashed ? 'NOT_BACK' : 'NOT_BACK.inTransfer'), 'unknown');
    case 'flashed':
      return failedEnd(sign.open ? new HomieError('REBOOT_UNPROVEN.oldRuns') : notRebooted(another), 'flashed');
    case 'unclear':
      return failedEnd(new HomieError(sign.missing === 'checksum' ? 'CHECKSUM_MISSING' : 'UNCONFIRMED'), 'unknown');
    default:
      return failedEnd(new HomieError('LOST_IN_TRANSFER'), 'unknown');
  }
}
