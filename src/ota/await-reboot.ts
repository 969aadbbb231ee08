/** Follows a device through the reboot after a transfer, and judges its return. */
import { HomieError } from '../errors';
import { awaitReconnect, untilAnotherSign, type LifeSign } from '../homie/await-reconnect';
import type { DeviceEvent } from '../homie/device';
import type { Advertisement } from '../homie/device-observer';
import { hasDiscarded } from '../homie/dialect';
import { isOtherDevice } from '../homie/elapsed';
import type { Sent } from '../homie/gate';
import { isConvention5 } from '../homie/own-config';
import { CONVENTION_5 } from '../homie/topics';
import type { Outcome } from '../update/update';
import { concernsImage } from './status';
import type { TransferInput } from './transfer';
import { ended, failed, type SentEnd } from './transfer-end';
import { lostInTransfer, unanswered } from './transfer-errors';
import { judgeReturn, notRebooted, type Verdict } from './verdict';

/** What is known when the device has left, or is about to leave. */
export interface TransferSoFar {
  readonly sent: Sent;
  /** The device had started to receive the image. */
  readonly begun: boolean;
  /** The device reported that the image is flashed. */
  readonly flashed?: boolean;
  /** The sign with which the device reported that it is about to reboot. */
  readonly last?: LifeSign;
  /** The device cannot have received the whole image; it had reported this many percent. */
  readonly partial?: number | undefined;
  /** The MQTT client of the device ended the connection this many s into the transfer. */
  readonly tooSlow?: number | undefined;
}

/** Follows the device through its reboot, and judges its return. */
export function untilBack(input: TransferInput, soFar: TransferSoFar): Promise<SentEnd> {
  return new Reboot(input, soFar).end();
}

class Reboot {
  readonly #input: TransferInput;
  readonly #soFar: TransferSoFar;
  /** The device was sent another image after it had flashed this one. */
  #isAnotherSent = false;
  /** The device has reported that it has discarded the update. */
  #isDiscarded = false;
  /** The last connect of the device may have been after its reboot. */
  #isAmbiguous = false;
  /** Whether the device is known to be alive or gone. */
  #isClear: boolean;

  constructor(input: TransferInput, soFar: TransferSoFar) {
    this.#input = input;
    this.#soFar = soFar;
    this.#isClear = soFar.last === undefined;
  }

  async end(): Promise<SentEnd> {
    const { broker, device, observer, settings, report, sender } = this.#input;
    report({ phase: 'rebooting' });
    const until = observer.clock() + settings.reboot;
    for (;;) {
      const back = await awaitReconnect(observer, {
        until,
        ready: settings.ready,
        // Do not wait for statistics from a device that never sent any.
        statistics: this.#sendsStatistics,
        verifying: () => report({ phase: 'verifying' }),
        heard: this.#hear,
      });
      if (back === 'not_ready') return failed('NOT_READY', 'unknown');
      if (back === 'never') {
        if (await this.#isUnclear()) continue;
        return this.#notBack();
      }
      if (isOtherDevice(sender.seen?.mac, broker.registry.get(device))) return failed('OTHER_DEVICE', 'unknown');
      const end = this.#judge(back);
      if (end !== undefined) return end;
      observer.expectAnother();
    }
  }

  get #sendsStatistics(): boolean {
    const { broker, device } = this.#input;
    return broker.registry.get(device)?.uptime !== undefined;
  }

  readonly #hear = (event: DeviceEvent): void => {
    const { broker, device } = this.#input;
    if (event.attribute !== 'otaStatus' || !event.live) return;
    if (this.#soFar.flashed === true && concernsImage(event.value)) this.#isAnotherSent = true;
    if (hasDiscarded(broker.registry.get(device), event.value)) this.#isDiscarded = true;
  };

