import { asHomieError, HomieError } from '../errors';
import type { Image } from './image';
import { refuseLarge } from '../mqtt/publish-packet';
import { runningFirmware, type Device } from '../homie/device';
import { firmwareTopic } from '../homie/topics';
import type { DeviceWatch } from '../homie/watch';
import { afterTransfer } from './after-transfer';
import { rememberBase64 } from './base64-failures';
import { decide } from './decide';
import { encode, type Encoded } from './encoding';
import { lateOutcome } from './late';
import { isReady, untilReady } from '../homie/presence';
import type { Serving } from '../homie/serving';
import { ASK_AGAIN, askStaleUpdate, askWithin, type StuckDevice } from './recovery';
import { withRetained } from './retained-firmware';
import type { OtaSettings } from './settings';
import { sightingOf, type Obstacle, type Sighting } from '../homie/gate';
import { DeviceObserver } from '../homie/device-observer';
import { transfer, type TransferInput } from './transfer';
import { openEnd, type SentEnd } from './transfer-end';
import type { Outcome } from '../update/update';
import { reachedUptime } from '../homie/uptime';
import { anotherUpdate, inTheMiddle, leftInTheMiddle, refuse } from './exchange-errors';

/** One image for one device. */
export interface ExchangeInput extends Omit<Serving<[Device]>, 'unsent'> {
  readonly firmware: Image;
  readonly settings: OtaSettings;
  /**
   * Called when the image, after `begin`, did not reach the device after all.
   *
   * @param missed the image was published, but the device had left
   */
  readonly unsent: (missed: boolean) => void;
  /** Called when the broker has the whole image. */
  readonly acknowledged: () => void;
  /** Called when the device has reported that the image is flashed. */
  readonly flashed: () => void;
}

/**
 * Updates a device and verifies that the image runs. The caller holds the lock of the device.
 *
 * Decides from what the ready device reports; sends the image; follows 202, 206 and 200; waits for the reboot; and
 * judges the checksum and the uptime with which the device comes back. After a failure that is known to have left the
 * old firmware running and no reboot pending, waits until the device is ready, and tries again. Keeps watching a device
 * that may still boot the image at the end.
 *
 * @returns the outcome; undefined if the image did not reach the device, which must wait for another turn: it is away,
 *   or the job may not send now. Never rejects for anything that a device or a broker does
 */
export async function bringFirmware(input: ExchangeInput): Promise<Outcome | undefined> {
  const { broker, device, firmware, settings } = input;
  const refused = refuse(input);
  if (refused !== undefined) return { state: 'rejected', error: refused };
  let encoded: Encoded;
  const topic = firmwareTopic(broker.baseTopic, device, firmware.info.md5);
  try {
    encoded = encode(firmware.image, settings.encoding, topic);
  } catch (error) {
    return { state: 'rejected', error: asHomieError(error) };
  }

  const watch = broker.watch(device);
  const exchange = new OtaExchange(input, watch, topic, encoded);
  try {
    return await exchange.run();
  } catch (error) {
    if (input.abandon.aborted) return { state: 'failed', error: new HomieError('ABANDONED') };
    return { state: 'failed', error: asHomieError(error) };
  } finally {
    const { late } = exchange;
    if (late === undefined) watch.close();
    else void late.then(() => watch.close());
  }
}

/** What follows a look at the device: the end, another look, or the wait for another turn. */
type Next = Outcome | 'again' | 'wait';

class OtaExchange {
  readonly #input: ExchangeInput;
  readonly #watch: DeviceWatch;
  readonly #topic: string;
  readonly #encoded: Encoded;
  #attempt = 0;
  #restarted = false;
  /** The device answered the last question only in part: the rest may be late. */
  #owesAnswer = false;
  /** Why the last transfer failed, if another one is to follow. */
  #failure: HomieError | undefined;
  /** The later outcome of a device that may still boot the image after the end. */
  late: Promise<Outcome | undefined> | undefined;

