import { asHomieError, HomieError } from '../errors';
import type { Image } from './image';
import type { HomieBroker } from '../homie/broker';
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
import { ASK_AGAIN, askStaleUpdate, type StuckDevice } from './recovery';
import { withRetained } from './retained-firmware';
import type { OtaSettings } from './settings';
import { sightingOf, type Sighting } from '../homie/gate';
import { DeviceObserver } from '../homie/device-observer';
import { openEnd, transfer, type SentEnd, type TransferInput } from './transfer';
import type { Change, Outcome } from '../update/update';
import { reachedUptime } from '../homie/uptime';
import { anotherUpdate, inTheMiddle, leftInTheMiddle, refuse } from './exchange-errors';

/** One firmware for one device. */
export interface ExchangeInput {
  readonly broker: HomieBroker;
  readonly device: string;
  /** The job that holds the lock of the device. */
  readonly job: string;
  readonly firmware: Image;
  readonly settings: OtaSettings;
  /** The user wants to stop. Obeyed until the image is handed to the socket; after that, nothing is sent again. */
  readonly cancel: AbortSignal;
  /** The device can be watched no longer. */
  readonly abandon: AbortSignal;
  readonly report: (change: Change) => void;
  /** Asked as the image is handed to the socket: whether the job may send now. */
  readonly mayBegin?: () => boolean;
  /** The image is handed to the socket: it is too late to cancel. */
  readonly handedOver?: () => void;
  /** Awaited before each publish: from then on the device is judged by what it does. */
  readonly begin?: (device: Device) => Promise<void>;
  /**
   * What was begun did not come to the device after all.
   *
   * @param missed it was published, and the device had left
   */
  readonly unsent?: (missed: boolean) => void;
  /** The device has said that the image is flashed. */
  readonly flashed?: () => void;
  /** Watches on after the end of the exchange: what the device does then is not the result any more. */
  readonly watchOn?: (late: Promise<Outcome | undefined>) => void;
}

/**
 * Brings a firmware onto a device, and proves that it runs. The caller holds the lock of the device.
 *
 * Decides by what a device that is ready says of itself; sends the image; follows 202, 206 and 200; waits for the reboot;
 * and judges the checksum and the uptime with which the device comes back. After a failure that is known to have left the
 * old firmware running and no reboot pending, it waits until the device is ready, and tries again. A device that may still
 * boot the image at the end is watched on.
 *
 * @returns how it ended; undefined when the device is not there, and nothing was sent. It does not reject for anything that
 * a device or a broker does
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

/** What follows after a look at the device: its end, another look, or the wait for another turn. */
type Next = { readonly kind: 'ended'; readonly outcome: Outcome } | { readonly kind: 'again' | 'wait' };

const again: Next = { kind: 'again' };
const wait: Next = { kind: 'wait' };

