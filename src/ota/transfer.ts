import { HomieError, type ErrorCode } from '../errors';
import type { Image } from './image';
import type { HomieBroker } from '../homie/broker';
import type { DeviceEvent } from '../homie/device';
import { isOtherDevice } from '../homie/elapsed';
import type { OpenEnd } from '../homie/lock';
import { publishToDevice, type Obstacle, type Sender } from '../homie/gate';
import { otaDisabledHint } from './decide';
import type { Encoded } from './encoding';
import { endedByClient, sentStatus, type Sendings } from './keepalive';
import { ProgressMeter } from './progress';
import type { StaleUpdate } from './recovery';
import type { OtaSettings } from './settings';
import { lifeSign, nextReturn, untilAnotherSign, type LifeSign } from '../homie/return';
import { isReady } from '../homie/presence';
import { isAway, type Advertisement, type Sight } from '../homie/sight';
import { concernsImage, parseStatus, type OtaStatus } from './status';
import type { Outcome, Phase, Progress } from '../homie/update';
import { judgeReturn, notRebooted, type Verdict } from './verdict';

/** How often the progress is estimated between two reports of the device, in ms. */
const ESTIMATE_EVERY = 500;

/**
 * The slowest pace at which a device is expected to receive and flash an image, in bytes per ms. With AsyncMqttClient 0.9.0
 * all statuses of an image that comes within some 4 s of `ready` wait behind it, and never come out where it reboots
 * (recording `amc09_ota_right_after_ready`).
 */
const SLOWEST = 8;

/**
 * The slowest pace of a whole transfer, in bytes per ms. A device that needs longer only pretends to receive, or is so far
 * out of reach that nothing can be brought to it.
 */
const SLOWEST_TRANSFER = 1;

/** What is shown while the device reboots into the image, in percent. */
const FLASHED = 97;

/** One image on its way to one device. */
export interface TransferInput {
  readonly broker: HomieBroker;
  readonly device: string;
  readonly firmware: Image;
  readonly encoded: Encoded;
  readonly topic: string;
  readonly settings: OtaSettings;
  /** Who sends the image. */
  readonly sender: Sender;
  /** Every checksum that a device running the image may report. */
  readonly expected: ReadonlySet<string>;
  /** `$fw/checksum` before the publish. */
  readonly before: string | undefined;
  /** The device runs this very MD5, and is to install it again. */
  readonly reinstall: boolean;
  readonly sight: Sight;
  /** The device can be watched no longer. */
  readonly abandon: AbortSignal;
  readonly report: (change: { phase?: Phase; progress?: Progress }) => void;
  /** The device has said that the image is flashed. */
  readonly flashed?: (() => void) | undefined;
  /** Asks the device whether the update was cut off, as `askStaleUpdate` does. */
  readonly ask: () => Promise<StaleUpdate>;
}

/**
 * How a transfer ended.
 *
 * - `ended`: with this outcome. `open`: the device may still boot something, as `OpenEnd` says
 * - `not_sent`: something spoke against it as the image was about to be handed to the socket
 * - `missed`: the broker had the image when the device was asleep, or had nobody to deliver it to. The session of the device
 *   is clean, so it never receives the image
 * - `stuck`: the updater of the device is stuck
 * - `unseen`: no sign of the device came: it may be in the middle of an update, or have an image to boot. `answer`: what it
 *   answered to the question; undefined where it never got the image
 * - `interrupted`: the update ended in the middle. `free`: nothing is staged, as a restart into the old firmware has shown, or
 *   the answer of the device to the question; else the device may be half dead, or have an image to boot. `again`: the old
 *   firmware was seen live
 */
export type TransferEnd =
  | { readonly kind: 'ended'; readonly outcome: Outcome; readonly open?: OpenEnd }
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

