/** Which devices are asked for. */
import { HomieError } from '../errors';
import { deviceStates, type Device, type DeviceState } from '../homie/device';
import { matchAny } from '../homie/pattern';
import { isOlder, runs } from '../ota/decide';
import type { Image } from '../ota/image';
import { SettingValues } from '../setting-values';

/** What is undefined leaves no device out; an empty list leaves all of them out. */
export interface DeviceQuery {
  /** Ids and patterns. */
  readonly device: readonly string[] | undefined;
  readonly state: readonly DeviceState[] | undefined;
  /** Names, as in `$fw/name`. */
  readonly firmware: readonly string[] | undefined;
  /** Only those that are behind a firmware that comes with the question. */
  readonly outdated: boolean;
}

export const everyDevice: DeviceQuery = { device: undefined, state: undefined, firmware: undefined, outdated: false };

/** The properties that `readQuery` knows, which are those of the node and of messages. */
export const queryNames = ['device', 'state', 'firmware', 'outdated'] as const;

/**
 * Overlays the known properties of `values` on `base`. What is undefined, null or empty text leaves `base` as it is.
 *
 * @param values as a user gives them: lists as arrays, or as text with commas
 * @throws {HomieError} INVALID_SETTING, which names the property; INVALID_DEVICE_ID
 */
export function readQuery(base: DeviceQuery, values: Readonly<Record<string, unknown>>): DeviceQuery {
  const given = new SettingValues(
    Object.fromEntries(
      Object.entries(values).filter(([, value]) => typeof value !== 'string' || !/^[\s,]*$/.test(value)),
    ),
  );
  const device = given.names('device') ?? base.device;
  if (device !== undefined) matchAny(device);
  return {
    device,
    state: given.someOf('state', deviceStates) ?? base.state,
    firmware: given.names('firmware') ?? base.firmware,
    outdated: given.boolean('outdated') ?? base.outdated,
  };
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
    throw new HomieError('NOT_HOMIE', 'The image carries no Homie firmware name, so no device can be behind it.');
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
export async function isOutdated({ fwName, fwVersion, checksum }: Device, firmware: Image): Promise<boolean> {
  const { name, version } = firmware.info;
  if (fwName === undefined || fwName.value !== name || checksum === undefined) return false;
  if (fwVersion !== undefined && isOlder(version, fwVersion.value)) return false;
  return !(await runs(checksum.value, firmware));
}
