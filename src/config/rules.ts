/** The rules by which a device refuses a configuration (homie-esp8266 Validation.cpp, lengths from Limits.hpp). */
import { isCertain, type DeviceFile } from './file';
import { at, isObject, member, type Json, type Keys } from './json';
import { problem, type Problem } from './problem';
import { isSecret } from './secrets';

/** Settings at most (Limits.hpp, MAX_CONFIG_SETTING_SIZE). */
export const MAX_SETTINGS = 10;

const UINT16 = 65_535;

/**
 * What the device would refuse the whole file for, all of it and not only the first as the device does.
 * Types and validators of the sketch's own settings are not known here. Lengths are in bytes of UTF-8.
 */
export function brokenRules(file: DeviceFile): Problem[] {
  const { content } = file;
  const problems: Problem[] = [];
  const refuse = (keys: Keys, message: string): void => void problems.push(problem('CONFIG_RULE', keys, message));
  const get = (keys: Keys): Json => at(content, keys) ?? null;
  const there = (keys: Keys): boolean => get(keys) !== null;

  const text = (keys: Keys, limits: { min?: number; max: number; required?: boolean }): void => {
    const { min = 0, max, required = false } = limits;
    const rule = min > 0 ? `text of ${min} to ${max} bytes` : `text of at most ${max} bytes`;
    const value = get(keys);
    if (value === null) {
      if (required) refuse(keys, `It is required: ${rule}.`);
    } else if (typeof value !== 'string') {
      refuse(keys, `It must be ${rule}.`);
    } else {
      const bytes = Buffer.byteLength(value);
      const found = isSecret(keys) ? '' : `; it has ${bytes}`;
      if (bytes < min || bytes > max) refuse(keys, `It must be ${rule}${found}.`);
    }
  };
  const boolean = (keys: Keys): void => {
    if (there(keys) && typeof get(keys) !== 'boolean') refuse(keys, 'It must be true or false.');
  };
  const integer = (keys: Keys): void => {
    const value = get(keys);
    if (value === null) return;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= UINT16) return;
    refuse(keys, `It must be a whole number from 0 to ${UINT16}, without quotes.`);
  };
  const address = (keys: Keys): void => {
    const value = get(keys);
    if (value !== null && !isIpv4(value)) refuse(keys, 'It must be an IPv4 address such as "192.168.1.20".');
  };
  const allOrNone = (root: string, keys: readonly string[]): void => {
    const missing = keys.filter((key) => !there([root, key]));
    if (missing.length === 0 || missing.length === keys.length) return;
    for (const key of missing) refuse([root, key], `${keys.join(', ')} must be set together or not at all.`);
  };

  text(['name'], { min: 1, max: 64, required: true });
  text(['device_id'], { max: 32 });
  integer(['device_stats_interval']);

  if (isObject(get(['wifi']))) {
    text(['wifi', 'ssid'], { min: 1, max: 32, required: true });
    text(['wifi', 'password'], { max: 64 });
    allOrNone('wifi', ['bssid', 'channel']);
    if (there(['wifi', 'bssid']) && !isMac(get(['wifi', 'bssid']))) {
      refuse(['wifi', 'bssid'], 'It must be a MAC address such as "5C:CF:7F:00:00:01".');
    }
    integer(['wifi', 'channel']);
    allOrNone('wifi', ['ip', 'mask', 'gw']);
    for (const key of ['ip', 'mask', 'gw', 'dns1', 'dns2']) address(['wifi', key]);
    if (there(['wifi', 'dns2']) && !there(['wifi', 'dns1'])) refuse(['wifi', 'dns2'], 'It needs dns1 to be set too.');
  } else {
    refuse(['wifi'], 'It is required and must be an object.');
  }

  if (isObject(get(['mqtt']))) {
    text(['mqtt', 'host'], { min: 1, max: 255, required: true });
    integer(['mqtt', 'port']);
    boolean(['mqtt', 'ssl']);
    text(['mqtt', 'ssl_fingerprint'], { max: 40 });
    text(['mqtt', 'base_topic'], { max: 48 });
    boolean(['mqtt', 'auth']);
    if (get(['mqtt', 'auth']) === true) {
      for (const key of ['username', 'password']) {
        text(['mqtt', key], { max: 32, required: !isCertain(file, ['mqtt', key]) });
      }
    }
  } else {
    refuse(['mqtt'], 'It is required and must be an object.');
  }

  if (isObject(get(['ota']))) boolean(['ota', 'enabled']);
  else if (there(['ota'])) refuse(['ota'], 'It must be an object.');

  const settings = member(content, 'settings');
  if (isObject(settings) && Object.keys(settings).length > MAX_SETTINGS) {
    refuse(
      ['settings'],
      `It may hold at most ${MAX_SETTINGS} settings; it would hold ${Object.keys(settings).length}.`,
    );
  }
  return problems;
}

/** Four numbers up to 255, of which the device also takes an empty one (Arduino core, IPAddress::fromString4). */
function isIpv4(value: Json): boolean {
  if (typeof value !== 'string' || value.length > 16 || !/^[\d.]*$/.test(value)) return false;
  const parts = value.split('.');
  return parts.length === 4 && parts.every((part) => Number(part) <= 255);
}

/** As the device counts: it also takes digits grouped otherwise (Helpers.cpp, validateMacAddress). */
function isMac(value: Json): boolean {
  if (typeof value !== 'string') return false;
  let digits = 0;
  let separators = 0;
  for (const character of value) {
    if (/[\da-f]/i.test(character)) {
      digits++;
    } else if (character === ':' || character === '-') {
      if (digits === 0 || Math.floor(digits / 2) - 1 !== separators) break;
      separators++;
    } else {
      separators = -1;
    }
  }
  return digits === 12 && separators === 5;
}
