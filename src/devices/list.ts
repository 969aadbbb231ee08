/** The devices of a broker, as plain data. */
import type { HomieBroker } from '../homie/broker';
import type { Device, DeviceState } from '../homie/device';
import { untilSettled } from '../homie/presence';
import type { Image } from '../ota/image';
import { filterOf, type DeviceQuery } from './query';
import type { DeviceUpdate, DeviceUpdates } from './device-updates';

/** A device as it is known. What it has not published is undefined; unless it is ready, all of this is what was. */
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
    /** The last one, which may be of an update long ago: a device never clears it. */
    readonly status: string | undefined;
  };
  /** s since it was started, when it last said so. */
  readonly uptime: number | undefined;
  /** ISO 8601: when its last live message came. What is retained does not tell when it was said. */
  readonly lastSeen: string | undefined;
  /** Where something is on offer for it, or a job has it. */
  readonly update?: DeviceUpdate;
}

/** Where the list comes from. */
interface Source {
  readonly broker: HomieBroker;
  /** Leaves out the updates where it is undefined. */
  readonly updates?: DeviceUpdates;
}

/**
 * The devices that are asked for, by id, once what is retained has settled. A device is one whose state is known.
 *
 * @param firmware against which they are outdated
 * @throws {HomieError} INVALID_DEVICE_ID, NOT_HOMIE, SUBSCRIBE_REFUSED, why there is no connection; the reason of the signal
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
    // Its state may have been cleared meanwhile.
    if (device.state === undefined) return [];
    const update = found?.get(device.id);
    return [{ ...describe(device, device.state.value, epoch), ...(update && { update }) }];
  });
}

/** @param epoch when `performance.now()` was 0, in ms since 1970 */
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
