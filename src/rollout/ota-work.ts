import { HomieError } from '../errors';
import { Firmware } from '../firmware/firmware';
import type { DeviceChoice } from '../homie/select';
import { check, type CheckSummary } from '../ota/check';
import { otaDefaults, type OtaSettings } from '../ota/settings';
import { isImageOrigin, type ImageOrigin } from '../library/choose';
import { imageName } from '../update/firmware-name';
import type { Clock } from './clock';
import type { ReadAgain } from './job-image';
import { heldBecause, exclusionApplies, stoppedBecause } from './held-back';
import { OtaJob } from './ota-job';
import { rolloutDefaults, type RolloutSettings } from './settings';
import { Queue } from './queue';
import type { JobStore } from './store/job-store';
import { nameOf, type Work, type WorkContext } from './work';

/** A request to update devices, without the image. Plain data. */
export interface OtaWish {
  readonly choice: DeviceChoice;
  readonly settings: OtaSettings;
  readonly rollout: RolloutSettings;
  /** Where the image comes from; undefined if the message contains it. */
  readonly origin?: ImageOrigin;
}

/** The environment of work that sends an image. */
export interface OtaWorkContext extends WorkContext {
  /** Where jobs are stored; undefined when they cannot be stored. */
  readonly store?: JobStore | undefined;
  readonly clock?: Clock;
}

/** Returns the work for an update. */
export function otaWork(firmware: Firmware, wish: OtaWish, around: OtaWorkContext): Work {
  const { choice, settings, rollout, origin } = wish;
  const { broker, author, store, clock } = around;
  const { md5, name } = firmware.info;
  const readAgain = rollout.persist ? reader(md5, store) : undefined;
  const input = { broker, firmware, ...(readAgain && { readAgain }), choice, settings, origin, author };
  return {
    brings: 'image',
    identity: md5,
    ...(name !== undefined && { subject: name }),
    forAll: 'runningThisFirmware' in choice,
    to: imageName(firmware.info),
    ...(author && { by: nameOf(author) }),
    isRollback: origin === 'previous',
    wish,
    make: (options) => new OtaJob(input, rollout, { ...(clock && { clock }), ...options }),
    ...(rollout.persist && { record: { keep: rollout.keep, work: wish, firmware: { md5, image: firmware.image } } }),
  };
}

/**
 * Recreates the work from its stored data.
 *
 * @throws {HomieError} FIRMWARE_NOT_KEPT: there is no image
 */
export async function otaWorkAgain(
  written: Partial<OtaWish>,
  firmware: Firmware | undefined,
  around: OtaWorkContext,
): Promise<Work> {
  const { choice = { devices: [] }, settings, rollout, origin } = written;
  const wish = {
    choice,
    ...(isImageOrigin(origin) && { origin }),
    settings: { ...otaDefaults, ...settings },
    rollout: { ...rolloutDefaults, ...rollout },
  };
  if (firmware === undefined) throw new HomieError('FIRMWARE_NOT_KEPT.notSaved');
  return otaWork(firmware, wish, around);
}

/**
 * Returns what the work would do to each device, and sends nothing.
 *
 * @throws {HomieError} the errors of `check`; the error of the connection when it is disconnected
 */
export async function checkOta(
  firmware: Firmware,
  { choice, settings, rollout: { exclude }, origin }: OtaWish,
  { broker }: WorkContext,
  signal: AbortSignal,
): Promise<CheckSummary> {
  if (broker.status.state === 'disconnected') throw broker.status.error;
  const { history, library } = Queue.of(broker);
  const input = { broker, firmware, choice, settings, history, library, origin };
  const found = await check(broker, firmware, choice, settings, {
    signal,
    barred: (device) => {
      const held = heldBecause(input, device);
      if (held !== undefined) return { verdict: 'held', says: held };
      const stopped = stoppedBecause(input, device);
      return stopped === undefined ? undefined : { verdict: 'stopped', says: [stopped] };
    },
    isExcluded: (device) => exclusionApplies(input, device),
    exclude,
  });
  const devices = found.devices.map((each) => {
    const device = broker.registry.get(each.device);
    if (each.verdict !== 'update' || device === undefined) return each;
    return { ...each, canRollBack: library.knowsRunning(broker.locks.scope, device) };
  });
  return { ...found, devices };
}

/** Separate from `otaWork`, so that the returned closure does not keep the image in memory. */
function reader(md5: string, store: JobStore | undefined): ReadAgain | undefined {
  return store && (async () => Firmware.from(await store.firmware.read(md5)));
}
