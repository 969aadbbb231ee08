/** Sends one patch to one device, and observes the result. */
import { HomieError } from '../errors';
import { isOtherDevice } from '../homie/elapsed';
import { sendToDevice, sightingOf, type Delivery, type Sender } from '../homie/gate';
import { lifeSign, awaitReconnect, untilAnotherSign, type LifeSign } from '../homie/await-reconnect';
import { hasLeft, DeviceObserver, type Advertisement } from '../homie/device-observer';
import type { Phase } from '../update/update';
import { reachedUptime, type Uptime } from '../homie/uptime';
import { valueLost } from './compare';
import type { Address } from './relocation';
import type { ConfigSettings } from './settings';
import type { PatchStep, Shown } from './patch-step';
import {
  failed,
  judgeSleeper,
  judgeUnproven,
  notReceived,
  unanswered,
  type PatchTransferEnd,
  type PatchVerdict,
} from './patch-verdict';

export interface PatchTransferInput {
  readonly from: Address;
  /** The address of the device after it has taken the patch: the same as `from`, unless the patch moves the device. */
  readonly to: Address;
  readonly step: PatchStep;
  /** Settings of the step whose types and validators only the sketch knows. */
  readonly sketch: readonly string[];
  readonly settings: ConfigSettings;
  /** The job that holds the lock of the device, and the conditions for sending. */
  readonly sender: Pick<Sender, 'job' | 'isStored' | 'cancel' | 'abandon' | 'mayBegin' | 'handedOver'>;
  readonly report: (phase: Phase) => void;
  /** Whether the device's next wake may decide if the device falls asleep without a sign of the patch. */
  readonly mayMiss: boolean;
}

/** Sends a patch once, and watches the device until the result is known. */
export class PatchTransfer {
  readonly #input: PatchTransferInput;
  readonly #here: DeviceObserver;
  readonly #there: DeviceObserver;
  /** The sign of life with which the device confirmed receipt of the patch. */
  #received: LifeSign | undefined;
  /** `$mac`, if known. */
  readonly #mac: string | undefined;
  /** Whether the device came back, but nothing shows whether it rebooted or only reconnected. */
  #ambiguous = false;
  /**
   * Whether the device sleeps and stays at this address. It boots at each wake, and falls asleep before its uptime can
   * show a reboot.
   */
  readonly #sleeps: boolean;

  constructor(input: PatchTransferInput) {
    const { from, to } = input;
    const { abandon } = input.sender;
    this.#input = input;
    const known = from.broker.registry.get(from.device);
    this.#mac = known?.mac?.value;
    this.#sleeps = known?.sleeps === true && to === from;
    this.#here = observerOf(from, abandon, known && reachedUptime(known, performance.now()));
    this.#there = to === from ? this.#here : observerOf(to, abandon);
  }

