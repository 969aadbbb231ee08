/** A patch checked against what is known of a device. */
import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import { checkPatch, type Check } from './check';
import type { JsonObject } from './json';
import type { ConfigSettings } from './settings';
import { unconfirmedPatches } from './unconfirmed';

/** Checks a patch against the configuration that the device has published, and against the devices around it. */
export function checkKnown(
  broker: HomieBroker,
  device: Device | undefined,
  patch: JsonObject,
  settings: ConfigSettings,
): Check {
  const others = [...broker.registry.devices.values()].filter((other) => !isLeftover(other, device));
  return checkPatch({
    ...settings,
    config: device?.config?.value,
    patch,
    mac: device?.mac?.value,
    unconfirmed: device === undefined ? [] : unconfirmedPatches(broker, device.id),
    otherDeviceIds: others.map(({ id }) => id),
  });
}

/** Whether this is the device itself, or what it left behind when it had another id. */
export function isLeftover(other: Device, device: Device | undefined): boolean {
  if (device === undefined) return false;
  if (other.id === device.id) return true;
  return other.state?.value !== 'ready' && other.mac !== undefined && other.mac.value === device.mac?.value;
}