class OtaExchange {
  readonly #input: ExchangeInput;
  readonly #watch: DeviceWatch;
  readonly #topic: string;
  readonly #encoded: Encoded;
  #attempt = 0;
  #restarted = false;
  /** Why the last transfer failed, when another one is to follow. */
  #failure: HomieError | undefined;
  /** The outcome of a device that may still boot the image after the end. */
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
      if (next.kind === 'ended') return next.outcome;
      if (next.kind === 'wait') return undefined;
    }
  }

  /** The device did not come back for another attempt, or the user canceled. */
  #notReady(error: unknown): Outcome {
    const { cancel, abandon } = this.#input;
    if (this.#failure !== undefined) return { state: 'failed', error: this.#failure };
    if (cancel.aborted || abandon.aborted) return { state: 'canceled' };
    throw error;
  }

  /** With a device that is ready: decides, and sends. */
  async #once(): Promise<Next> {
    const { broker, device, firmware, settings, report } = this.#input;
    const seen = sightingOf(broker, device);
    const known = broker.registry.get(device);
    if (known === undefined) return wait;
    const from = runningFirmware(known);
    report({ from });

    const decision = await decide(known, firmware, settings);
    if (decision.kind === 'skip') {
      // It booted what an earlier attempt of this job had brought.
      if (this.#failure !== undefined && decision.reason === 'up_to_date')
        return ended({ state: 'succeeded', reboot: this.#restarted ? 'proven' : 'unproven' });
      return ended({ state: 'skipped', reason: decision.reason, ...(decision.hint && { hint: decision.hint }) });
    }
    if (decision.kind === 'reject') return ended({ state: 'rejected', error: decision.error });
    const tooLarge = refuseLarge(broker.status, this.#topic, this.#encoded.payload.length);
    const obstacle = tooLarge ?? anotherUpdate(known, settings);
    if (obstacle !== undefined) return ended({ state: 'rejected', error: obstacle });
    if (leftInTheMiddle(known)) return this.#lookInTheMiddle(known);
    const expected = new Set([firmware.info.md5, ...(await firmware.alternativeChecksums())]);
    return this.#transfer(known, seen, expected, decision.reinstall);
  }

  /** What was left in the middle may be another updater's. */
  async #lookInTheMiddle(known: Device): Promise<Next> {
    const answer = await askStaleUpdate(this.#look(known));
    // It must not be asked again without a pause.
    if (answer === 'gone') await this.#watch.next(performance.now() + ASK_AGAIN, this.#input.abandon);
    // Much may have changed meanwhile: it is decided again.
    if (answer === 'cut_off' || answer === 'idle_or_staged' || answer === 'gone') return again;
    return ended({ state: 'rejected', error: inTheMiddle(answer) });
  }

  async #transfer(known: Device, seen: Sighting, expected: ReadonlySet<string>, reinstall: boolean): Promise<Next> {
    const { broker, device, firmware, settings, cancel, abandon, report } = this.#input;
    const { md5 } = firmware.info;
    await this.#input.begin?.(known);
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
        seen,
        cancel,
        mayBegin: this.#input.mayBegin,
        handedOver: () => {
          isHandedOver = true;
          this.#attempt += 1;
          report({ phase: 'sending', attempt: this.#attempt });
          this.#input.handedOver?.();
        },
      },
      observer: stuck.observer,
      encoded: this.#encoded,
      // The device compares with its own MD5 as text; the final check does not mind the case.
      topic: reinstall ? this.#topic.replace(md5, md5.toUpperCase()) : this.#topic,
      expected,
      before: known.checksum?.value,
      reinstall,
      abandon,
      report,
      flashed: this.#input.flashed,
      ask: () => askStaleUpdate(stuck),
    };
    const end = await transfer(sent);
    if (end.kind !== 'not_sent') {
      const next = await this.#after(end, stuck, sent);
      if (next.kind !== 'ended') return next;
      const outcome = await withRetained(next.outcome, {
        sender: this.#sender,
        statusSince: stuck.observer.advertisement?.otaStatus,
        expected,
        clear: settings.clearRetained,
      });
      if (outcome.state === 'failed') this.#watchOn(end, stuck, known, expected);
      return ended(outcome);
    }
    if (isHandedOver) this.#attempt -= 1;
    this.#input.unsent?.(false);
    report({ state: end.why === 'halted' ? 'queued' : 'waiting', attempt: this.#attempt });
    if (end.why === 'canceled' || end.why === 'abandoned') return ended(this.#notReady(abandon.reason));
    return end.why === 'halted' || this.#failure === undefined ? wait : again;
  }

  /** Nothing is sent any more, and the job does not wait. */
  #watchOn(end: SentEnd, { observer }: StuckDevice, known: Device, expected: ReadonlySet<string>): void {
    const { broker, device, abandon, watchOn } = this.#input;
    if (watchOn === undefined || abandon.aborted || !broker.locks.isRebootPending(device)) return;
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

  /** From now on the device is looked at. */
  #look(known: Device): StuckDevice {
    const { broker, settings, abandon } = this.#input;
    const before = reachedUptime(known, performance.now());
    return {
      ...this.#sender,
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
    switch (after.kind) {
      case 'ended':
        return after;
      case 'missed':
        this.#input.unsent?.(true);
        this.#input.report({ state: 'waiting', attempt: --this.#attempt });
        return wait;
      case 'free':
        return this.#tryAgain(after.error, after.again);
    }
  }

  /** Nothing is staged. Base64 is never sent again to a device where it has failed. */
  #tryAgain(error: HomieError, possible: boolean): Next {
    const { settings, cancel } = this.#input;
    this.#failure = error;
    const isAllowed = this.#attempt < settings.attempts && !cancel.aborted && refuse(this.#input) === undefined;
    return possible && isAllowed ? again : ended({ state: 'failed', error });
  }
}

function ended(outcome: Outcome): Next {
  return { kind: 'ended', outcome };
}