/** What ended the wait for the device's answer to the image. */
type Answer =
  | { readonly kind: 'flashed' | 'another_updater' | 'missed' }
  /**
   * `partial`: it cannot have had all of the image, of which it had reported so many percent. `tooSlow`: its MQTT client ended
   * the connection so many s into the transfer.
   */
  | { readonly kind: 'gone'; readonly begun: boolean; readonly partial: number | undefined; readonly tooSlow?: number }
  /** Our connection was lost. `free`: the update was cut off, and nothing is staged; else the device is idle, or has an image to boot. */
  | { readonly kind: 'cut_off'; readonly free: boolean }
  /**
   * `worksAgain`: it sends its statistics, so that what it had begun has ended unseen, perhaps well. `answer`: what it
   * answered to the question, where it was asked.
   */
  | {
      readonly kind: 'silent';
      readonly begun: boolean;
      readonly worksAgain: boolean;
      readonly answer?: StaleUpdate;
    }
  | { readonly kind: 'refused'; readonly status: OtaStatus };

/** Sends the image once, and watches the device until it is known what became of it. */
export async function transfer(input: TransferInput): Promise<TransferEnd> {
  const sent = await send(input);
  if (sent.kind !== 'sent') return sent;

  const answer = await untilFlashed(input, sent, performance.now());
  input.sight.onLost(() => undefined);
  switch (answer.kind) {
    case 'refused':
      return refused(input, answer.status);
    case 'missed':
      return { kind: 'missed' };
    case 'another_updater':
      return failed('ANOTHER_UPDATER', 'flashed', 'The device reports the progress of an image of another size.');
    case 'cut_off':
      return { kind: 'interrupted', error: lostInTransfer(input), free: answer.free, again: true };
    case 'silent':
      if (!answer.begun) return { kind: 'unseen', error: unanswered(input, sent), answer: answer.answer };
      if (answer.worksAgain) return failed('STALLED', 'flashed');
      // Perhaps its connection was cut while we were away, and it is half dead.
      return { kind: 'interrupted', error: stalled(input), free: false, again: false, answer: answer.answer };
    case 'flashed':
      input.flashed?.();
      input.report({
        progress: { written: input.firmware.info.size, estimated: false, percent: FLASHED, remaining: 0 },
      });
      return untilBack(input, { sent, flashed: lifeSign(input.sight), begun: true });
    case 'gone':
      return untilBack(input, { ...answer, sent });
  }
}

/** What became of the publish, where it went out at all. */
interface Sent {
  readonly kind: 'sent';
  /** MQTT 5: the broker knew of nobody who subscribed to the topic. */
  readonly noSubscribers: boolean;
  /** Why it was not acknowledged. Whether the broker has it is not known then. */
  readonly error?: HomieError;
}

async function send({ topic, encoded, firmware, settings, sender }: TransferInput): Promise<Sent | TransferEnd> {
  const timeout = settings.sending + firmware.info.size / 20;
  try {
    const sent = await publishToDevice(sender, { topic, timeout, ...encoded });
    return 'notSent' in sent ? { kind: 'not_sent', why: sent.notSent } : { kind: 'sent', ...sent };
  } catch (error) {
    if (!(error instanceof HomieError)) throw error;
    if (error.code === 'CONNECTION_LOST' || error.code === 'PUBLISH_TIMEOUT') {
      return { kind: 'sent', noSubscribers: false, error };
    }
    return { kind: 'ended', outcome: { state: 'failed', error } };
  }
}

/**
 * Follows 202, 206 and 200. A lost one is inferred from what follows it.
 *
 * @param sentAt when the broker had all of the image, in ms of `performance.now()`: whatever a device does before that and
 * before its first status, it is still going to be given the image
 */
