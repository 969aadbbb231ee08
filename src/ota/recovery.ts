import type { Device, DeviceEvent } from '../homie/device';
import { dialectOf, type Dialect } from '../homie/dialect';
import { sendToDevice, sightingOf, type NotSent, type Sender } from '../homie/gate';
import { isConnectionGone, isReady, settledOrAbandoned } from '../homie/presence';
import { hasLeft, type DeviceObserver } from '../homie/device-observer';
import type { Serving } from '../homie/serving';
import { reachedUptime, restartShown } from '../homie/uptime';
import type { OtaSettings } from './settings';
import { isBusy, parseStatus, type OtaStatus } from './status';

/** A device whose update may have been cut off. */
export interface StuckDevice extends Pick<Serving, 'broker' | 'device' | 'job' | 'abandon'> {
  /** The MD5 of the image that may be staged. */
  readonly md5: string;
  readonly settings: OtaSettings;
  readonly observer: DeviceObserver;
}

/** What forbids a question or a restart besides the gate; nothing after a transfer of our own, which they end safely. */
export type AskLimits = Pick<Sender, 'cancel' | 'mayBegin'>;

/** How long the broker may take to acknowledge a question or an empty patch, in ms. */
const SMALL_PUBLISH = 10_000;

/** How long to wait for the second half of an answer, in ms. */
const SECOND_HALF = 2_000;

/**
 * A device's answer to the question whether an update was cut off:
 *
 * - `idle`: nothing is staged, and the device is free of an update that was cut off
 * - `idle_or_staged`: no update was cut off. The device is idle, or has an image to boot
 * - `progress`: an update is in progress; `flashed`: the image in question waits for the reboot
 * - `reboot_pending`: a reboot is pending, for an image or a configuration
 * - `busy`: the device reports that it has something else to finish
 * - `gone`: the device, or our connection, was lost meanwhile
 * - `silence`: no answer, or none that says anything
 */
export type StaleUpdate =
  'idle' | 'idle_or_staged' | 'progress' | 'flashed' | 'reboot_pending' | 'busy' | 'gone' | 'silence';

/**
 * Asks a device whether an update was cut off, and frees the device of such an update, with the question of its dialect.
 * A device in the middle of a live update answers after that update.
 */
export async function askStaleUpdate(stuck: StuckDevice): Promise<StaleUpdate> {
  const answer = await askWithin(stuck, {});
  return typeof answer === 'string' ? answer : 'gone';
}

/** Asks as `askStaleUpdate` does, if the limits allow it. Returns why if the question was not sent. */
export async function askWithin(stuck: StuckDevice, limits: AskLimits): Promise<StaleUpdate | NotSent> {
  const { broker, device, settings, observer } = stuck;
  const known = broker.registry.get(device);
  const dialect = dialectOf(known);
  const level = levelOf(dialect, known, stuck.md5);
  if (level === undefined) return 'silence';
  const topic = `${broker.baseTopic}${device}/$implementation/ota/firmware/${level}`;
  const unsent = await sendSmall(stuck, topic, dialect.question.payload, limits);
  if (unsent !== undefined) return unsent;
  let until = observer.clock() + settings.accepted;
  let isFirstHere = false;
  for (;;) {
    const event = await observer.next(until);
    if (event === undefined) return isFirstHere ? 'idle_or_staged' : 'silence';
    const answer = answerIn(event, dialect, isFirstHere);
    if (answer === 'first_half') {
      isFirstHere = true;
      until = Math.min(until, observer.clock() + SECOND_HALF);
    } else if (answer !== undefined) return answer;
  }
}

/** Returns the last level of the topic of the question: an MD5, or one that no device takes for an MD5. */
function levelOf({ question }: Dialect, known: Device | undefined, md5: string): string | undefined {
  return { running: known?.checksum?.value, image: md5, none: 'x' }[question.to];
}

/**
 * Returns what an event means as an answer to the question of the dialect; undefined if it is no answer.
 *
 * @param isFirstHere whether the first half of the answer has come
 */
function answerIn(event: DeviceEvent, dialect: Dialect, isFirstHere: boolean): StaleUpdate | 'first_half' | undefined {
  if (event.attribute === 'connection' || !event.live) return undefined;
  if (hasLeft(event)) return 'gone';
  const status = event.attribute === 'otaStatus' ? parseStatus(event.value) : undefined;
  return status && answerBy(status, dialect, isFirstHere);
}

function answerBy(
  status: OtaStatus,
  { question, discarded }: Dialect,
  isFirstHere: boolean,
): StaleUpdate | 'first_half' | undefined {
  if (status.kind === 'refused' && isBusy(status.code)) {
    return status.code === 'DEVICE_REBOOT_PENDING' ? 'reboot_pending' : 'busy';
  }
  if (!isFirstHere && question.first?.test(status.text) === true) return 'first_half';
  // Without its first half, it answers something else.
  const isAnswer = (isFirstHere || question.needsFirst !== true) && question.idle.test(status.text);
  if (isAnswer || discarded?.test(status.text) === true) return 'idle';
  switch (status.kind) {
    case 'flashed':
      return 'flashed';
    case 'accepted':
    case 'progress':
      return 'progress';
    default:
      return undefined;
  }
}

