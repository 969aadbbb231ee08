/** What does not keep a patch from being sent, but is worth a second look. */
import type { Change } from './compare';
import type { DeviceFile } from './file';
import { pathText, type Json, type Keys } from './json';
import { probablyMeant, unknownKeys } from './keys';
import { MAX_TOPIC_PREFIX, topicPrefixBytes } from './size';

export interface Warning {
  readonly code: 'UNKNOWN_KEY' | 'SETTING_TYPE' | 'NO_OTA';
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

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
      message: 'The setting has another type than it has now.',
      hint: 'If the sketch declares the setting, it refuses a value of another type, and with it the whole patch.',
    });
  }
  if (topicPrefixBytes(after, mac) > MAX_TOPIC_PREFIX && topicPrefixBytes(before, mac) <= MAX_TOPIC_PREFIX) {
    warnings.push({
      code: 'NO_OTA',
      path: '',
      message: 'The topic for firmware would be longer than a device can receive: it could not be updated any more.',
      hint: `Base topic and device id together may have ${MAX_TOPIC_PREFIX} bytes at most.`,
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
        hint: 'Check the spelling, and whether it belongs in settings.',
      }
    : {
        code: 'UNKNOWN_KEY',
        path,
        message: `${isUnknown}; did you mean ${pathText(meant)}?`,
        hint: `Set ${pathText(meant)} instead, and set ${path} to null to remove it.`,
      };
}

/** A whole number also serves where a fraction is asked for, not the other way round. */
function changesType(from: Json, to: Json): boolean {
  if (from === null || to === null) return false;
  if (typeof from === 'number' && typeof to === 'number') return Number.isInteger(from) && !Number.isInteger(to);
  return typeof from !== typeof to || Array.isArray(from) !== Array.isArray(to);
}
