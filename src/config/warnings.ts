/** What does not keep a patch from being sent, but is worth a second look. */
import type { Change } from './compare';
import type { DeviceFile } from './file';
import { pathText, type Json } from './json';
import { unknownKeys } from './keys';
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
  const warnings: Warning[] = unknownKeys(before, after).map((keys) => ({
    code: 'UNKNOWN_KEY',
    path: pathText(keys),
    message: 'Homie knows no such key; the device keeps it and does nothing with it.',
    hint: 'Check the spelling. Values of the sketch belong into settings.',
  }));
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

/** A whole number also serves where a fraction is asked for, not the other way round. */
function changesType(from: Json, to: Json): boolean {
  if (from === null || to === null) return false;
  if (typeof from === 'number' && typeof to === 'number') return Number.isInteger(from) && !Number.isInteger(to);
  return typeof from !== typeof to || Array.isArray(from) !== Array.isArray(to);
}
