/** Devices that get their images from the library: which device gets which. */
import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { isPattern, matchAny } from '../homie/pattern';
import { untilSettled } from '../homie/presence';
import { namedDevices, selectKnown, type DeviceChoice } from '../homie/select';
import type { Library } from '../library/library';
import type { ImageOrigin } from '../library/choose';
import type { StoredImage } from '../library/stored-image';
import { excluded, exclusionApplies } from './held-back';

/** An image, and the devices that get it: as they were selected, so that a pattern stays a pattern. */
export interface ImageGroup {
  readonly image: StoredImage;
  readonly choice: DeviceChoice;
  /** The devices that are known to get it. */
  readonly devices: readonly string[];
}

/** A selection of devices by the images that they get. */
export interface ByImage {
  readonly groups: readonly ImageGroup[];
  /** Devices for which there is no image: excluded, or refused with NOTHING_ON_OFFER or NOTHING_TO_GO_BACK_TO. */
  readonly without: readonly DeviceWithout[];
}

/** A device for which there is no image, and how it ends. */
export interface DeviceWithout {
  readonly device: string;
  readonly outcome: { readonly state: 'rejected'; readonly error: HomieError } | typeof excluded;
}

interface ByImageInput {
  readonly broker: HomieBroker;
  readonly library: Library;
  readonly origin: ImageOrigin;
  readonly choice: DeviceChoice;
  /** Ids and patterns of excluded devices. */
  readonly exclude: readonly string[];
  /** Devices may appear later, too: an image on offer that no known device needs is a group of its own. */
  readonly continuous: boolean;
  readonly signal: AbortSignal;
}

/**
 * Divides devices by the images that the library has for them, once what is retained has settled. All devices that run this
 * firmware are then those whose firmware name has an offer.
 *
 * @throws {HomieError} NOTHING_ON_OFFER, NO_MATCH, NO_DEVICE, INVALID_DEVICE_ID; why there is no connection; the reason of
 *   the signal
 */
export async function divideByImage(input: ByImageInput): Promise<ByImage> {
  const { broker, library, origin, choice, exclude, continuous } = input;
  const { registry, locks } = broker;
  const ids = await find(input);
  const patterns = 'devices' in choice ? choice.devices.filter(isPattern) : [];
  const named = new Set(namedDevices(choice));
  const devices = new Map<StoredImage, string[]>();
  const isInSettings = matchAny(exclude);
  const isExcluded = (id: string): boolean => isInSettings(id) || exclusionApplies(input, id);
  const without: DeviceWithout[] = [];
  const mayCome = !('devices' in choice) || patterns.length > 0;
  if (continuous && mayCome && origin === 'offer')
    for (const image of library.offers(locks.scope)) devices.set(image, []);
  for (const id of ids) {
    const found = library.choose(origin, locks.scope, registry.get(id) ?? { id });
    if ('error' in found) without.push({ device: id, outcome: isExcluded(id) ? excluded : rejected(found.error) });
    else devices.set(found.image, [...(devices.get(found.image) ?? []), id]);
  }
  const groups = [...devices].map(([image, own]) => ({ image, devices: own, choice: choiceOf(own) }));
  return { groups, without };

  function choiceOf(own: readonly string[]): DeviceChoice {
    if (!('devices' in choice)) return choice;
    return { ...choice, devices: [...own.filter((id) => named.has(id)), ...patterns] };
  }
}

function rejected(error: HomieError): DeviceWithout['outcome'] {
  return { state: 'rejected', error };
}

async function find({ broker, library, choice, continuous, signal }: ByImageInput): Promise<readonly string[]> {
  if ('devices' in choice) return selectKnown(broker, choice, undefined, signal);
  const names = new Set(library.offers(broker.locks.scope).map(({ name }) => name));
  if (names.size === 0) throw new HomieError('NOTHING_ON_OFFER');
  await untilSettled(broker, signal);
  const ids = [...broker.registry.devices.values()]
    .filter(({ fwName }) => fwName !== undefined && names.has(fwName.value))
    .map(({ id }) => id)
    .sort();
  if (ids.length > 0 || continuous) return ids;
  throw broker.refusal('$fw/name') ?? new HomieError('NO_MATCH.offers', { baseTopic: broker.shownBaseTopic });
}