async function untilFlashed(input: TransferInput, sent: Sent, sentAt: number): Promise<Answer> {
  const { broker, device, sight, settings, firmware, encoded, before, report } = input;
  const meter = new ProgressMeter(firmware.info.size, sight.clock());
  // For base64 the device counts with the decoded length before it has seen the padding.
  const totals = new Set([firmware.info.size, Math.floor(encoded.payload.length / 4) * 3]);
  let begun = false;
  let worksAgain = false;
  let furthest = -1;
  // Whatever the device says, it is not waited for longer than this.
  const last = sight.clock() + settings.accepted + settings.stall + firmware.info.size / SLOWEST_TRANSFER;
  const within = (ms: number): number => Math.min(sight.clock() + ms, last);
  let until = within(settings.accepted + (sent.noSubscribers ? 0 : firmware.info.size / SLOWEST));
  /** The device has received so many bytes, of which more than before are worth waiting on. */
  const advance = (written: number): void => {
    if (!begun) sight.received();
    begun = true;
    if (written <= furthest) return;
    furthest = written;
    until = within(settings.stall);
  };
  let hasToAsk = false;
  let sendings: Sendings | undefined;
  const gone = (tooSlow?: number): Answer => ({
    kind: 'gone',
    begun,
    partial: begun && !sight.blinked ? meter.partial(sight.clock()) : undefined,
    ...(tooSlow !== undefined && { tooSlow }),
  });
  const accepted = (): void => {
    meter.begin(sight.clock());
    report({ phase: 'accepted' });
  };
  sight.onLost(() => begun && report({ phase: 'silent' }));

  for (;;) {
    // A restart of the broker ends the transfer, and the device is often back before us. Where only our own connection was
    // lost, the device answers after the update.
    if (
      hasToAsk &&
      begun &&
      sight.advertisement?.readyAt !== undefined &&
      broker.isSettled &&
      isReady(broker, device)
    ) {
      hasToAsk = false;
      const answer = await input.ask();
      if (answer === 'flashed') return { kind: 'flashed' };
      if (answer === 'cut_off' || answer === 'idle_or_staged') return { kind: 'cut_off', free: answer === 'cut_off' };
      if (hasLeft(sight)) return gone();
      if (answer === 'progress') until = within(settings.stall);
      // Our connection was lost once more.
      if (answer === 'gone') hasToAsk = true;
    }
    const isOver = sight.clock() >= last;
    const event = isOver ? undefined : await sight.next(until, begun ? sight.clock() + ESTIMATE_EVERY : undefined);
    if (event === undefined) {
      if (sight.clock() >= until) {
        if (sight.gone) return gone();
        if (worksAgain || (isOver && begun) || (sent.noSubscribers && !begun))
          return { kind: 'silent', begun, worksAgain };
        const answer = await input.ask();
        if (answer === 'flashed') return { kind: 'flashed' };
        if (hasLeft(sight)) return gone();
        const written = answer === 'progress' ? reported(input) : undefined;
        if (written === undefined || written <= furthest) return { kind: 'silent', begun, worksAgain, answer };
        // The device has received in silence.
        if (!begun) accepted();
        advance(written);
        continue;
      }
      const now = sight.clock();
      report({ progress: meter.estimate(now), ...(meter.isOverdue(now) && { phase: 'silent' }) });
      continue;
    }
    if (returnedUnseen(sight.advertisement, before)) return gone();
    if (event.attribute === 'connection') {
      hasToAsk = true;
      until = Math.max(until, within(settings.accepted));
    }
    // While an update runs the firmware does not process its sleep flag; it boots before it is ready again.
    const isAsleep = event.attribute === 'state' && event.live && event.value === 'sleeping' && isLast(input, event.at);
    if (isAsleep && !begun && sent.error === undefined) return { kind: 'missed' };
    if (event.attribute === 'state' && ((event.live && event.value === 'init') || isAway(event.value))) {
      if (sent.noSubscribers && !begun) return { kind: 'missed' };
      const isInSight = event.value === 'init' && !sight.blinked;
      const tooSlow = isInSight ? sendings && endedByClient(sendings, event.at) : undefined;
      if (begun || event.at >= sentAt) return gone(tooSlow);
    }
    // While an update runs, no statistics are sent.
    if (event.attribute === 'uptime' && event.live && begun) worksAgain = true;
    // One that could have begun by now has not.
    if (event.attribute === 'uptime' && event.live && !begun && event.at >= sentAt + settings.accepted) {
      until = sight.clock();
    }
    if (event.attribute !== 'otaStatus' || !event.live) continue;

    const status = parseStatus(event.value, broker.registry.get(device)?.implementation?.value);
    if (status === undefined) continue;
    // It is said of another image, which somebody else has sent.
    if (status.kind === 'unchanged' && runsAnother(input)) continue;
    advance(0);
    sendings = sentStatus(sendings, event.at);
    switch (status.kind) {
      case 'flashed':
        return { kind: 'flashed' };
      case 'refused':
      case 'disabled':
      case 'unchanged':
        return { kind: 'refused', status };
      case 'progress':
        if (!totals.has(status.total)) return { kind: 'another_updater' };
        // A device that repeats itself gets no further.
        advance(status.written);
        report({ phase: 'flashing', progress: meter.report(status.written, sight.clock()) });
        break;
      case 'accepted':
      case 'other':
        accepted();
    }
  }
}

