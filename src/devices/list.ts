/** The devices of a broker, as plain data. */
import type { HomieBroker } from '../homie/broker';
import type { Device, DeviceState } from '../homie/device';
import { untilSettled } from '../homie/presence';
import type { Image } from '../ota/image';
import { filterOf, type DeviceQuery } from './query';
import type { DeviceUpdate, DeviceUpdates } from './device-updates';

/**
 * A device with its last known values; they are current only while the device is ready. A value that the device has not
 * published is undefined.
 */
export interface ListedDevice {
  readonly id: string;
  readonly name: string | undefined;
  readonly state: DeviceState;
  readonly firmware: {
    readonly name: string | undefined;
    readonly version: string | undefined;
    /** MD5 in lower case. */
    readonly checksum: string | undefined;
  };
  readonly implementation: { readonly name: string | undefined; readonly version: string | undefined };
  readonly ota: {
    readonly enabled: boolean | undefined;
    /** The last OTA status. It may come from an update long ago, since a device never clears it. */
    readonly status: string | undefined;
  };
  /** s from the start of the device to its last statistics. */
  readonly uptime: number | undefined;
  /** ISO 8601: when the last live message came. A retained message does not show when it was published. */
  readonly lastSeen: string | undefined;
  /** Present when an image is on offer for the device, or a job has it. */
  readonly update?: DeviceUpdate;
}

/** The source of the list. */
interface Source {
  readonly broker: HomieBroker;
  /** Without it, the list has no updates. */
  readonly updates?: DeviceUpdates;
}

/**
 * Waits until the broker has settled, then returns the devices that match a query, sorted by id. Only devices whose
 * state is known count.
 *
 * @param firmware if given, only devices that are outdated compared to this image match
 * @throws {HomieError} INVALID_DEVICE_ID, NOT_HOMIE, SUBSCRIBE_REFUSED; the errors of `untilSettled`
 * @throws the reason of the signal
 */
export async function listDevices(
  { broker, updates }: Source,
  query: DeviceQuery,
  firmware: Image | undefined,
  signal: AbortSignal,
): Promise<ListedDevice[]> {
  const fits = filterOf(query, firmware);
  await untilSettled(broker, signal);
  const refusal = broker.refusal('$state');
  if (refusal !== undefined) throw refusal;
  const all = [...broker.registry.devices.values()].filter(({ state }) => state !== undefined);
  const matches = await Promise.all(all.map(fits));
  const devices = all.filter((_, index) => matches[index]).sort((a, b) => (a.id < b.id ? -1 : 1));
  const found = updates?.of(devices);
  const epoch = Date.now() - performance.now();
  return devices.flatMap((device) => {
    // The state may have been cleared meanwhile.
    if (device.state === undefined) return [];
    const update = found?.get(device.id);
    return [{ ...describe(device, device.state.value, epoch), ...(update && { update }) }];
  });
}

/** @param epoch the time at which `performance.now()` was 0, in ms since 1970 */
function describe(device: Device, state: DeviceState, epoch: number): ListedDevice {
  const { id, name, fwName, fwVersion, checksum, implementation, implementationVersion, seenAt } = device;
  return {
    id,
    name: name?.value,
    state,
    firmware: { name: fwName?.value, version: fwVersion?.value, checksum: checksum?.value },
    implementation: { name: implementation?.value, version: implementationVersion?.value },
    ota: { enabled: device.otaEnabled?.value, status: device.otaStatus?.value },
    uptime: device.uptime?.value,
    lastSeen: seenAt === undefined ? undefined : new Date(epoch + seenAt).toISOString(),
  };
}
