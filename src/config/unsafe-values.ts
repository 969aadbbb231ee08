/** Values that a device accepts silently, but that would break it. */
import { isWholeNetwork } from './network';
import { changes, sameWhenSent } from './compare';
import { deviceIdOf, type DeviceFile } from './file';
import { at, type Json, type Keys } from './json';
import { problem, type Problem } from './problem';
import { schema } from './schema';

/** What is known of a device beside its file. */
export interface PatchContext {
  /** `$mac` of the device: its id when it has no other. */
  readonly mac?: string | undefined;
  readonly otherDeviceIds?: Iterable<string> | undefined;
  /** Bytes of a TCP segment that the device was built for; the smaller one, 536, unless known. */
  readonly segment?: number | undefined;
}

/** Values that the patch would bring into the file and that harm the device. */
export function unsafeValues(
  before: DeviceFile,
  after: DeviceFile,
  { mac, otherDeviceIds = [] }: PatchContext,
): Problem[] {
  const [id, oldId] = [deviceIdOf(after.content, mac), deviceIdOf(before.content, mac)];
  const isTaken = id !== undefined && id !== oldId && new Set(otherDeviceIds).has(id);
  const isNew = (keys: Keys): boolean => at(after.content, keys) !== at(before.content, keys);
  const problems = schema.flatMap(({ keys, unsafe }): Problem[] => {
    const value = at(after.content, keys) ?? null;
    const harm = value !== null && isNew(keys) ? unsafe?.(value) : undefined;
    return [
      ...(harm === undefined ? [] : [problem(harm, keys)]),
      ...(isTaken && keys[0] === 'device_id' ? [problem('DEVICE_ID_TAKEN', keys)] : []),
    ];
  });
  const [ip, mask] = [at(after.content, WIFI_IP), at(after.content, WIFI_MASK)];
  const isMoved = isNew(WIFI_IP) || isNew(WIFI_MASK);
  if (isMoved && typeof ip === 'string' && typeof mask === 'string' && isWholeNetwork(ip, mask)) {
    problems.push(problem('CONFIG_HARM.networkAddress', WIFI_IP));
  }
  return problems;
}

const [WIFI_IP, WIFI_MASK] = [
  ['wifi', 'ip'],
  ['wifi', 'mask'],
] as const;

/**
 * New numbers that the device would not keep as they are. It keeps whole numbers of 32 bits, and others in single
 * precision, which holds six digits for certain; between 0.00001 and 1 it writes six decimals (ArduinoJson 6.11).
 */
export function impreciseNumbers(before: DeviceFile, after: DeviceFile): Problem[] {
  const walk = (value: Json | undefined, keys: Keys): Problem[] => {
    if (typeof value === 'number') return isKept(value) ? [] : [problem('NUMBER_PRECISION', keys)];
    if (typeof value !== 'object' || value === null) return [];
    return Object.entries(value).flatMap(([key, nested]: [string, Json]) => walk(nested, [...keys, key]));
  };
  return changes(before.content, after.content, sameWhenSent).flatMap(({ keys, to }) => walk(to, keys));
}

function isKept(value: number): boolean {
  if (Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 32) return true;
  const size = Math.abs(value);
  if (size > 3e38 || size < 1e-37 || Number(value.toPrecision(6)) !== value) return false;
  return size <= 1e-5 || size >= 1 || Number(value.toFixed(6)) === value;
}
