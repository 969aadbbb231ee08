import type { HomieBroker } from '../homie/broker';
import type { DeviceEvent } from '../homie/device';
import { publishToDevice, sightingOf } from '../homie/gate';
import { isConnectionGone, isReady, settledOrAbandoned } from '../homie/presence';
import { hasDisconnected, type DeviceObserver } from '../homie/device-observer';
import { reachedUptime, restartShown } from '../homie/uptime';
import type { OtaSettings } from './settings';
import { isBusy, parseStatus } from './status';

/** A device whose update may have been cut off. */
export interface StuckDevice {
  readonly broker: HomieBroker;
  readonly device: string;
  /** The job that holds the lock of the device. */
  readonly job: string;
  readonly settings: OtaSettings;
  readonly observer: DeviceObserver;
  /** Aborted when the device can no longer be watched. */
  readonly abandon: AbortSignal;
}

/** How long the broker may take to acknowledge a question or an empty patch, in ms. */
const SMALL_PUBLISH = 10_000;

/**
 * The payload of the question. It must fill more than one TCP segment, and must not begin with 0xE9 or its base64: if
 * the device runs another image by now, it then answers `202`, `400 BAD_FIRMWARE`, and writes nothing.
 */
const QUESTION = Buffer.alloc(4096);

/** How long to wait for the second half of the answer after the `304`, in ms. */
const SECOND_HALF = 2_000;

/**
 * A device's answer to the question whether an update was cut off:
 *
 * - `cut_off`: an update was cut off, and the device is free of it now; nothing is staged
 * - `idle_or_staged`: no update was cut off. The device is idle, or has an image to boot
 * - `progress`: an update is in progress; `flashed`: an update has just ended
 * - `busy`: the device reports that it has something else to finish, such as a reboot
 * - `gone`: the device, or our connection, was lost meanwhile
 * - `silence`: no answer, or none that says anything
 */
export type StaleUpdate = 'cut_off' | 'idle_or_staged' | 'progress' | 'flashed' | 'busy' | 'gone' | 'silence';

/**
 * Asks a device whether an update was cut off, and frees the device of such an update, by sending zeros to the firmware
 * topic of the *running* image. In the middle of a dead update, the device answers `304` and then
 * `500 INTERNAL_ERROR 0`, and its updater is free again. An idle device and one with a staged image both answer `304`
 * alone (homie-esp8266 BootNormal.cpp `__handleOTAUpdates`, seen on ba452ea). A device in the middle of a live update
 * answers after that update.
 */
export async function askStaleUpdate(stuck: StuckDevice): Promise<StaleUpdate> {
  const answer = await ask(stuck);
  return answer === 'unsent' ? 'gone' : answer;
}

async function ask(stuck: StuckDevice): Promise<StaleUpdate | 'unsent'> {
  const { broker, device, settings, observer } = stuck;
  const checksum = broker.registry.get(device)?.checksum?.value;
  if (checksum === undefined) return 'silence';
  const topic = `${broker.baseTopic}${device}/$implementation/ota/firmware/${checksum}`;
  if (!(await sendSmall(stuck, topic, QUESTION))) return 'unsent';
  let until = observer.clock() + settings.accepted;
  let isRunning = false;
  for (;;) {
    const event = await observer.next(until);
    if (event === undefined) return isRunning ? 'idle_or_staged' : 'silence';
    const answer = answerIn(event, isRunning);
    if (answer === 'first_half') {
      isRunning = true;
      until = Math.min(until, observer.clock() + SECOND_HALF);
    } else if (answer !== undefined) return answer;
  }
}

/**
 * Returns what an event means as an answer to the question; `first_half` for the `304`, undefined if it is no answer.
 *
 * @param isSecond whether the `304` has come
 */
function answerIn(event: DeviceEvent, isSecond: boolean): StaleUpdate | 'first_half' | undefined {
  if (event.attribute === 'connection' || !event.live) return undefined;
  if (event.attribute === 'state' && (event.value === 'init' || hasDisconnected(event.value))) return 'gone';
  const status = event.attribute === 'otaStatus' ? parseStatus(event.value) : undefined;
  switch (status?.kind) {
    case 'unchanged':
      return 'first_half';
    case 'refused':
      if (isBusy(status.code)) return 'busy';
      // Without the 304, this answers something else.
      return isSecond ? 'cut_off' : undefined;
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
    const answer = await ask(stuck);
    // Sending may be blocked for a moment, for instance while the lock of the user directory is confirmed.
    if (answer === 'unsent') await pass(observer, observer.clock() + ASK_AGAIN);
    else if (answer !== 'gone') return answer;
    else asked += 1;
    const wasCut = answer === 'unsent' && !stuck.broker.isSettled;
    if (!(await isBack(stuck))) return 'gone';
    if (wasCut) {
      // The question was lost with our own connection.
      asked += 1;
      until = observer.clock() + settings.ready;
    }
    if (before !== undefined && running() !== before) return 'changed';
    if (asked === ASKED || (answer === 'unsent' && observer.clock() >= until)) return 'gone';
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
export async function restart(stuck: StuckDevice): Promise<boolean> {
  const { broker, device, settings, observer } = stuck;
  const publishedAt = performance.now();
  const known = broker.registry.get(device);
  const before = known === undefined ? { value: 0, at: publishedAt } : reachedUptime(known, publishedAt);
  observer.expectAnother();
  if (!(await sendSmall(stuck, `${broker.baseTopic}${device}/$implementation/config/set`, '{}'))) return false;
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

/** Publishes a question or an empty patch, and returns whether the broker has it. */
async function sendSmall(stuck: StuckDevice, topic: string, payload: Buffer | string): Promise<boolean> {
  const { broker, device, job, abandon } = stuck;
  const isRestart = typeof payload === 'string';
  try {
    const sent = await publishToDevice(
      {
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
    if (!('notSent' in sent)) return true;
  } catch (error) {
    abandon.throwIfAborted();
    if (!isConnectionGone(error)) throw error;
  }
  abandon.throwIfAborted();
  return false;
}
