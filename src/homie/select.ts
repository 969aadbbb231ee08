import { HomieError } from '../errors';
import type { HomieBroker } from './broker';
import { checkDeviceId } from './topics';

/** Which devices are meant: these, or all whose `$fw/name` is that of the firmware. */
export type DeviceChoice = { readonly devices: readonly string[] } | { readonly runningThisFirmware: true };

/**
 * The ids of the devices that are meant, each once, in the order given or else by id. For all that run this firmware,
 * waits until what is retained has settled.
 *
 * @param firmwareName the name that the image carries, if it carries one
 * @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID, NO_MATCH, NOT_HOMIE; the reason of the signal
 */
export async function selectDevices(
  broker: HomieBroker,
  choice: DeviceChoice,
  firmwareName: string | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  if ('devices' in choice) {
    if (choice.devices.length === 0) throw new HomieError('NO_DEVICE');
    return [...new Set(choice.devices.map(checkDeviceId))];
  }
  if (firmwareName === undefined) {
    throw new HomieError(
      'NOT_HOMIE',
      'The image carries no Homie firmware name, so the devices that run it cannot be found.',
    );
  }
  await broker.settled(signal);
  const ids = [...broker.registry.devices.values()]
    .filter(({ fwName }) => fwName?.value === firmwareName)
    .map(({ id }) => id);
  if (ids.length === 0) {
    throw new HomieError('NO_MATCH', `No known device under ${broker.baseTopic} runs "${firmwareName}".`);
  }
  return ids.sort();
}
