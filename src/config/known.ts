/** A patch checked against what is known of a device. */
import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import { incomplete } from '../homie/presence';
import { checkPatch, type Check } from './check';
import type { JsonObject } from './json';
import { problem, type Problem } from './problem';
import type { ConfigSettings } from './settings';
import { unconfirmedPatches } from './unconfirmed';

/** Checks a patch against the configuration that the device has published, and against the devices around it. */
export function checkKnown(
  broker: HomieBroker,
  device: Device | undefined,
  patch: JsonObject,
  settings: ConfigSettings,
): Check {
  const lack = device && lackOf(broker, device);
  const others = [...broker.registry.devices.values()].filter((other) => !isLeftover(other, device));
  return checkPatch({
    ...settings,
    ...(lack && { lack }),
    config: device?.config?.value,
    patch,
    mac: device?.mac?.value,
    unconfirmed: device === undefined ? [] : unconfirmedPatches(broker, device.id),
    otherDeviceIds: others.map(({ id }) => id),
  });
}

/** What a device that is ready has not published, so that nothing can be sent to it. */
function lackOf(broker: HomieBroker, { id, state, config }: Device): Problem | undefined {
  const lack = incomplete(broker, id);
  if (lack !== undefined) return problem(lack.code, [], lack.message, lack.hint);
  if (state?.value !== 'ready' || config !== undefined) return undefined;
  return problem(
    'CONFIG_UNKNOWN',
    [],
    `${id} is ready, but publishes no $implementation/config, so a patch cannot be checked against it.`,
    'Allow this user to read the topic (ACL), or restart the device.',
  );
}

/** Whether this is the device itself, or what it left behind when it had another id. */
export function isLeftover(other: Device, device: Device | undefined): boolean {
  if (device === undefined) return false;
  if (other.id === device.id) return true;
  return other.state?.value !== 'ready' && other.mac !== undefined && other.mac.value === device.mac?.value;
}
