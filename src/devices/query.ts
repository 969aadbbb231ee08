/** Selects devices by name, state, firmware name, and whether they are outdated. */
import { HomieError } from '../errors';
import type { Device } from '../homie/device';
import { matchAny } from '../homie/pattern';
import { isOlder } from '../firmware/version';
import { runs } from '../ota/decide';
import type { Image } from '../ota/image';
import { settingsOf, type Values } from '../settings/read';
import { readNames } from '../settings/setting';
import { query } from '../settings/table';

/** Criteria for devices. An undefined criterion matches all devices; an empty list matches none. */
export type DeviceQuery = Values<typeof query>;

const settings = settingsOf(query);

export const { names: queryNames, defaults: everyDevice } = settings;

/**
 * Reads a query as `Settings.read` does; text of only commas and spaces also leaves `base` as it is.
 *
 * @throws {HomieError} INVALID_SETTING: a value does not fit; INVALID_DEVICE_ID: a pattern is invalid
 */
export function readQuery(base: DeviceQuery, values: Readonly<Record<string, unknown>>): DeviceQuery {
  const given = Object.fromEntries(
    Object.entries(values).filter(([, value]) => typeof value !== 'string' || !/^[\s,]*$/.test(value)),
  );
  matchAny(readNames(given['device']) ?? []);
  return settings.read(base, given);
}

/**
 * Returns a function that tests whether a device matches a query.
 *
 * @param firmware if given, only devices that are outdated compared to this image match
 * @throws {HomieError} INVALID_DEVICE_ID: a pattern is invalid; NOT_HOMIE: the image carries no firmware name
 */
export function filterOf(
  { device: names, state: states, firmware: firmwares }: DeviceQuery,
  firmware?: Image,
): (device: Device) => Promise<boolean> {
  const isNamed = names && matchAny(names);
  if (firmware !== undefined && firmware.info.name === undefined) {
    throw new HomieError('NOT_HOMIE.noComparison');
  }
  return async (device) => {
    const { id, state, fwName } = device;
    if (isNamed?.(id) === false) return false;
    if (states !== undefined && (state === undefined || !states.includes(state.value))) return false;
    if (firmwares !== undefined && (fwName === undefined || !firmwares.includes(fwName.value))) return false;
    return firmware === undefined || isOutdated(device, firmware);
  };
}

/**
 * Returns whether a device is known to run another image of the same firmware name, and not one with a higher version.
 */
async function isOutdated({ fwName, fwVersion, checksum }: Device, firmware: Image): Promise<boolean> {
  const { name, version } = firmware.info;
  if (fwName === undefined || fwName.value !== name || checksum === undefined) return false;
  if (isOlder(version, fwVersion?.value)) return false;
  return !(await runs(checksum.value, firmware));
}
