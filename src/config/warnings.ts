/** Finds what a user should review before a patch is sent: risks, which must be allowed, and warnings. */
import { similarNames } from '../similar';
import type { Change } from './compare';
import type { DeviceFile } from './file';
import { at, isObject, member, pathText, type Json, type Keys } from './json';
import { keyAt, schema } from './schema';
import { MAX_TOPIC_PREFIX, topicPrefixBytes } from './budget';

export interface Risk {
  readonly path: string;
  /** What could happen. */
  readonly message: string;
}

export interface Warning {
  readonly code: 'UNKNOWN_KEY' | 'SETTING_TYPE' | 'NO_OTA';
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

/** Returns the risks of changes. */
export function risksOf(changed: readonly Change[]): Risk[] {
  return changed.flatMap(({ keys, from = null, to = null }) => {
    const [root, row] = [keyAt(keys.slice(0, 1)), keyAt(keys.slice(0, 2))];
    const risk = row?.risk ?? (typeof root?.risk === 'string' ? root.risk : undefined);
    const message = typeof risk === 'function' ? risk(to, from) : risk;
    return message === undefined ? [] : [{ path: pathText(keys), message }];
  });
}

/**
 * Returns warnings about new unknown keys, settings that change their type, and a firmware topic that becomes too long.
 *
 * @param mac `$mac` of the device, from which its id is derived if none is set
 */
export function warningsOf(
  before: DeviceFile,
  after: DeviceFile,
  changed: readonly Change[],
  mac: string | undefined,
): Warning[] {
  const warnings = unknownKeys(before, after).map((keys) => unknownKey(keys, probablyMeant(keys, before)));
  for (const { keys, from, to } of changed) {
    if (keys[0] !== 'settings' || keys.length < 2 || !changesType(from ?? null, to ?? null)) continue;
    warnings.push({
      code: 'SETTING_TYPE',
      path: pathText(keys),
      message: 'The new value of the setting has a different type than the current value.',
      hint: 'Check the type: if the sketch declares the setting, it refuses a value of another type, and with it the whole patch.',
    });
  }
  if (topicPrefixBytes(after, mac) > MAX_TOPIC_PREFIX && topicPrefixBytes(before, mac) <= MAX_TOPIC_PREFIX) {
    warnings.push({
      code: 'NO_OTA',
      path: '',
      message:
        'The firmware topic would be longer than a device can receive, so the device could no longer be updated.',
      hint: `Shorten the base topic or the device id; together they may have at most ${MAX_TOPIC_PREFIX} bytes.`,
    });
  }
  return warnings;
}

function unknownKey(keys: Keys, meant: Keys | undefined): Warning {
  const path = pathText(keys);
  const isUnknown = `Homie does not know ${path} and ignores it`;
  return meant === undefined
    ? {
        code: 'UNKNOWN_KEY',
        path,
        message: keys.length > 1 ? `${isUnknown}.` : `${isUnknown}; values of the sketch belong in settings.`,
        hint: 'Check the spelling, and whether the key belongs in settings.',
      }
    : {
        code: 'UNKNOWN_KEY',
        path,
        message: `${isUnknown}; did you mean ${pathText(meant)}?`,
        hint: `Set ${pathText(meant)} instead, and set ${path} to null to remove it.`,
      };
}

/** Returns new members outside `settings` that Homie does not know, most likely typing errors. */
function unknownKeys(before: DeviceFile, after: DeviceFile): Keys[] {
  return Object.entries(after.content)
    .flatMap(([root, value]): Keys[] => {
      if (keyAt([root]) === undefined) return [[root]];
      return isObject(value) && root !== 'settings' ? Object.keys(value).map((key) => [root, key]) : [];
    })
    .filter((keys) => keyAt(keys) === undefined && at(before.content, keys) === undefined);
}

/**
 * Returns the keys that the user probably meant: a setting that the device has, or a key that Homie knows, of the same
 * or a similar name. Undefined if none is likely.
 */
function probablyMeant(keys: Keys, { content }: DeviceFile): Keys | undefined {
  const name = keys.at(-1) ?? '';
  const settings = member(content, 'settings');
  const ofSketch = isObject(settings) ? Object.keys(settings).map((key) => ['settings', key]) : [];
  const others = schema.filter(({ type }) => type !== 'settings').map((row) => row.keys);
  const siblings = schema
    .map((row) => row.keys)
    .filter((each) => each.length === keys.length && (keys.length === 1 || each[0] === keys[0]));
  const named = (candidates: readonly Keys[]): Keys[] => candidates.filter((each) => each.at(-1) === name);
  const similar = (candidates: readonly Keys[]): Keys[] => {
    const [found] = similarNames(name, new Set(candidates.map((each) => each.at(-1) ?? '')));
    return candidates.filter((each) => each.at(-1) === found);
  };
  const guesses = [named(ofSketch), named(others), similar(siblings), similar(ofSketch), similar(others)];
  // If two keys have the name, such as `wifi.password` and `mqtt.password`, neither is more likely.
  const [meant, ...more] = guesses.find((guess) => guess.length > 0) ?? [];
  return more.length === 0 ? meant : undefined;
}

/** A whole number also serves where a fraction is expected, but not the other way round. */
function changesType(from: Json, to: Json): boolean {
  if (from === null || to === null) return false;
  if (typeof from === 'number' && typeof to === 'number') return Number.isInteger(from) && !Number.isInteger(to);
  return typeof from !== typeof to || Array.isArray(from) !== Array.isArray(to);
}
