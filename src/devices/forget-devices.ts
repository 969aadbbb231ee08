/** Several devices that are to be forgotten. */
import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { forgetDevice, type Forgetting } from './forget';
import { isPattern } from '../homie/pattern';
import type { Image } from '../ota/image';
import { listDevices } from './list';
import type { DeviceQuery } from './query';

/**
 * Forgets devices one after the other. Those that are named are meant in any case; a pattern means the devices that it
 * matches and that fit all else that is asked for.
 *
 * @param firmware against which they are outdated
 * @returns what became of each of them
 * @throws {HomieError} NO_DEVICE, NO_MATCH, and those of `listDevices`; the reason of the signal
 */
export async function forgetDevices(
  broker: HomieBroker,
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
  for (const id of new Set(ids)) forgotten.push(await forgetDevice(broker, id, signal));
  return forgotten;
}
