import { Firmware } from '../../src/firmware/firmware';
import type { Device } from '../../src/homie/device';
import { plainText } from '../../src/plain-text';
import { Queue } from '../../src/rollout/queue';
import type { HomieBroker } from '../../src/homie/broker';
import type { StoredImage } from '../../src/library/stored-image';
import { tally } from '../../src/tally';
import { versionOrChecksum } from '../../src/update/firmware-name';
import { offeredFirmware, type OfferedFirmware } from '../shared/offered-firmware';
import type { SidebarJobs } from '../shared/sidebar-jobs';
import type { OfferAnswer, OfferCard } from './answers';

/** Returns the images on offer for the devices of a broker, newest first. */
export function offerCards(broker: HomieBroker): OfferCard[] {
  const { library, updates } = Queue.of(broker);
  const { scope } = broker.locks;
  const known = [...broker.registry.devices.values()].filter(({ state }) => state !== undefined);
  const offers = library.offers(scope);
  if (offers.length === 0) return [];
  const imageOf = (device: Device): string[] => {
    const choice = library.offerFor(scope, device);
    return 'image' in choice ? [choice.image.md5] : [];
  };
  const devices = tally(known.flatMap(imageOf));
  const available = tally(
    known.flatMap((device) => {
      const found = updates.offerOf(device);
      return found?.state === 'available' ? [found.image.md5] : [];
    }),
  );
  return offers.toReversed().map((image) => ({
    ...described(image),
    at: library.offeredAt(scope, image.md5) ?? 0,
    available: available[image.md5] ?? 0,
    devices: devices[image.md5] ?? 0,
  }));
}

/**
 * Puts an uploaded image on offer.
 *
 * @throws {HomieError} why it is no firmware; the errors of `Library.offer`; USER_DIR_IN_USE
 */
export async function offer(jobs: SidebarJobs, bytes: Buffer, replace: boolean): Promise<OfferAnswer> {
  const firmware = await Firmware.from(bytes);
  await jobs.openStore();
  const { image, instead } = await jobs.queue.library.offer(jobs.broker.locks.scope, firmware, replace);
  return {
    offered: instead === undefined,
    offer: described(image),
    ...(instead && { instead: plainText(versionOrChecksum(instead)) }),
  };
}

/**
 * Stops offering an image.
 *
 * @throws {HomieError} NOT_ON_OFFER, USER_DIR_IN_USE
 */
export async function withdraw(jobs: SidebarJobs, checksum: string): Promise<undefined> {
  await jobs.openStore();
  await jobs.queue.library.withdraw(jobs.broker.locks.scope, checksum);
}

function described(image: StoredImage): OfferedFirmware {
  const { name, version, ...rest } = offeredFirmware(image);
  return { name: plainText(name), ...(version !== undefined && { version: plainText(version) }), ...rest };
}
