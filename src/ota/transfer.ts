import { HomieError } from '../errors';
import type { ErrorKey, Values } from '../texts/text';
import type { DeviceEvent } from '../homie/device';
import { isOtherDevice } from '../homie/elapsed';
import type { OpenEnd } from '../homie/lock-table';
import { publishToDevice, type Obstacle, type Sender } from '../homie/gate';
import { Reception, type ReceptionInput, type Sent } from './reception';
import type { StaleUpdate } from './recovery';
import { lifeSign, awaitReconnect, untilAnotherSign, type LifeSign } from '../homie/await-reconnect';
import type { Advertisement } from '../homie/device-observer';
import { concernsImage, type OtaStatus } from './status';
import type { Outcome } from '../update/update';
import { judgeReturn, notRebooted, type Verdict } from './verdict';
import { lostInTransfer, stalled, unanswered } from './transfer-errors';
import { otaDisabledHint } from './decide';

/** The progress shown while the device reboots into the image, in percent. */
const FLASHED = 97;

/** One image on its way to one device. */
export interface TransferInput extends ReceptionInput {
  readonly topic: string;
  /** Who sends the image. */
  readonly sender: Sender;
  /** The device runs this very MD5, and must install it again. */
  readonly reinstall: boolean;
  /** Aborted when the device can no longer be watched. */
  readonly abandon: AbortSignal;
  /** Called when the device has reported that the image is flashed. */
  readonly flashed?: (() => void) | undefined;
}

/**
 * How a transfer ended.
 *
 * - `ended`: with this outcome. `open`: the device may still boot something, as `OpenEnd` says
 * - `not_sent`: something forbade the image when it was about to be handed to the socket
 * - `missed`: when the broker had the image, the device was asleep, or the broker had nobody to deliver the image to.
 *   The session of the device is clean, so it never receives the image
 * - `stuck`: the updater of the device is stuck
 * - `unseen`: the device gave no sign: it may be in the middle of an update, or have an image to boot. `answer`: its
 *   answer to the question; undefined if it never received the image
 * - `interrupted`: the update ended in the middle. `free`: nothing is staged, as shown by a restart into the old
 *   firmware or by the answer of the device to the question; otherwise the device may be half dead, or have an image to
 *   boot. `again`: the old firmware was seen live
 */
export type TransferEnd =
  | { readonly kind: 'ended'; readonly outcome: Outcome; readonly open: OpenEnd | undefined }
  | { readonly kind: 'not_sent'; readonly why: Obstacle }
  | { readonly kind: 'missed' }
  | { readonly kind: 'stuck'; readonly error: HomieError }
  | { readonly kind: 'unseen'; readonly error: HomieError; readonly answer: StaleUpdate | undefined }
  | {
      readonly kind: 'interrupted';
      readonly error: HomieError;
      readonly free: boolean;
      readonly again: boolean;
      readonly answer?: StaleUpdate | undefined;
    };

/** How a transfer ended whose image was handed to the socket. */
export type SentEnd = Exclude<TransferEnd, { kind: 'not_sent' }>;

/** Returns how a transfer left the device; undefined if it is known that nothing is staged. */
export function openEnd(end: SentEnd): OpenEnd | undefined {
  switch (end.kind) {
    case 'ended':
      return end.open;
    case 'unseen':
      return end.answer === undefined ? undefined : 'unknown';
    case 'interrupted':
      return end.free ? undefined : 'unknown';
    // The session of a device that was asleep or away is clean, and a stuck updater has staged nothing.
    case 'missed':
    case 'stuck':
      return undefined;
  }
}

/** Sends the image once, and watches the device until the result is known. */
export async function transfer(input: TransferInput): Promise<TransferEnd> {
  const sent = await send(input);
  if (sent.kind !== 'sent') return sent;

  const answer = await new Reception(input, sent, performance.now()).answer();
  input.observer.onLost(() => undefined);
  switch (answer.kind) {
    case 'refused':
      return refused(input, answer.status);
    case 'missed':
      return { kind: 'missed' };
    case 'another_updater':
      return failed('ANOTHER_UPDATER.otherSize', 'flashed');
    case 'cut_off':
      return { kind: 'interrupted', error: lostInTransfer(input), free: answer.free, again: true };
    case 'silent':
      if (!answer.begun) return { kind: 'unseen', error: unanswered(input, sent), answer: answer.answer };
      if (answer.worksAgain) return failed('STALLED', 'flashed');
      // The connection of the device may have been cut while we were away, which leaves it half dead.
      return { kind: 'interrupted', error: stalled(input), free: false, again: false, answer: answer.answer };
    case 'flashed':
      input.flashed?.();
      input.report({
        progress: { written: input.firmware.info.size, estimated: false, percent: FLASHED, remaining: 0 },
      });
      return untilBack(input, { sent, flashed: lifeSign(input.observer), begun: true });
    case 'gone':
      return untilBack(input, { ...answer, sent });
  }
}