  async run(): Promise<PatchTransferEnd> {
    const { settings, report } = this.#input;
    const sent = await this.#send();
    if (sent.kind !== 'sent') return sent;

    if (this.#isMissed(sent.error)) return { kind: 'missed' };
    const answered = (await this.#untilReceived(performance.now())) || (await this.#isThere());
    if (this.#isMissed(sent.error)) return { kind: 'missed' };
    const unheard = sent.error === undefined && !this.#here.blinked;
    if (!answered) return failed(unanswered(sent), unheard ? 'unheard' : 'unknown');
    report('rebooting');
    const until = this.#there.clock() + settings.reboot;
    const verifying = (): void => report('verifying');
    const back = await this.#untilBack(until, verifying);
    if (back !== undefined || this.#received === undefined) return back ?? this.#notBack(sent.error);
    // Distinguishes a device that died during the reboot from one with a busy sketch.
    const { broker, device } = this.#input.from;
    await untilAnotherSign(this.#received, this.#here, { registry: broker.registry, id: device });
    return (await this.#untilBack(this.#there.clock(), verifying)) ?? this.#notBack();
  }

  /**
   * Continues to watch, without a deadline, a device that did not come back in time.
   *
   * @returns undefined if another patch was sent to the device in the meantime, since its reboot may be for that patch
   */
  async late(): Promise<PatchVerdict | undefined> {
    const sent = this.#here.patches;
    const end = await this.#untilBack(Infinity, () => undefined);
    if (this.#there !== this.#here) await drain(this.#here);
    return this.#here.patches === sent ? end : undefined;
  }

  #send(): Promise<Delivery> {
    const { from, step, settings, sender, report } = this.#input;
    const { broker, device } = from;
    return sendToDevice(
      {
        ...sender,
        broker,
        device,
        stages: 'patch',
        seen: sightingOf(broker, device),
        handedOver: () => {
          report('sending');
          sender.handedOver?.();
        },
      },
      { topic: `${from.root}/$implementation/config/set`, payload: step.text(), qos: 1, timeout: settings.sending },
    );
  }

  /**
   * Waits for the empty message with which the device confirms receipt. The message may get lost in the reboot that
   * follows; the reboot then counts as confirmation.
   *
   * @param sentAt when the broker had the patch, in ms of `performance.now()`. A disconnect or `init` before that does
   * not count, since the device still has to get the patch
   * @returns whether the device gave any sign
   */
  async #untilReceived(sentAt: number): Promise<boolean> {
    const { settings, report } = this.#input;
    const observer = this.#here;
    let until = observer.clock() + settings.received;
    for (;;) {
      const event = await observer.next(until);
      if (event === undefined) return observer.gone;
      if (event.attribute === 'connection') until = Math.max(until, observer.clock() + settings.received);
      // After an outage of our own connection, the device is ready: whatever it did meanwhile was missed.
      if (observer.advertisement?.live === false && observer.advertisement.readyAt !== undefined) return true;
      if (hasLeft(event)) {
        if (event.at >= sentAt) return true;
        // The device gets the patch in this connection, so the connect is not the reboot.
        if (event.value === 'init') observer.received();
      }
      if (event.attribute === 'configSet' && event.live && event.value === '') {
        this.#received = lifeSign(observer);
        observer.received();
        report('received');
        return true;
      }
    }
  }

  /**
   * Whether the device fell asleep without a sign of the patch.
   *
   * @param unacknowledged why the broker did not acknowledge the patch, which it may still deliver; undefined if it did
   */
  #isMissed(unacknowledged: HomieError | undefined): boolean {
    const { mayMiss, from, to, step } = this.#input;
    if (!mayMiss || unacknowledged !== undefined || this.#received !== undefined) return false;
    return to === from && from.isAsleep && step.isVisible();
  }

  /** Whether the device has connected at the new address, without a sign at the old one. */
  async #isThere(): Promise<boolean> {
    await drain(this.#there);
    return this.#there.advertisement?.live === true;
  }

  /**
   * Waits until the device comes back with a result.
   *
   * @param until deadline on the clock of the observer
   * @returns undefined if the device did not reboot by then
   */
  async #untilBack(until: number, verifying: () => void): Promise<PatchVerdict | undefined> {
    const { settings } = this.#input;
    for (;;) {
      const back = await awaitReconnect(this.#there, { until, ready: settings.ready, statistics: true, verifying });
      if (back === 'never') return undefined;
      if (back === 'not_ready') return failed(new HomieError('NOT_READY.cameBack'), 'unknown');
      const { broker, device } = this.#input.to;
      if (isOtherDevice(this.#mac, broker.registry.get(device)))
        return failed(new HomieError('OTHER_DEVICE'), 'unknown');
      const end = this.#judge(back);
      if (end !== undefined) return end;
      // Only a reconnect: the reboot is still to come.
      this.#there.expectAnother();
    }
  }

  /** Judges a connect after the publish. Returns undefined if it shows nothing. */
  #judge({ config, uptime, live }: Advertisement): PatchVerdict | undefined {
    const reboot = this.#here.reboot(uptime);
    this.#ambiguous = reboot === 'open';
    const isOfSleeper = reboot === 'open' && live && this.#sleeps;
    if (reboot === 'refuted' || (reboot === 'open' && !isOfSleeper)) return undefined;
    if (config === undefined) {
      return reboot === 'shown' ? failed(new HomieError('CONFIG_UNKNOWN.afterReboot')) : undefined;
    }
    const shown = this.#input.step.shownBy(config);
    if (shown === undefined) return failed(new HomieError('CONFIG_UNREADABLE'));
    if (reboot === 'shown') return this.#judgeRebooted(shown);
    return isOfSleeper ? judgeSleeper(shown) : judgeUnproven(shown, live);
  }

  #judgeRebooted({ visible, isAsBefore, taken, lost }: Shown): PatchVerdict {
    if (this.#received === undefined && isAsBefore)
      return failed(new HomieError(visible ? 'NOT_RECEIVED.previousConfig' : 'NOT_RECEIVED.noneShown'));
    return lost.length === 0 ? { kind: 'taken' } : { ...failed(valueLost(lost, 'rebooted')), taken, lost };
  }

  /**
   * Judges a device that did not come back in time.
   *
   * @param lost why the broker did not acknowledge the patch; undefined if it did
   */
  async #notBack(lost?: HomieError): Promise<PatchVerdict> {
    const { from, to, sketch } = this.#input;
    if (to !== from) {
      // The events at the old address have not been read yet.
      await drain(this.#here);
      const { advertisement } = this.#here;
      const refused = advertisement?.uptime && this.#judge(advertisement);
      if (refused) return refused;
    }
    if (from.isAsleep) {
      return this.#received === undefined
        ? failed(new HomieError('NOT_RECEIVED.asleep'), 'unknown')
        : failed(new HomieError('REBOOT_UNPROVEN.patchReceived'), 'flashed');
    }
    if (!from.hasDevice) return failed(new HomieError('NOT_BACK.newSettings'), 'unknown');
    if (this.#received === undefined) return failed(notReceived(lost?.cause), 'unheard');
    // During an outage of our own connection, nobody saw whether the device stayed connected.
    const isUnseen = this.#ambiguous || this.#here.advertisement !== undefined;
    if (isUnseen) return failed(new HomieError('REBOOT_UNPROVEN.patchReceived'), 'flashed');
    const key = sketch.length > 0 ? 'NOT_APPLIED.sketch' : 'NOT_APPLIED.watched';
    return failed(new HomieError(key, { settings: sketch }), 'flashed');
  }
}

function observerOf({ broker, watch }: Address, signal: AbortSignal, before?: Uptime): DeviceObserver {
  return new DeviceObserver({ broker, watch, signal, ...(before && { before }) });
}

/** Processes all events that have already arrived. */
async function drain(observer: DeviceObserver): Promise<void> {
  while ((await observer.next(0)) !== undefined);
}