/** How many questions may be lost with a connection. */
const ASKED = 3;

/** The shortest time between a question that did not reach the device and the next one, in ms. */
export const ASK_AGAIN = 500;

/**
 * Asks as `askStaleUpdate` does, and asks again if a connection is lost meanwhile.
 *
 * @returns the answer; `changed` if the device came back with another firmware instead: it has booted, so there is
 *   nothing left to ask
 */
export async function abortStaleUpdate(stuck: StuckDevice): Promise<StaleUpdate | 'changed'> {
  const running = (): string | undefined => stuck.broker.registry.get(stuck.device)?.checksum?.value;
  const { observer, settings } = stuck;
  const before = running();
  let until = observer.clock() + settings.ready;
  for (let asked = 0; ;) {
    const answer = await askWithin(stuck, {});
    const isUnsent = typeof answer !== 'string';
    // Sending may be blocked for a moment, for instance while the lock of the user directory is confirmed.
    if (isUnsent) await pass(observer, observer.clock() + ASK_AGAIN);
    else if (answer !== 'gone') return answer;
    else asked += 1;
    const wasCut = isUnsent && !stuck.broker.isSettled;
    if (!(await isBack(stuck))) return 'gone';
    if (wasCut) {
      // The question was lost with our own connection.
      asked += 1;
      until = observer.clock() + settings.ready;
    }
    if (before !== undefined && running() !== before) return 'changed';
    if (asked === ASKED || (isUnsent && observer.clock() >= until)) return 'gone';
  }
}

/** Waits until `until`, on the clock of the observer, and lets the observer process events meanwhile. */
async function pass(observer: DeviceObserver, until: number): Promise<void> {
  while (observer.clock() < until) await observer.next(Number.POSITIVE_INFINITY, until);
}

async function isBack({ broker, device, observer, settings, abandon }: StuckDevice): Promise<boolean> {
  await settledOrAbandoned(broker, abandon);
  const until = observer.clock() + settings.ready;
  while (!broker.isSettled || observer.advertisement?.readyAt === undefined || !isReady(broker, device)) {
    if ((await observer.next(until)) === undefined) return isReady(broker, device);
    await settledOrAbandoned(broker, abandon);
  }
  return true;
}

/**
 * Restarts a device with an empty configuration patch: the firmware rewrites its configuration and reboots (seen on
 * homie-esp8266 ba452ea). This is not without risk: if the power fails meanwhile, the device starts in configuration
 * mode. It is used only if nothing else shows what the device has to boot, or frees its updater.
 *
 * @returns whether the device is ready again and its uptime shows the reboot
 */
export async function restart(stuck: StuckDevice, limits: AskLimits = {}): Promise<boolean> {
  const { broker, device, settings, observer } = stuck;
  const publishedAt = performance.now();
  const known = broker.registry.get(device);
  const before = known === undefined ? { value: 0, at: publishedAt } : reachedUptime(known, publishedAt);
  observer.expectAnother();
  const topic = `${broker.baseTopic}${device}/$implementation/config/set`;
  if ((await sendSmall(stuck, topic, '{}', limits)) !== undefined) return false;
  const until = observer.clock() + settings.reboot + settings.ready;
  for (;;) {
    if ((await observer.next(until)) === undefined) return false;
    const uptime = observer.advertisement?.uptime;
    if (uptime === undefined) continue;
    if (restartShown(before, uptime)) {
      await broker.locks.rebooted(device);
      return true;
    }
    // A mere reconnect: the reboot is still to come.
    observer.expectAnother();
  }
}

/** Publishes a question or an empty patch. Returns why if the broker does not have it. */
async function sendSmall(
  stuck: StuckDevice,
  topic: string,
  payload: Buffer | string,
  limits: AskLimits,
): Promise<NotSent | undefined> {
  const { broker, device, job, abandon } = stuck;
  const isRestart = typeof payload === 'string';
  const sent = await sendToDevice(
    {
      ...limits,
      broker,
      device,
      job,
      abandon,
      seen: sightingOf(broker, device),
      // A reboot that is already pending is what the restart is for, so it stays recorded.
      ...(isRestart && !broker.locks.isRebootPending(device) && { stages: 'patch' }),
    },
    { topic, payload, qos: 1, timeout: SMALL_PUBLISH },
  );
  if (sent.kind === 'sent' && sent.error === undefined) return undefined;
  abandon.throwIfAborted();
  if (sent.kind === 'not_sent') return sent;
  if (!isConnectionGone(sent.error)) throw sent.error;
  return { kind: 'not_sent', why: 'changed' };
}
