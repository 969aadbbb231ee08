import { HomieError } from '../errors';
import { lifeSign } from '../homie/await-reconnect';
import { sendToDevice, type Sender } from '../homie/gate';
import type { Serving } from '../homie/serving';
import { untilBack, type TransferSoFar } from './await-reboot';
import { otaDisabledHint } from './decide';
import { Reception, type ReceptionInput } from './reception';
import type { OtaStatus } from './status';
import { discarded, lostInTransfer, stalled, unanswered } from './transfer-errors';
import { ended, failed, type SentEnd, type TransferEnd } from './transfer-end';

/** The progress shown while the device reboots into the image, in percent. */
const FLASHED = 97;

/** One image on its way to one device. */
export interface TransferInput extends ReceptionInput, Pick<Serving, 'abandon'> {
  readonly topic: string;
  /** Who sends the image. */
  readonly sender: Sender & Pick<Serving, 'cancel'>;
  /** The device runs this very MD5, and must install it again. */
  readonly reinstall: boolean;
  /** Called when the device has reported that the image is flashed. */
  readonly flashed: () => void;
}

/** Sends the image once, and watches the device until the result is known. */
export async function transfer(input: TransferInput): Promise<TransferEnd> {
  const { topic, encoded, firmware, settings, sender } = input;
  const timeout = settings.sending + firmware.info.size / 20;
  const sent = await sendToDevice(sender, { topic, timeout, ...encoded });
  if (sent.kind !== 'sent') return sent;

  const answer = await new Reception(input, sent, performance.now()).answer();
  input.observer.onLost(() => undefined);
  switch (answer.kind) {
    case 'refused':
      return refused(input, answer.status);
    case 'discarded':
      return { kind: 'interrupted', error: discarded(input, answer.status), free: true, again: true };
    case 'missed':
      return { kind: 'missed' };
    case 'another_updater':
      return failed('ANOTHER_UPDATER.otherSize', 'flashed');
    case 'cut_off':
      return { kind: 'interrupted', error: lostInTransfer(input), free: answer.free, again: true };
    case 'silent':
      if (!answer.begun) {
        return { kind: 'unseen', error: unanswered(input, sent), answer: answer.answer, again: answer.isEarly };
      }
      if (answer.worksAgain) return failed('STALLED', 'flashed');
      // The connection of the device may have been cut while we were away, which leaves it half dead.
      return { kind: 'interrupted', error: stalled(input), free: false, again: false, answer: answer.answer };
    case 'flashed':
      input.flashed();
      input.report({
        progress: { written: input.firmware.info.size, estimated: false, percent: FLASHED, remaining: 0 },
      });
      return untilBack(input, { sent, flashed: true, last: lifeSign(input.observer), begun: true });
    case 'reboot_pending':
      return untilBack(input, { sent, last: lifeSign(input.observer), begun: true });
    case 'gone':
      return untilBack(input, { ...answer, sent });
  }
}

/** Judges the return of a device that had not reported the end of the transfer. */
export function judgeBack(input: TransferInput, seen: Pick<TransferSoFar, 'flashed' | 'last'> = {}): Promise<SentEnd> {
  return untilBack(input, { sent: { noSubscribers: false }, begun: true, ...seen });
}

function refused({ reinstall }: TransferInput, status: OtaStatus): TransferEnd {
  const { text } = status;
  if (status.kind === 'disabled') {
    return ended({ state: 'skipped', reason: 'ota_disabled', hint: otaDisabledHint }, undefined);
  }
  if (reinstall && (status.kind === 'unchanged' || (status.kind === 'refused' && status.code === 'BAD_CHECKSUM'))) {
    const error = new HomieError('FORCE_NOT_SUPPORTED', {}, { status: text });
    return ended({ state: 'failed', error }, undefined);
  }
  if (status.kind !== 'refused') return ended({ state: 'skipped', reason: 'up_to_date' }, undefined);
  if (status.stuck) return { kind: 'stuck', error: new HomieError('UPDATER_STUCK', {}, { status: text }) };
  const error = new HomieError(status.key ?? status.code, {}, { status: text });
  return ended({ state: 'failed', error }, undefined);
}