  constructor(input: ExchangeInput, watch: DeviceWatch, topic: string, encoded: Encoded) {
    this.#input = input;
    this.#watch = watch;
    this.#topic = topic;
    this.#encoded = encoded;
  }

  async run(): Promise<Outcome | undefined> {
    const { broker, device, settings, cancel, abandon, report } = this.#input;
    const stop = AbortSignal.any([cancel, abandon]);
    for (;;) {
      if (this.#failure !== undefined) {
        report({ state: 'waiting' });
        try {
          await untilReady(broker, this.#watch, device, performance.now() + settings.reboot, stop);
        } catch (error) {
          return this.#notReady(error);
        }
      } else if (!isReady(broker, device)) {
        return undefined;
      }
      const next = await this.#once();
      if (next === 'wait') return undefined;
      if (next !== 'again') return next;
    }
  }

  /** Returns the outcome if the device did not come back for another attempt, or the user canceled. */
  #notReady(error: unknown): Outcome {
    const { cancel, abandon } = this.#input;
    if (this.#failure !== undefined) return { state: 'failed', error: this.#failure };
    if (cancel.aborted || abandon.aborted) return { state: 'canceled' };
    throw error;
  }

  /** Decides for a device that is ready, and sends. */
  async #once(): Promise<Next> {
    const { broker, device, firmware, settings, report } = this.#input;
    const seen = sightingOf(broker, device);
    const known = broker.registry.get(device);
    if (known === undefined) return 'wait';
    report({ from: runningFirmware(known) });

    const decision = await decide(known, firmware, settings, broker);
    if (decision.kind === 'skip') {
      // The device has booted the image of an earlier attempt of this job.
      if (this.#failure !== undefined && decision.reason === 'up_to_date')
        return { state: 'succeeded', reboot: this.#restarted ? 'proven' : 'unproven' };
      return { state: 'skipped', reason: decision.reason, ...(decision.hint && { hint: decision.hint }) };
    }
    if (decision.kind === 'reject') return { state: 'rejected', error: decision.error };
    const tooLarge = refuseLarge(broker.status, this.#topic, this.#encoded.payload.length);
    const obstacle = tooLarge ?? anotherUpdate(known, settings);
    if (obstacle !== undefined) return { state: 'rejected', error: obstacle };
    if (leftInTheMiddle(known)) return this.#lookInTheMiddle(known);
    const expected = await firmware.checksums();
    return this.#transfer(known, seen, expected, decision.reinstall);
  }

  /** Asks about an update that stopped in the middle: it may be another updater's. */
  async #lookInTheMiddle(known: Device): Promise<Next> {
    const { cancel, abandon, mayBegin } = this.#input;
    const answer = await askWithin(this.#look(known), { cancel, mayBegin });
    if (typeof answer !== 'string') return this.#notSent(answer.why);
    this.#owesAnswer = answer === 'idle_or_staged';
    // Do not ask again without a pause.
    if (answer === 'gone') await this.#watch.next(performance.now() + ASK_AGAIN, abandon);
    // Much may have changed meanwhile, so decide again.
    if (answer === 'idle' || answer === 'idle_or_staged' || answer === 'gone') return 'again';
    return { state: 'rejected', error: inTheMiddle(answer) };
  }

  async #transfer(known: Device, seen: Sighting, expected: ReadonlySet<string>, reinstall: boolean): Promise<Next> {
    const { broker, device, firmware, settings, cancel, abandon, report } = this.#input;
    const { md5 } = firmware.info;
    const isStored = await this.#input.begin(known);
    report({ state: 'running' });
    const stuck = this.#look(known);
    let isHandedOver = false;
    const sent: TransferInput = {
      broker,
      device,
      firmware,
      settings,
      sender: {
        ...this.#sender,
        stages: 'image',
        isStored,
        seen,
        cancel,
        mayBegin: this.#input.mayBegin,
        acknowledged: this.#input.acknowledged,
        handedOver: () => {
          isHandedOver = true;
          this.#attempt += 1;
          report({ phase: 'sending', attempt: this.#attempt });
          this.#input.handedOver();
        },
      },
      observer: stuck.observer,
      encoded: this.#encoded,
      // In upper case, the MD5 passes the device's 304 test, which is case-sensitive; the final check is not.
      topic: reinstall ? this.#topic.replace(md5, md5.toUpperCase()) : this.#topic,
      expected,
      before: known.checksum?.value,
      reinstall,
      abandon,
      report,
      flashed: this.#input.flashed,
      owesAnswer: this.#owesAnswer,
      ask: () => askStaleUpdate(stuck),
    };
    const end = await transfer(sent);
    this.#owesAnswer = false;
    if (end.kind === 'not_sent' || end.kind === 'refused') {
      if (isHandedOver) this.#attempt -= 1;
      this.#input.unsent(false);
      return end.kind === 'refused' ? { state: 'failed', error: end.error } : this.#notSent(end.why);
    }
    const next = await this.#after(end, stuck, sent);
    if (typeof next === 'string') return next;
    const outcome = await withRetained(next, {
      sender: this.#sender,
      statusSince: stuck.observer.advertisement?.otaStatus,
      expected,
      clear: settings.clearRetained,
    });
    if (outcome.state === 'failed') this.#watchOn(end, stuck, known, expected);
    return outcome;
  }

  /** Returns what follows when something forbade the question or the image. */
  #notSent(why: Obstacle): Next {
    const { abandon, report } = this.#input;
    report({ state: why === 'halted' ? 'queued' : 'waiting', attempt: this.#attempt });
    if (why === 'canceled' || why === 'abandoned') return this.#notReady(abandon.reason);
    return why === 'halted' || this.#failure === undefined ? 'wait' : 'again';
  }

  /** Keeps watching a device that may still boot the image. Sends nothing, and the job does not wait. */
  #watchOn(end: SentEnd, { observer }: StuckDevice, known: Device, expected: ReadonlySet<string>): void {
    const { broker, device, abandon, watchOn } = this.#input;
    if (abandon.aborted || !broker.locks.isRebootPending(device)) return;
    this.late = lateOutcome({
      broker,
      device,
      mac: known.mac?.value,
      observer,
      expected,
      before: known.checksum?.value,
      flashed: openEnd(end) === 'flashed',
    });
    watchOn(this.late);
  }

  /** Starts to observe the device. */
  #look(known: Device): StuckDevice {
    const { broker, settings, abandon } = this.#input;
    const before = reachedUptime(known, performance.now());
    return {
      ...this.#sender,
      md5: this.#input.firmware.info.md5,
      settings,
      observer: new DeviceObserver({ broker, watch: this.#watch, signal: abandon, before }),
    };
  }

  get #sender(): Pick<StuckDevice, 'broker' | 'device' | 'job' | 'abandon'> {
    const { broker, device, job, abandon } = this.#input;
    return { broker, device, job, abandon };
  }

  async #after(end: SentEnd, stuck: StuckDevice, sent: TransferInput): Promise<Next> {
    const { broker, device, settings } = this.#input;
    if (settings.encoding === 'base64') rememberBase64(broker, device, end);
    const after = await afterTransfer(end, stuck, sent, !this.#restarted);
    if (end.kind === 'stuck') this.#restarted = true;
    if (after.kind === 'ended') return after.outcome;
    if (after.kind === 'free') return this.#tryAgain(after.error, after.again);
    this.#input.unsent(true);
    this.#input.report({ state: 'waiting', attempt: --this.#attempt });
    return 'wait';
  }

  /** Nothing is staged. Base64 is never sent again to a device on which it has failed. */
  #tryAgain(error: HomieError, possible: boolean): Next {
    const { settings, cancel } = this.#input;
    this.#failure = error;
    const isAllowed = this.#attempt < settings.attempts && !cancel.aborted && refuse(this.#input) === undefined;
    return possible && isAllowed ? 'again' : { state: 'failed', error };
  }
}