/** How many bytes a device has reported to have written; none where it has only accepted the image. */
function reported({ broker, device }: TransferInput): number {
  const status = parseStatus(broker.registry.get(device)?.otaStatus?.value ?? '');
  return status?.kind === 'progress' ? status.written : 0;
}

/** Whether a device was lost, or connected again, before our eyes. */
function hasLeft({ gone, advertisement }: Sight): boolean {
  return gone || advertisement?.live === true;
}

/** Whether the state of a device is still the one that came then, in ms of `performance.now()`. */
function isLast({ broker, device }: TransferInput, at: number): boolean {
  return broker.registry.get(device)?.state?.at === at;
}

/** Whether a device says of itself that it runs something else than the image. */
function runsAnother({ broker, device, expected }: TransferInput): boolean {
  const checksum = broker.registry.get(device)?.checksum?.value;
  return checksum !== undefined && !expected.has(checksum);
}

/** Whether a device has come back, while we were not connected, with something to be judged. */
function returnedUnseen(advertisement: Advertisement | undefined, before: string | undefined): boolean {
  if (advertisement === undefined || advertisement.live) return false;
  const { checksum, readyAt, uptime } = advertisement;
  return checksum !== undefined && readyAt !== undefined && (uptime !== undefined || checksum !== before);
}

function refused({ reinstall }: TransferInput, status: OtaStatus): TransferEnd {
  const { text } = status;
  if (status.kind === 'disabled') {
    return { kind: 'ended', outcome: { state: 'skipped', reason: 'ota_disabled', hint: otaDisabledHint } };
  }
  if (reinstall && (status.kind === 'unchanged' || (status.kind === 'refused' && status.code === 'BAD_CHECKSUM'))) {
    return {
      kind: 'ended',
      outcome: { state: 'failed', error: new HomieError('FORCE_NOT_SUPPORTED', undefined, { status: text }) },
    };
  }
  if (status.kind !== 'refused') return { kind: 'ended', outcome: { state: 'skipped', reason: 'up_to_date' } };
  if (status.stuck) return { kind: 'stuck', error: new HomieError('UPDATER_STUCK', undefined, { status: text }) };
  const error = new HomieError(status.code, undefined, {
    status: text,
    ...(status.hint !== undefined && { hint: status.hint }),
  });
  return { kind: 'ended', outcome: { state: 'failed', error } };
}

/** @param lost has the reason as its cause where the broker gave one */
function closedAtPublish(lost: HomieError): HomieError {
  const { cause } = lost;
  if (!(cause instanceof HomieError)) return new HomieError('CLOSED_AT_PUBLISH', undefined, { cause: lost });
  return new HomieError(
    'CLOSED_AT_PUBLISH',
    `${cause.message} The firmware was being sent, and the device gave no sign of it.`,
    { hint: cause.hint, cause: lost },
  );
}

