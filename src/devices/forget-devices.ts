/** Clears the retained topics of several devices, and forgets their images and exclusions. */
import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { forgetDevice, type Forgetting } from './forget';
import { isPattern } from '../homie/pattern';
import type { Library } from '../library/library';
import type { Image } from '../ota/image';
import { listDevices } from './list';
import type { DeviceQuery } from './query';

/** Where devices are known. */
interface Places {
  readonly broker: HomieBroker;
  readonly library: Library;
}

/**
 * Forgets devices one after the other, each with the images that were proven on it and its exclusion. A device named by its id is always
 * included. A pattern includes the devices that it matches and that also meet the other criteria of the query.
 *
 * @param firmware if given, patterns include only devices that are outdated compared to this image
 * @returns the result for each device
 * @throws {HomieError} NO_DEVICE: the query names no device; NO_MATCH: no device matches; the errors of `listDevices`
 * @throws the reason of the signal
 */
export async function forgetDevices(
  { broker, library }: Places,
  query: DeviceQuery,
  firmware: Image | undefined,
  signal: AbortSignal,
): Promise<Forgetting[]> {
  const names = query.device ?? [];
  if (names.length === 0) throw new HomieError('NO_DEVICE.forget');
  const matches = await listDevices({ broker }, { ...query, device: names.filter(isPattern) }, firmware, signal);
  const ids = [...names.filter((name) => !isPattern(name)), ...matches.map(({ id }) => id)];
  if (ids.length === 0) throw new HomieError('NO_MATCH.forget', { baseTopic: broker.shownBaseTopic });
  await broker.seek(ids, signal);
  const forgotten: Forgetting[] = [];
  for (const id of new Set(ids)) {
    const result = await forgetDevice(broker, id, signal);
    // Nothing is retained of an unknown device, but its images may be kept.
    if (result.error === undefined || result.error.code === 'DEVICE_UNKNOWN')
      await library.forget(broker.locks.keyOf(id));
    forgotten.push(result);
  }
  return forgotten;
}
