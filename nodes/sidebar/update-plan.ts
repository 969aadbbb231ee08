import { HomieError } from '../../src/errors';
import { untilSettled } from '../../src/homie/presence';
import type { DeviceChoice } from '../../src/homie/select';
import { divideByImage, type ByImage } from '../../src/rollout/by-image';
import { checkImages, type ImageCheck } from '../../src/rollout/check-images';
import { allowAgain } from '../../src/rollout/held-back';
import { otaWork, type OtaWish } from '../../src/rollout/ota-work';
import { phrase } from '../../src/texts/text';
import { versionOrChecksum } from '../../src/update/firmware-name';
import type { SidebarJobs } from '../shared/sidebar-jobs';
import type { PlannedDevice, PlanRequest } from './answers';
import { nameOf, plainFirmware } from './planned-device';
import type { Plan } from './plans';
import { SidebarRefusal } from './sidebar-refusal';

/** Verdicts of devices that the update would skip, whatever happens in the meantime. */
const leftAlone: ReadonlySet<ImageCheck['verdict']> = new Set<ImageCheck['verdict']>([
  'up_to_date',
  'older',
  'ota_disabled',
  'incompatible',
  'held',
  'stopped',
  'excluded',
  'nothing_on_offer',
]);

/**
 * Plans an update with the images on offer, or a rollback to the images before. Only an update of a single device includes
 * an image that is held back from it: the user has read why, and confirms.
 *
 * @throws {HomieError} NOTHING_ON_OFFER, NOT_ON_OFFER, INVALID_SETTING; the errors of `divideByImage` and `checkImages`
 */
export async function planUpdate(
  jobs: SidebarJobs,
  { action, devices, checksum }: Pick<PlanRequest, 'action' | 'devices' | 'checksum'>,
): Promise<Plan> {
  const { broker, around, closing, queue } = jobs;
  const { history, library } = queue;
  const origin = action === 'rollback' ? 'previous' : 'offer';
  const { ota, rollout } = jobs.settings;
  await untilSettled(broker, closing);
  const ids = devices ?? withOffer(jobs, checksum);
  if (ids.length === 0) return { devices: [], begin: undefined };
  // Only a single device counts as named by its id.
  const isSingle = devices?.length === 1;
  const choice: DeviceChoice = isSingle ? { devices } : { devices: ids, together: true };
  const settings = origin === 'previous' ? { ...ota, allowDowngrade: true } : ota;
  const wish: OtaWish = { choice, settings, rollout, origin };
  const { exclude } = rollout;
  const all = await divideByImage({ broker, library, origin, choice, exclude, continuous: false, signal: closing });
  const groups = all.groups.filter(({ image }) => checksum === undefined || image.md5 === checksum);
  const checked = await checkImages({ ...all, groups }, wish, around, closing);
  const planned = [...checked.map((each) => plannedOf(jobs, each, isSingle)), ...withOther(jobs, all, checksum)];
  const places = new Map(ids.map((id, index) => [id, index]));
  planned.sort((a, b) => (places.get(a.id) ?? 0) - (places.get(b.id) ?? 0));

  const isHeld = isSingle && checked.some(({ verdict }) => verdict === 'held');
  const included = new Set(planned.flatMap(({ id, included: isIncluded }) => (isIncluded ? [id] : [])));
  const parts = groups
    .map(({ image, devices: own }) => ({ image, devices: own.filter((id) => included.has(id)) }))
    .filter((part) => part.devices.length > 0);
  const isOther = ({ image, devices: own }: (typeof parts)[number]): boolean =>
    own.some((id) => {
      const chosen = library.choose(origin, broker.locks.scope, broker.registry.get(id) ?? { id });
      return 'error' in chosen || chosen.image.md5 !== image.md5;
    });
  const begin = async (): Promise<string[]> => {
    if (parts.some(isOther)) throw new SidebarRefusal('changed');
    const works = parts.map(async ({ image: { md5 }, devices: own }) => {
      const firmware = await library.read(md5);
      if (isHeld) for (const id of own) allowAgain({ broker, history, library }, id, md5);
      return otaWork(firmware, { ...wish, choice: { ...choice, devices: own } }, around);
    });
    const ready = await Promise.all(works);
    const begun: string[] = [];
    for (const work of ready) begun.push(await jobs.begin(work));
    return begun;
  };
  return { devices: planned, others: othersOf(jobs, ids, groups), begin: parts.length > 0 ? begin : undefined };
}

/**
 * Returns the devices that do not run the image on offer for them.
 *
 * @throws {HomieError} NOTHING_ON_OFFER, NOT_ON_OFFER
 */
function withOffer({ broker, queue }: SidebarJobs, checksum: string | undefined): string[] {
  const offers = queue.library.offers(broker.locks.scope);
  if (offers.length === 0) throw new HomieError('NOTHING_ON_OFFER');
  if (checksum !== undefined && !offers.some(({ md5 }) => md5 === checksum)) throw new HomieError('NOT_ON_OFFER');
  return [...broker.registry.devices.values()]
    .filter((device) => {
      const offer = device.state && queue.updates.offerOf(device);
      if (offer === undefined || offer.state === 'up_to_date') return false;
      return checksum === undefined || offer.image.md5 === checksum;
    })
    .map(({ id }) => id)
    .sort();
}

/** Returns the selected devices that get another image than the one with this MD5. */
function withOther(jobs: SidebarJobs, { groups }: ByImage, checksum: string | undefined): PlannedDevice[] {
  if (checksum === undefined) return [];
  return groups
    .filter(({ image }) => image.md5 !== checksum)
    .flatMap(({ image, devices }) =>
      devices.map((id) => ({
        id,
        ...nameOf(jobs.broker, id),
        included: false,
        verdict: 'other_image',
        says: [phrase('plan.otherImage', { version: versionOrChecksum(image) })],
      })),
    );
}

function plannedOf(
  jobs: SidebarJobs,
  { device, verdict, says, from, to, canRollBack }: ImageCheck,
  isSingle: boolean,
): PlannedDevice {
  const isHeld = verdict === 'held' && isSingle;
  const more = isHeld ? [...says.slice(0, 1), phrase('plan.heldAnyway')] : says;
  return {
    id: device,
    ...nameOf(jobs.broker, device),
    included: isHeld || !leftAlone.has(verdict),
    verdict,
    says: canRollBack === false ? [...more, phrase('plan.noWayBack')] : more,
    from: plainFirmware(from),
    ...(to && { to: plainFirmware(to) }),
  };
}

/** Returns how many more devices run the firmware but are not selected. */
function othersOf({ broker }: SidebarJobs, ids: readonly string[], groups: ByImage['groups']): number {
  const names = new Set(groups.map(({ image }) => image.name));
  const selected = new Set(ids);
  return [...broker.registry.devices.values()].filter(
    ({ id, state, fwName }) => state !== undefined && names.has(fwName?.value ?? '') && !selected.has(id),
  ).length;
}
