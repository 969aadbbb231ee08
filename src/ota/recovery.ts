import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { OtaSettings } from './settings';
import { isReady } from '../homie/presence';
import { isAway, type Sight } from '../homie/sight';
import { isBusy, parseStatus } from './status';
import { rebootShown, upForASecond } from '../homie/uptime';

/** A device that needs help. */
export interface Patient {
  readonly broker: HomieBroker;
  readonly device: string;
  readonly settings: OtaSettings;
  readonly sight: Sight;
}

/** How long the broker may take to acknowledge one of these small messages, in ms. */
const SMALL_PUBLISH = 10_000;

/**
 * Asks the updater of a device to let go of an update that was cut off: one byte to a firmware topic whose last level
 * is no MD5. It is answered `400 BAD_CHECKSUM`; nothing is written and nothing reboots (homie-esp8266 BootNormal.cpp
 * `__handleOTAUpdates`). A device in the middle of an update answers only after that update.
 *
 * @returns what came instead of the answer: `progress` when an update is under way, `flashed` when one has just ended,
 * `busy` when the device says that it has something else to finish, `gone` when it lost its connection, `silence` when
 * nothing came in time
 */
export async function letGo({
  broker,
  device,
  settings,
  sight,
}: Patient): Promise<'freed' | 'progress' | 'flashed' | 'busy' | 'gone' | 'silence'> {
  const topic = `${broker.baseTopic}${device}/$implementation/ota/firmware/x`;
  await broker.connection.publish(topic, 'x', { qos: 1, timeout: SMALL_PUBLISH });
  const until = sight.clock() + settings.accepted;
  for (;;) {
    const event = await sight.next(until);
    if (event === undefined) return 'silence';
    if (event.attribute === 'state' && event.live && (event.value === 'init' || isAway(event.value))) return 'gone';
    if (event.attribute !== 'otaStatus' || !event.live) continue;
    const status = parseStatus(event.value);
    if (status?.kind === 'refused') return isBusy(status.code) ? 'busy' : 'freed';
    if (status?.kind === 'flashed') return 'flashed';
    if (status?.kind === 'accepted' || status?.kind === 'progress') return 'progress';
  }
}

/** How often a device is asked to let go. */
const ASKED = 3;

/** The same; where a connection is lost meanwhile, it is asked again. @returns whether it let go */
export async function release(patient: Patient): Promise<boolean> {
  for (let asked = 1; ; asked += 1) {
    const answer = await letGo(patient).catch(connectionGone);
    if (answer !== undefined && answer !== 'gone') return answer === 'freed';
    if (asked === ASKED || !(await isBack(patient))) return false;
  }
}

/**
 * Frees a half-dead device: ready, but without statistics and deaf to its properties since its connection was cut in
 * the middle of a transfer (seen on homie-esp8266 ba452ea).
 *
 * @returns whether it is proven by a live uptime; a device that sends none is freed all the same
 */
export async function free(patient: Patient): Promise<boolean> {
  const { broker, device } = patient;
  return (await release(patient)) && broker.registry.get(device)?.uptime !== undefined && showsUptime(patient);
}

async function showsUptime({ sight, settings }: Patient): Promise<boolean> {
  const until = sight.clock() + settings.ready;
  // Where it has connected anew meanwhile, it has sent its uptime at once, or is half dead.
  if (sight.advertisement?.uptime !== undefined) return true;
  for (;;) {
    const event = await sight.next(until);
    if (event === undefined) return false;
    if (event.attribute === 'uptime' && event.live) return true;
  }
}

async function isBack({ broker, device, sight, settings }: Patient): Promise<boolean> {
  const until = sight.clock() + settings.ready;
  do {
    if ((await sight.next(until)) === undefined) return false;
  } while (sight.advertisement?.readyAt === undefined || !isReady(broker, device));
  return true;
}

/** A publish that failed for want of a connection. */
export function connectionGone(error: unknown): undefined {
  const codes = ['NOT_CONNECTED', 'CONNECTION_LOST', 'PUBLISH_TIMEOUT'];
  if (!(error instanceof HomieError) || !codes.includes(error.code)) throw error;
}

/**
 * Restarts a device whose updater is stuck, by an empty configuration patch: the firmware writes its configuration anew
 * and reboots (seen on homie-esp8266 ba452ea). Not without risk, so only for a device that was found stuck.
 *
 * @returns whether it is ready again, and its uptime shows the reboot
 */
export async function restart({ broker, device, settings, sight }: Patient): Promise<boolean> {
  const publishedAt = performance.now();
  const known = broker.registry.get(device);
  const upBefore = known !== undefined && upForASecond(known, publishedAt);
  sight.expectAnother();
  await broker.connection.publish(`${broker.baseTopic}${device}/$implementation/config/set`, '{}', {
    qos: 1,
    timeout: SMALL_PUBLISH,
  });
  const until = sight.clock() + settings.reboot + settings.ready;
  for (;;) {
    if ((await sight.next(until)) === undefined) return false;
    const uptime = sight.advertisement?.uptime;
    if (uptime === undefined) continue;
    if (rebootShown(uptime, publishedAt, upBefore)) return true;
    // A mere reconnect: the reboot is still to come.
    sight.expectAnother();
  }
}