async function send({
  topic,
  encoded,
  firmware,
  settings,
  sender,
}: TransferInput): Promise<(Sent & { kind: 'sent' }) | TransferEnd> {
  const timeout = settings.sending + firmware.info.size / 20;
  try {
    const sent = await publishToDevice(sender, { topic, timeout, ...encoded });
    return 'notSent' in sent ? { kind: 'not_sent', why: sent.notSent } : { kind: 'sent', ...sent };
  } catch (error) {
    if (!(error instanceof HomieError)) throw error;
    if (error.code === 'CONNECTION_LOST' || error.code === 'PUBLISH_TIMEOUT') {
      return { kind: 'sent', noSubscribers: false, error };
    }
    return ended({ state: 'failed', error }, undefined);
  }
}

/** What is known when the device has left, or is about to leave. */
interface TransferSoFar {
  readonly sent: Sent;
  /** The device had started to receive the image. */
  readonly begun: boolean;
  /** The sign with which the device reported that the image is flashed. */
  readonly flashed?: LifeSign;
  /** The device cannot have received the whole image; it had reported this many percent. */
  readonly partial?: number | undefined;
  /** The MQTT client of the device ended the connection this many s into the transfer. */
  readonly tooSlow?: number | undefined;
}

/** Judges the return of a device that had not reported the end of the transfer. */
export function judgeBack(input: TransferInput): Promise<TransferEnd> {
  return untilBack(input, { sent: { noSubscribers: false }, begun: true });
}

/** Follows the device through its reboot, and judges its return. */
async function untilBack(input: TransferInput, course: TransferSoFar): Promise<TransferEnd> {
  const { broker, device, observer, settings, expected, before, report } = input;
  const { partial } = course;
  const flashed = course.flashed !== undefined;
  report({ phase: 'rebooting' });
  const until = observer.clock() + settings.reboot;
  let ambiguous = false;
  let isAnotherSent = false;
  /** Whether the device is known to be alive or gone. */
  let isClear = !flashed;
  const heard = (event: DeviceEvent): void => {
    if (flashed && event.attribute === 'otaStatus' && event.live && concernsImage(event.value)) isAnotherSent = true;
  };

  for (;;) {
    const back = await awaitReconnect(observer, {
      until,
      ready: settings.ready,
      // Do not wait for statistics from a device that never sent any.
      statistics: broker.registry.get(device)?.uptime !== undefined,
      verifying: () => report({ phase: 'verifying' }),
      heard,
    });
    if (back === 'never' && !isClear && course.flashed !== undefined) {
      isClear = true;
      // Tell a device that died during the reboot from one whose sketch is busy.
      await untilAnotherSign(course.flashed, observer, { registry: broker.registry, id: device }, heard);
      continue;
    }
    if (typeof back === 'string') {
      // The image is not why the device stays away: the device cannot have received all of it.
      if (back === 'never' && partial !== undefined)
        return failed('LOST_IN_TRANSFER.notBack', 'unknown', { percent: partial });
      // After our own connection was lost, the device was seen neither present nor away.
      const isUnclear = ambiguous || observer.advertisement !== undefined;
      return notBack(back, { flashed, gone: observer.gone, ambiguous: isUnclear, another: isAnotherSent });
    }
    if (isOtherDevice(input.sender.seen?.mac, broker.registry.get(device))) return failed('OTHER_DEVICE', 'unknown');
    if (back.checksum === undefined) return failed('CHECKSUM_MISSING', 'unknown');

    const verdict = judgeReturn(back.checksum, back, observer, { expected, before, flashed });
    if (verdict.kind !== 'reconnected' || !flashed) return concluded(verdict, back, course, input);
    // The image is flashed and still has to boot, so a mere reconnect does not end the wait.
    ambiguous = observer.reboot(back.uptime) !== 'refuted';
    observer.expectAnother();
  }
}

function notBack(
  why: 'never' | 'not_ready',
  { flashed, gone, ambiguous, another }: Record<'flashed' | 'gone' | 'ambiguous' | 'another', boolean>,
): TransferEnd {
  if (why === 'not_ready') return failed('NOT_READY', 'unknown');
  if (!flashed) return failed('NOT_BACK.inTransfer', 'unknown');
  if (gone) return failed('NOT_BACK', 'flashed');
  if (!ambiguous) return ended({ state: 'failed', error: notRebooted(another) }, 'flashed');
  return failed('REBOOT_UNPROVEN.flashed', 'flashed');
}

function concluded(
  verdict: Verdict,
  { live }: Advertisement,
  { begun, sent, tooSlow }: TransferSoFar,
  input: TransferInput,
): TransferEnd {
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
      return { kind: 'interrupted', error: lost(), free: false, again: live };
    case 'rebooted':
      return { kind: 'interrupted', error: lost(), free: true, again: live };
    case 'reconnected':
      // The device works, so an update that it had started has ended unseen, perhaps with the reboot still to come.
      return {
        kind: 'interrupted',
        error: begun || live ? lost() : unanswered(input, sent),
        free: false,
        again: live,
      };
  }
}

function failed(key: ErrorKey, open: OpenEnd, values?: Values): TransferEnd {
  return ended({ state: 'failed', error: new HomieError(key, values) }, open);
}

/** Requires every end to state how it leaves the device: a missing lock could ruin the device. */
function ended(outcome: Outcome, open: OpenEnd | undefined): TransferEnd {
  return { kind: 'ended', outcome, open };
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
