/** Which devices are asked for. */
import { HomieError } from '../errors';
import type { Device } from '../homie/device';
import { matchAny } from '../homie/pattern';
import { isOlder } from '../firmware/version';
import { runs } from '../ota/decide';
import type { Image } from '../ota/image';
import { settingsOf, type Values } from '../settings/read';
import { readNames } from '../settings/setting';
import { query } from '../settings/table';

/** What is undefined leaves no device out; an empty list leaves all of them out. */
export type DeviceQuery = Values<typeof query>;

const settings = settingsOf(query);

export const { names: queryNames, defaults: everyDevice } = settings;

/**
 * As `Settings.read`, but text that has nothing but commas leaves `base` as it is, too.
 *
 * @throws {HomieError} also INVALID_DEVICE_ID
 */
export function readQuery(base: DeviceQuery, values: Readonly<Record<string, unknown>>): DeviceQuery {
  const given = Object.fromEntries(
    Object.entries(values).filter(([, value]) => typeof value !== 'string' || !/^[\s,]*$/.test(value)),
  );
  matchAny(readNames(given['device']) ?? []);
  return settings.read(base, given);
}

/**
 * What finds the devices that are asked for.
 *
 * @param firmware against which they are outdated
 * @throws {HomieError} INVALID_DEVICE_ID, NOT_HOMIE
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
 * Whether a device runs another image of the same firmware, as far as it has said what it runs, and not one with a higher
 * version.
 */
async function isOutdated({ fwName, fwVersion, checksum }: Device, firmware: Image): Promise<boolean> {
  const { name, version } = firmware.info;
  if (fwName === undefined || fwName.value !== name || checksum === undefined) return false;
  if (isOlder(version, fwVersion?.value)) return false;
  return !(await runs(checksum.value, firmware));
}
