/** Decides what follows a transfer: the end, another turn, or another attempt on a device with nothing staged. */
import type { HomieError } from '../errors';
import { lifeSign } from '../homie/await-reconnect';
import type { Outcome } from '../update/update';
import { maybeStaged } from './exchange-errors';
import { abortStaleUpdate, restart, type StaleUpdate, type StuckDevice } from './recovery';
import { judgeBack, type TransferInput } from './transfer';
import { openEnd, type SentEnd } from './transfer-end';

/**
 * - `ended`: the exchange ends with this outcome
 * - `missed`: the device never receives the image, as in a `TransferEnd`
 * - `free`: nothing is staged on the device. `again`: the image may be sent once more
 */
export type AfterTransfer =
  | { readonly kind: 'ended'; readonly outcome: Outcome }
  | { readonly kind: 'missed' }
  | { readonly kind: 'free'; readonly error: HomieError; readonly again: boolean };

/**
 * Determines what a transfer left on a device. The device stays locked after the job unless it is known that nothing is
 * staged: the image never reached it, a restart was shown, the device refused this very image, or the device was in the
 * middle of an update that was cut off.
 *
 * @param sent the image that was sent
 * @param mayRestart whether a restart may free a stuck updater
 */
export async function afterTransfer(
  end: SentEnd,
  stuck: StuckDevice,
  sent: TransferInput,
  mayRestart: boolean,
): Promise<AfterTransfer> {
  const { broker, device, settings } = stuck;
  await broker.locks.left(device, openEnd(end));
  switch (end.kind) {
    case 'ended':
    case 'missed':
      return end;
    case 'interrupted':
      if (end.free) return free(end.error, end.again);
      return settleStaged({ stuck, error: end.error, sent, again: true }, await answerOf(end, stuck));
    case 'unseen':
      if (end.answer === undefined) return failed(end.error);
      return settleStaged({ stuck, error: end.error, sent, again: end.again }, await answerOf(end, stuck));
    case 'stuck':
      // Nothing is staged: the restart only frees the device for another attempt, which a cancel forbids.
      return mayRestart && settings.recoverReboot && (await restart(stuck, { cancel: sent.sender.cancel }))
        ? free(end.error, true)
        : failed(end.error);
  }
}

/** A device on which something may be staged. */
interface Unsettled {
  readonly stuck: StuckDevice;
  readonly error: HomieError;
  readonly sent: TransferInput;
  /** Whether the image may be sent once more if nothing is staged. */
  readonly again: boolean;
}

/**
 * Determines whether something is staged on a device whose transfer ended unseen: from its answer to the question, else
 * by a restart. The answer came after the image on the same connection, so the device is no longer receiving.
 */
async function settleStaged(
  { stuck, error, sent, again }: Unsettled,
  answer: StaleUpdate | 'changed',
): Promise<AfterTransfer> {
  const { broker, device, settings, observer } = stuck;
  if (answer === 'idle') {
    await broker.locks.left(device, undefined);
    return free(error, true);
  }
  if (answer === 'changed' || answer === 'flashed' || answer === 'reboot_pending') {
    return awaitBoot(stuck, sent, answer, error);
  }
  const isRestarted = answer === 'idle_or_staged' && settings.recoverReboot && (await restart(stuck));
  if (!isRestarted) return failed(maybeStaged(error));
  const runs = observer.advertisement?.checksum;
  if (runs !== undefined && sent.expected.has(runs)) {
    return { kind: 'ended', outcome: { state: 'succeeded', reboot: 'proven' } };
  }
  return free(error, again);
}

/** Waits for the reboot of a device that reports that it is to come, or judges one that has come. */
async function awaitBoot(
  { broker, device, observer }: StuckDevice,
  sent: TransferInput,
  answer: 'changed' | 'flashed' | 'reboot_pending',
  error: HomieError,
): Promise<AfterTransfer> {
  const last = lifeSign(observer);
  if (answer !== 'changed') observer.expectAnother();
  const end = await judgeBack(sent, answer === 'changed' ? {} : { flashed: answer === 'flashed', last });
  await broker.locks.left(device, openEnd(end));
  if (end.kind === 'ended') return end;
  return end.kind === 'interrupted' && end.free ? free(end.error, end.again) : failed(maybeStaged(error));
}

/** Returns the device's answer to the question whether its update was cut off. Asks if no answer has come through. */
async function answerOf(
  { answer = 'gone' }: { readonly answer?: StaleUpdate | undefined },
  stuck: StuckDevice,
): Promise<StaleUpdate | 'changed'> {
  return answer === 'gone' ? abortStaleUpdate(stuck) : answer;
}

function failed(error: HomieError): AfterTransfer {
  return { kind: 'ended', outcome: { state: 'failed', error } };
}

function free(error: HomieError, again: boolean): AfterTransfer {
  return { kind: 'free', error, again };
}
