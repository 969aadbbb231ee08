/** The members of a configuration that Homie knows (homie-esp8266 Config.cpp, load). */
import { similarNames } from '../similar';
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

/**
 * Returns the keys that somebody probably meant who wrote `keys`: a setting that the device has, or a member that Homie knows,
 * of the same or of a similar name. Undefined where none is likely.
 */
export function probablyMeant(keys: Keys, { content }: DeviceFile): Keys | undefined {
  const name = keys.at(-1) ?? '';
  const settings = member(content, 'settings');
  const ofSketch = isObject(settings) ? Object.keys(settings).map((key) => ['settings', key]) : [];
  const siblings = keys.length === 1 ? [...KNOWN.keys(), 'settings'].map((key) => [key]) : membersOf(keys[0] ?? '');
  const others = [...KNOWN.keys()].flatMap((root) => [[root], ...membersOf(root)]);
  const named = (candidates: readonly Keys[]): Keys[] => candidates.filter((each) => each.at(-1) === name);
  const similar = (candidates: readonly Keys[]): Keys[] => {
    const [found] = similarNames(name, new Set(candidates.map((each) => each.at(-1) ?? '')));
    return candidates.filter((each) => each.at(-1) === found);
  };
  const guesses = [named(ofSketch), named(others), similar(siblings), similar(ofSketch), similar(others)];
  // Of two with one name, such as the password of wifi and that of mqtt, neither is more likely.
  const [meant, ...more] = guesses.find((guess) => guess.length > 0) ?? [];
  return more.length === 0 ? meant : undefined;
}

function membersOf(root: string): Keys[] {
  return (KNOWN.get(root) ?? []).map((key) => [root, key]);
}
