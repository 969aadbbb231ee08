/** Values that a device accepts without a word, to its harm. */
import { isHost, isHostAddress, isIpv4, isNetmask, isWholeNetwork } from './addresses';
import { changes, sameWhenSent } from './compare';
import { deviceIdOf, type DeviceFile } from './file';
import { at, isObject, type Json, type Keys } from './json';
import { problem, type Problem } from './problem';

/** What is known of the place where the device is. */
export interface Surroundings {
  /** `$mac` of the device: its id when it has no other. */
  readonly mac?: string | undefined;
  readonly otherDeviceIds?: Iterable<string> | undefined;
  /** Bytes of a TCP segment that the device was built for; the smaller one, 536, unless known. */
  readonly segment?: number | undefined;
}

/** Values that the patch would bring into the file and that harm the device. */
export function harmfulValues(
  before: DeviceFile,
  after: DeviceFile,
  { mac, otherDeviceIds = [] }: Surroundings,
): Problem[] {
  const problems: Problem[] = [];
  const harm = (keys: Keys, message: string): void => void problems.push(problem('CONFIG_HARM', keys, message));
  /** The new value, undefined when the patch leaves it as it is. */
  const fresh = (...keys: string[]): Json | undefined => {
    const value = at(after.content, keys);
    return value === at(before.content, keys) ? undefined : value;
  };

  const id = fresh('device_id');
  if (typeof id === 'string' && !/^[a-z0-9-]+$/.test(id)) {
    harm(['device_id'], 'It must consist of a-z, 0-9 and -; with other characters the device may never answer again.');
  }
  const newId = deviceIdOf(after.content, mac);
  if (newId !== undefined && newId !== deviceIdOf(before.content, mac) && new Set(otherDeviceIds).has(newId)) {
    problems.push(problem('DEVICE_ID_TAKEN', ['device_id']));
  }

  const baseTopic = fresh('mqtt', 'base_topic');
  if (typeof baseTopic === 'string' && !/^[^$+#][^+#]*\/$/.test(baseTopic)) {
    harm(['mqtt', 'base_topic'], 'It must end in /, must not begin with $, and must have neither + nor #.');
  }
  const interval = fresh('device_stats_interval');
  if (typeof interval === 'number' && (interval < 1 || interval > 994)) {
    harm(
      ['device_stats_interval'],
      'It must be from 1 to 994: 0 floods the broker, and a larger one overruns the memory of the device.',
    );
  }
  if (fresh('mqtt', 'port') === 0) harm(['mqtt', 'port'], 'It must not be 0.');
  const fingerprint = fresh('mqtt', 'ssl_fingerprint');
  if (typeof fingerprint === 'string' && !/^(?:[\da-f]{40})?$/i.test(fingerprint)) {
    harm(['mqtt', 'ssl_fingerprint'], 'It must be 40 hexadecimal digits without separators.');
  }
  const bssid = fresh('wifi', 'bssid');
  if (typeof bssid === 'string' && !/^[\da-f]{2}(?::[\da-f]{2}){5}$/i.test(bssid)) {
    harm(['wifi', 'bssid'], 'It must be six pairs of hexadecimal digits with colons between them.');
  }
  const host = fresh('mqtt', 'host');
  if (typeof host === 'string' && !isHost(host)) {
    harm(
      ['mqtt', 'host'],
      'It must be a host name or an IPv4 address alone, without scheme, port, path, user or blanks.',
    );
  }
  const channel = fresh('wifi', 'channel');
  if (typeof channel === 'number' && (channel < 1 || channel > 14)) {
    harm(['wifi', 'channel'], 'It must be from 1 to 14: Wi-Fi has no other channels that the device can use.');
  }
  for (const key of ['ip', 'mask', 'gw', 'dns1', 'dns2']) {
    const address = fresh('wifi', key);
    if (typeof address === 'string' && !isIpv4(address)) {
      harm(['wifi', key], 'It must be four numbers from 0 to 255 with dots between them, without leading zeros.');
    }
  }
  harmfulNetwork(fresh, after, harm);
  const settings = fresh('settings');
  if (settings !== undefined && settings !== null && !isObject(settings)) {
    harm(['settings'], 'It must be an object; otherwise all settings fall back to their defaults.');
  }
  return problems;
}

/** Addresses of the device and its network that are well-formed, and with which it reaches nothing. */
function harmfulNetwork(
  fresh: (...keys: string[]) => Json | undefined,
  { content }: DeviceFile,
  harm: (keys: Keys, message: string) => void,
): void {
  const [ip, mask] = [at(content, ['wifi', 'ip']), at(content, ['wifi', 'mask'])];
  for (const key of ['ip', 'gw']) {
    const address = fresh('wifi', key);
    if (typeof address === 'string' && isIpv4(address) && !isHostAddress(address)) {
      harm(['wifi', key], 'It must be an address that a host can have, from 1.0.0.0 to 223.255.255.255.');
    }
  }
  const freshMask = fresh('wifi', 'mask');
  if (typeof freshMask === 'string' && isIpv4(freshMask) && !isNetmask(freshMask)) {
    harm(['wifi', 'mask'], 'It must be a netmask such as 255.255.255.0, with room for hosts.');
  }
  const isNew = fresh('wifi', 'ip') !== undefined || freshMask !== undefined;
  if (isNew && typeof ip === 'string' && typeof mask === 'string' && isHostAddress(ip) && isWholeNetwork(ip, mask)) {
    harm(['wifi', 'ip'], 'It must be the address of a host, not that of the whole network.');
  }
}

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
