import { readPatch } from '../../src/config/patch';
import { configDefaults, readConfigSettings } from '../../src/config/settings';
import { Firmware } from '../../src/firmware/firmware';
import { otaDefaults, readOtaSettings } from '../../src/ota/settings';
import { configWork } from '../../src/rollout/config-work';
import { divideByImage } from '../../src/rollout/by-image';
import { otaWork, type OtaWish, type OtaWorkContext } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import type { ImageOrigin } from '../../src/library/choose';
import { readRolloutSettings, rolloutDefaults } from '../../src/rollout/settings';
import type { Work } from '../../src/rollout/work';
import { Home } from './home';
import { image, isOfFamily, type Family } from './images';
import type { ErrandPlan, Plan } from './plan';
import type { RolloutOf } from './record';
import { md5 } from '../support/md5';

/** Deadlines, in s. They are short because most of them run out. */
export const deadlines = { sending: 3, reboot: 3, ready: 2, expires: 3, soak: 0.1 };

/**
 * The patches by version. The sketch refuses the third; the fourth corrects it. The fifth makes files grow, and the
 * sixth replaces a secret with itself. The seventh is too large for one message.
 */
export const patches: readonly [object, ...object[]] = [
  { settings: { percentage: 60 } },
  { name: 'renamed', settings: { percentage: 70 } },
  { settings: { percentage: 101 } },
  { settings: { percentage: 10 } },
  { name: 'a name that is quite a bit longer than before', settings: { percentage: 80 } },
  { wifi: { ssid: 'test', password: 'test' }, settings: { percentage: 90 } },
  { settings: { a: 'a'.repeat(100), b: 'b'.repeat(100), c: 'c'.repeat(100) } },
];
/** The version whose values the sketch refuses. */
export const REFUSED = 3;
/** The version that is sent in several steps. */
export const STEPWISE = 7;

const patchOf = ({ version }: ErrandPlan): object => patches[version - 1] ?? patches[0];

/** Returns the MD5 of the image that an errand sends, or `patch`. */
export function whatOf(plan: Plan, errand: ErrandPlan): string {
  return errand.what === 'set' ? 'patch' : md5(imageOf(plan, errand));
}

/** Returns the indices of the devices that an errand may send to. */
export function meantBy(plan: Plan, errand: ErrandPlan): number[] {
  const { what, exclude, allowIncompatible } = errand;
  const family = familyOf(plan, errand);
  const fits = (index: number): boolean =>
    what === 'set' || allowIncompatible === true || plan.devices[index]?.implementation === family;
  return indicesOf(plan, errand).filter((index) => !exclude.includes(index) && fits(index));
}

/** Returns the settings of an errand that decide when its job may start another device. @see Asked */
export function rolloutOf({ canary, soak = deadlines.soak, maxFailures }: ErrandPlan): RolloutOf {
  return { canary, soak: soak * 1000, maxFailures };
}

/** A message to a node. */
interface Message {
  readonly device?: readonly string[];
  readonly payload: object;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Returns the message of an errand. */
export function messageOf(plan: Plan, errand: ErrandPlan): Message {
  const { what, devices, encoding, concurrency, canary, maxFailures, order, attempts, exclude } = errand;
  const ids =
    devices === 'pattern' ? [Home.id(plan, '*')] : indicesOf(plan, errand).map((index) => Home.id(plan, index));
  const common = {
    ...deadlines,
    // Where the clock goes faster, devices are to wait longer than an outage or an observation lasts.
    expires: plan.haste === 1 ? deadlines.expires : 20 * plan.haste,
    soak: (errand.soak ?? deadlines.soak) * plan.haste,
    concurrency,
    canary,
    maxFailures,
    order,
    ...(exclude.length > 0 && { exclude: exclude.map((index) => Home.id(plan, index)) }),
  };
  if (what === 'set') {
    const secrets = plan.devices.map(({ stale }) => 2 * (stale?.secret ?? 0));
    const steps = errand.version === STEPWISE ? { split: true, secretBytes: 10 + Math.max(...secrets) } : {};
    return { device: ids, payload: patchOf(errand), options: { ...common, ...steps, received: 1.5, allowRisky: true } };
  }
  return {
    ...(devices !== 'all' && { device: ids }),
    payload: imageOf(plan, errand),
    options: {
      ...common,
      accepted: 1.5,
      stall: 1.5,
      encoding,
      attempts,
      ...(devices === 'all' && { matchFirmware: true }),
      ...(errand.allowIncompatible && { allowIncompatible: true }),
      ...(errand.force && { force: true }),
    },
  };
}

/** Returns the work that the message of an errand requests. */
export async function workOf(plan: Plan, errand: ErrandPlan, around: OtaWorkContext): Promise<Work> {
  const { device: devices = [], payload, options } = messageOf(plan, errand);
  if (errand.what === 'update') return otaWork(await Firmware.from(payload), wishOf(plan, errand), around);
  const rollout = readRolloutSettings(rolloutDefaults, options);
  const settings = readConfigSettings(configDefaults, options);
  return configWork({ patch: readPatch(payload), devices, settings, rollout }, around);
}

function wishOf(plan: Plan, errand: ErrandPlan): OtaWish {
  const { device: devices = [], options } = messageOf(plan, errand);
  const choice = errand.devices === 'all' ? { runningThisFirmware: true as const } : { devices };
  return {
    choice,
    settings: readOtaSettings(otaDefaults, options),
    rollout: readRolloutSettings(rolloutDefaults, options),
  };
}

/** The work for one image of the library, and the indices of the devices that may get it. */
interface LibraryWork {
  readonly work: Work;
  readonly what: string;
  readonly devices: readonly number[];
}

/** Returns the work of an errand whose images come from the library. */
export async function libraryWorks(
  plan: Plan,
  errand: ErrandPlan,
  origin: ImageOrigin,
  around: OtaWorkContext,
): Promise<LibraryWork[]> {
  const { broker } = around;
  const { library } = Queue.of(broker);
  const { choice, settings, rollout } = wishOf(plan, errand);
  if (origin === 'offer') await library.offer(broker.locks.scope, await Firmware.from(imageOf(plan, errand)));
  const { signal } = new AbortController();
  const { groups } = await divideByImage({ broker, library, origin, choice, exclude: [], continuous: false, signal });
  const wish = { settings: { ...settings, allowDowngrade: origin === 'previous' }, rollout, origin };
  return Promise.all(
    groups.map(async ({ image: { md5: what }, choice: own }) => {
      const fits = (index: number): boolean =>
        isOfFamily(what, plan.devices[index]?.implementation ?? 'esp32', plan.size);
      const devices = indicesOf(plan, errand).filter((index) => !errand.exclude.includes(index) && fits(index));
      return { work: otaWork(await library.read(what), { ...wish, choice: own }, around), what, devices };
    }),
  );
}

function indicesOf(plan: Plan, { devices }: ErrandPlan): readonly number[] {
  return typeof devices === 'string' ? plan.devices.map((_device, index) => index) : devices;
}

function familyOf(plan: Plan, errand: ErrandPlan): Family {
  return plan.devices[indicesOf(plan, errand)[0] ?? 0]?.implementation ?? 'esp8266';
}

function imageOf(plan: Plan, errand: ErrandPlan): Buffer {
  return image((['running', 'next'] as const)[errand.version] ?? 'newest', familyOf(plan, errand), plan.size);
}
