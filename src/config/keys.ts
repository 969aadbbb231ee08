/** The members of a configuration that Homie knows (homie-esp8266 Config.cpp, load). */
import type { DeviceFile } from './file';
import { at, isObject, member, type Keys } from './json';

const KNOWN = new Map<string, readonly string[]>([
  ['name', []],
  ['device_id', []],
  ['device_stats_interval', []],
  ['wifi', ['ssid', 'password', 'bssid', 'channel', 'ip', 'mask', 'gw', 'dns1', 'dns2']],
  ['mqtt', ['host', 'port', 'ssl', 'ssl_fingerprint', 'base_topic', 'auth', 'username', 'password']],
  ['ota', ['enabled']],
]);

/** New members outside `settings` that Homie does not know: typing errors, most likely. */
export function unknownKeys(before: DeviceFile, after: DeviceFile): Keys[] {
  return Object.entries(after.content).flatMap(([root, value]): Keys[] => {
    if (root === 'settings') return [];
    const nested = KNOWN.get(root);
    if (nested === undefined) return member(before.content, root) === undefined ? [[root]] : [];
    if (!isObject(value)) return [];
    return Object.keys(value)
      .filter((key) => !nested.includes(key) && at(before.content, [root, key]) === undefined)
      .map((key) => [root, key]);
  });
}