/** No sign came at all: says what is probable. */
function unanswered({ broker }: TransferInput, sent: Sent): HomieError {
  if (sent.error?.code === 'PUBLISH_TIMEOUT') return sent.error;
  if (sent.error !== undefined) return closedAtPublish(sent.error);
  if (sent.noSubscribers) {
    return new HomieError(
      'NOT_ACCEPTED',
      'The broker knew of nobody who listens to the firmware topic of the device.',
      {
        hint: 'The device may be gone without the broker having noticed, or may not subscribe there (ACL).',
      },
    );
  }
  const silent = broker.status.state === 'connected' && broker.status.protocolVersion === 4;
  return new HomieError('NOT_ACCEPTED', undefined, {
    hint: silent
      ? 'With MQTT 3.1.1 a broker drops without a word what an ACL or a size limit (mosquitto: message_size_limit) forbids. Look into its log. Or the device is gone without the broker having noticed.'
      : 'The device may be gone without the broker having noticed, or the broker did not deliver the message. Look into its log.',
  });
}

/**
 * The device lost its connection, or the broker did, which ends the transfer as well.
 *
 * @param tooSlow the MQTT client of the device ended the connection so many s into the transfer
 */
function lostInTransfer({ sight }: TransferInput, tooSlow?: number): HomieError {
  if (tooSlow !== undefined) {
    return new HomieError(
      'LOST_IN_TRANSFER',
      `The device itself ended its connection about ${tooSlow} s into the transfer and still runs the old firmware: receiving and flashing the image took too long for its MQTT client.`,
      {
        hint: 'Improve the Wi-Fi signal of the device, or make the image smaller. Or build the firmware with an MQTT client that allows for longer transfers.',
      },
    );
  }
  if (!sight.blinked) return new HomieError('LOST_IN_TRANSFER');
  return new HomieError(
    'LOST_IN_TRANSFER',
    'The connection to the broker was lost in the middle of the transfer, and the device still runs the old firmware.',
    { hint: 'Check that the broker keeps running and can be reached, then try again.' },
  );
}

function stalled({ sight }: TransferInput): HomieError {
  if (!sight.blinked) return new HomieError('STALLED');
  return new HomieError(
    'STALLED',
    'The connection to the broker was lost in the middle of the transfer, and the device has given no sign since.',
    { hint: 'Check that the broker keeps running and can be reached. Restart the device if it takes no other job.' },
  );
}

/** What is known when the device has gone, or is about to. */
interface Course {
  readonly sent: Sent;
  /** The device had begun to take the image. */
  readonly begun: boolean;
  /** It said that the image is flashed. */
  readonly flashed?: LifeSign;
  /** It cannot have had all of the image, of which it had reported so many percent. */
  readonly partial?: number | undefined;
  /** Its MQTT client ended the connection so many s into the transfer. */
  readonly tooSlow?: number | undefined;
}

/** Judges what a device has come back with that had said nothing of the end of the transfer. */
export function judgeBack(input: TransferInput): Promise<TransferEnd> {
  return untilBack(input, { sent: { kind: 'sent', noSubscribers: false }, begun: true });
}

/** Follows the device through its reboot, and judges what it comes back with. */
async function untilBack(input: TransferInput, course: Course): Promise<TransferEnd> {
  const { broker, device, sight, settings, expected, before, report } = input;
  const { partial } = course;
  const flashed = course.flashed !== undefined;
  report({ phase: 'rebooting' });
  const until = sight.clock() + settings.reboot;
  let ambiguous = false;
  let isAnotherSent = false;
  /** Whether the device is known to be alive or gone. */
  let isClear = !flashed;
  const heard = (event: DeviceEvent): void => {
    if (flashed && event.attribute === 'otaStatus' && event.live && concernsImage(event.value)) isAnotherSent = true;
  };

  for (;;) {
    const back = await nextReturn(sight, {
      until,
      ready: settings.ready,
      // A device that never sent statistics is not waited for.
      statistics: broker.registry.get(device)?.uptime !== undefined,
      verifying: () => report({ phase: 'verifying' }),
      heard,
    });
    if (back === 'never' && !isClear && course.flashed !== undefined) {
      isClear = true;
      // A device that died in the reboot is not one with a busy sketch.
      await untilAnotherSign(course.flashed, sight, { registry: broker.registry, id: device }, heard);
      continue;
    }
    if (typeof back === 'string') {
      // After a time without a connection of our own it was not seen to be there, nor to be away.
      if (back === 'never' && partial !== undefined) return lostForGood(partial);
      const isUnclear = ambiguous || sight.advertisement !== undefined;
      return notBack(back, { flashed, gone: sight.gone, ambiguous: isUnclear, another: isAnotherSent });
    }
    if (isOtherDevice(input.sender.seen?.mac, broker.registry.get(device))) return failed('OTHER_DEVICE', 'unknown');
    if (back.checksum === undefined) return failed('CHECKSUM_MISSING', 'unknown');

    const verdict = judgeReturn(back.checksum, back, sight, { expected, before, flashed });
    if (verdict.kind !== 'reconnected' || !flashed) return concluded(verdict, back, course, input);
    // The image is flashed and still has to be booted: a mere reconnect is not what we wait for.
    ambiguous = sight.reboot(back.uptime) !== 'refuted';
    sight.expectAnother();
  }
}

