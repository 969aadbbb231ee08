/** Patches that a device has received and has not rebooted for, as far as this process knows. */
import type { HomieBroker } from '../homie/broker';
import type { JsonObject } from './json';

/** Each one doubles the files that the device may have. */
const MOST = 4;

const known = new WeakMap<HomieBroker, Map<string, readonly JsonObject[]>>();

/** Remembers a patch that the device may have refused, or written. */
export function rememberUnconfirmed(broker: HomieBroker, device: string, patch: JsonObject): void {
  const devices = known.get(broker) ?? new Map<string, readonly JsonObject[]>();
  known.set(broker, devices);
  devices.set(device, [...(devices.get(device) ?? []), patch]);
}

/** @returns `unknown` where the device may have taken a patch that this process does not know, or too many */
export function unconfirmedPatches(broker: HomieBroker, device: string): readonly JsonObject[] | 'unknown' {
  const devices = known.get(broker);
  if (!broker.locks.isRebootPending(device)) {
    devices?.delete(device);
    return [];
  }
  const patches = devices?.get(device) ?? [];
  return patches.length === 0 || patches.length > MOST ? 'unknown' : patches;
}