  /** Distinguishes, once, a device that died during the reboot from one whose sketch is busy. */
  async #isUnclear(): Promise<boolean> {
    const { broker, device, observer } = this.#input;
    const { last } = this.#soFar;
    if (this.#isClear || last === undefined) return false;
    this.#isClear = true;
    await untilAnotherSign(last, observer, { registry: broker.registry, id: device }, this.#hear);
    return true;
  }

  #notBack(): SentEnd {
    const { gone, advertisement } = this.#input.observer;
    const { partial, flashed, last } = this.#soFar;
    // The image is not why the device stays away: the device cannot have received all of it.
    if (partial !== undefined) return failed('LOST_IN_TRANSFER.notBack', 'unknown', { percent: partial });
    if (flashed !== true) {
      return failed(last === undefined || gone ? 'NOT_BACK.inTransfer' : 'DEVICE_REBOOT_PENDING', 'unknown');
    }
    if (gone) return this.#isMoved ? this.#moved() : failed('NOT_BACK', 'flashed');
    // After our own connection was lost, the device was seen neither present nor away.
    if (this.#isAmbiguous || advertisement !== undefined) return failed('REBOOT_UNPROVEN.flashed', 'flashed');
    return ended({ state: 'failed', error: notRebooted(this.#isAnotherSent) }, 'flashed');
  }

  /** Whether the image publishes by another convention than the firmware before it, so under another base topic. */
  get #isMoved(): boolean {
    const { broker, device, firmware } = this.#input;
    const wasConvention5 = isConvention5(broker.registry.get(device), broker.baseTopic);
    return (firmware.info.convention5 === true) !== wasConvention5;
  }

  #moved(): SentEnd {
    const { broker, firmware } = this.#input;
    // An environment variable in place of the base topic does not show its last level.
    const { shownBaseTopic: shown } = broker;
    const without = shown.endsWith(`/${CONVENTION_5}`) ? shown.slice(0, -CONVENTION_5.length) : shown;
    const baseTopic = firmware.info.convention5 === true ? shown + CONVENTION_5 : without;
    return failed('NOT_BACK.otherConvention', 'flashed', { baseTopic });
  }

  /** Returns undefined if the reboot is still to come. */
  #judge(back: Advertisement): SentEnd | undefined {
    const { observer, expected, before } = this.#input;
    const { flashed = false, last } = this.#soFar;
    if (back.checksum === undefined) return failed('CHECKSUM_MISSING', 'unknown');
    const known = { expected, before, flashed, statistics: this.#sendsStatistics };
    const verdict = judgeReturn(back.checksum, back, observer, known);
    if (verdict.kind !== 'reconnected' || last === undefined) {
      return concluded(verdict, back, this.#soFar, this.#input, this.#isDiscarded);
    }
    // The image still has to boot, so a mere reconnect does not end the wait.
    this.#isAmbiguous = observer.reboot(back.uptime) !== 'refuted';
    return undefined;
  }
}

function concluded(
  verdict: Verdict,
  { live }: Advertisement,
  { begun, sent, tooSlow }: TransferSoFar,
  input: TransferInput,
  isDiscarded: boolean,
): SentEnd {
  // A restart that was shown is not a reconnect of the MQTT client.
  const lost = (): HomieError => lostInTransfer(input, verdict.kind === 'rebooted' ? undefined : tooSlow);
  switch (verdict.kind) {
    case 'succeeded':
      return ended({ state: 'succeeded', reboot: verdict.reboot }, undefined);
    case 'failed': {
      const outcome: Outcome = {
        state: 'failed',
        error: new HomieError(verdict.code),
        ...(verdict.reboot === 'unproven' && { reboot: 'unproven' }),
      };
      return ended(outcome, verdict.code === 'UNCONFIRMED' ? 'unknown' : undefined);
    }
    case 'half_dead':
      return { kind: 'interrupted', error: lost(), free: isDiscarded, again: live };
    case 'rebooted':
      return { kind: 'interrupted', error: lost(), free: true, again: live };
    case 'reconnected':
      // The device works, so an update that it had started has ended unseen, perhaps with the reboot still to come.
      return {
        kind: 'interrupted',
        error: begun || live ? lost() : unanswered(input, sent),
        free: isDiscarded,
        again: live,
      };
  }
}