/** The device did not come back, and the image is not why: it cannot have had all of it. */
function lostForGood(percent: number): TransferEnd {
  const error = new HomieError(
    'LOST_IN_TRANSFER',
    `The device was lost in the middle of the transfer, at about ${percent} %, and did not come back in time. It cannot have received the whole image.`,
    { hint: 'Check power supply and Wi-Fi signal of the device. When it has restarted, the image can be sent again.' },
  );
  return { kind: 'ended', outcome: { state: 'failed', error }, open: 'unknown' };
}

/** The device did not come back, and may have had the whole image. */
export function lostUnseen(): HomieError {
  return new HomieError(
    'NOT_BACK',
    'The device was lost during the transfer and did not come back in time. It may have received the whole image.',
    {
      hint: 'Check power supply and Wi-Fi signal of the device. If they are fine, the image may be built for another flash layout: look for an access point that the device opened, and power-cycle it.',
    },
  );
}

function notBack(
  why: 'never' | 'not_ready',
  { flashed, gone, ambiguous, another }: Record<'flashed' | 'gone' | 'ambiguous' | 'another', boolean>,
): TransferEnd {
  if (why === 'not_ready') return failed('NOT_READY', 'unknown');
  if (!flashed) {
    return { kind: 'ended', outcome: { state: 'failed', error: lostUnseen() }, open: 'unknown' };
  }
  if (gone) return failed('NOT_BACK', 'flashed');
  if (!ambiguous) return { kind: 'ended', outcome: { state: 'failed', error: notRebooted(another) }, open: 'flashed' };
  return failed(
    'REBOOT_UNPROVEN',
    'flashed',
    'The firmware is flashed; whether the device has rebooted since cannot be told.',
  );
}

function concluded(
  verdict: Verdict,
  { live }: Advertisement,
  { begun, sent, tooSlow }: Course,
  input: TransferInput,
): TransferEnd {
  // A restart that is shown is no reconnect of the client.
  const lost = (): HomieError => lostInTransfer(input, verdict.kind === 'rebooted' ? undefined : tooSlow);
  switch (verdict.kind) {
    case 'succeeded':
      return { kind: 'ended', outcome: { state: 'succeeded', reboot: verdict.reboot } };
    case 'failed': {
      const outcome: Outcome = {
        state: 'failed',
        error: new HomieError(verdict.code),
        ...(verdict.reboot === 'unproven' && { reboot: 'unproven' }),
      };
      return { kind: 'ended', outcome, ...(verdict.code === 'UNCONFIRMED' && { open: 'unknown' }) };
    }
    case 'half_dead':
      return { kind: 'interrupted', error: lost(), free: false, again: live };
    case 'rebooted':
      return { kind: 'interrupted', error: lost(), free: true, again: live };
    case 'reconnected':
      // It works, so an update that it had begun has ended unseen: perhaps well, and the reboot is still to come.
      return {
        kind: 'interrupted',
        error: begun || live ? lost() : unanswered(input, sent),
        free: false,
        again: live,
      };
  }
}

function failed(code: ErrorCode, open: OpenEnd, message?: string): TransferEnd {
  return { kind: 'ended', outcome: { state: 'failed', error: new HomieError(code, message) }, open };
}
