/**
 * The keys of config.json: what the device takes, what it does not publish, and what can put it out of reach
 * (homie-esp8266 Config.cpp, Validation.cpp and Limits.hpp). A new key is one row.
 */
import { isObject, sameKeys, type Json, type Keys } from './json';
import { isHost, isHostAddress, isIpv4, isNetmask } from './network';

export interface ConfigKey {
  readonly keys: Keys;
  /** `settings`: an object whose members only the sketch knows. */
  readonly type: 'text' | 'whole' | 'flag' | 'mac' | 'ipv4' | 'object' | 'settings';
  /** Bytes that a text has at least, in UTF-8. */
  readonly min?: number;
  /** Bytes that a text has at most, or how many settings there may be. */
  readonly max?: number;
  readonly required?: true;
  /** The flag without which the device does not look at the key; with it, the key is required. */
  readonly when?: Keys;
  /** This key and its siblings that must be set together or not at all. */
  readonly together?: readonly string[];
  /** The sibling that must be set too. */
  readonly needs?: string;
  /** A secret that the device strips before it publishes its configuration. */
  readonly stripped?: true;
  /** What a change of it can do. A text also applies to every key below that has no risk of its own. */
  readonly risk?: string | ((to: Json, from: Json) => string | undefined);
  /** Says what a value must be that the device accepts but does not work with; undefined where it is fine. */
  readonly unsafe?: (value: Json) => string | undefined;
  /** A split sends all of it in a patch of its own, after the others and in the order of the rows. */
  readonly alone?: true;
}

const OUT_OF_REACH = 'Only someone on site can then recover it.';
const WRONG_NETWORK = `If the value does not match the network, the device never connects again. ${OUT_OF_REACH}`;
const WRONG_BROKER = `If the value does not match a broker, or matches a different one, the device disappears. ${OUT_OF_REACH}`;
const NO_OTA = 'The device accepts no firmware over MQTT until OTA is enabled again.';

const noAddress = text(isIpv4, 'It must be four numbers from 0 to 255, separated by dots and without leading zeros.');
const noHost = address(isHostAddress, 'It must be a host address, from 1.0.0.0 to 223.255.255.255.');
const noMask = address(isNetmask, 'It must be a netmask that leaves room for hosts, such as 255.255.255.0.');
const POINT = ['bssid', 'channel'];
const NETWORK = ['ip', 'mask', 'gw'];

/** A group stands before its members, and the order is that in which problems are listed. */
export const schema: readonly ConfigKey[] = [
  { keys: ['name'], type: 'text', min: 1, max: 64, required: true },
  {
    keys: ['device_id'],
    type: 'text',
    max: 32,
    risk: moves(
      'All topics of the device move to the new id; flows and rules that use the old id lose the device.',
      'The device falls back to its MAC address as its id, and all its topics move there.',
    ),
    unsafe: text(
      /^[a-z0-9-]+$/,
      'It must consist of a-z, 0-9 and -; with other characters the device may never answer again.',
    ),
    alone: true,
  },
  {
    keys: ['device_stats_interval'],
    type: 'whole',
    unsafe: outside(1, 994, '0 floods the broker, and a larger value overflows the memory of the device.'),
  },

  { keys: ['wifi'], type: 'object', required: true, risk: WRONG_NETWORK, alone: true },
  { keys: ['wifi', 'ssid'], type: 'text', min: 1, max: 32, required: true },
  { keys: ['wifi', 'password'], type: 'text', max: 64, stripped: true, risk: riskOfPassword },
  {
    keys: ['wifi', 'bssid'],
    type: 'mac',
    together: POINT,
    unsafe: text(/^[\da-f]{2}(?::[\da-f]{2}){5}$/i, 'It must be six pairs of hexadecimal digits, separated by colons.'),
  },
  {
    keys: ['wifi', 'channel'],
    type: 'whole',
    together: POINT,
    unsafe: outside(1, 14, 'the device cannot use other Wi-Fi channels.'),
  },
  { keys: ['wifi', 'ip'], type: 'ipv4', together: NETWORK, unsafe: noHost },
  { keys: ['wifi', 'mask'], type: 'ipv4', together: NETWORK, unsafe: noMask },
  { keys: ['wifi', 'gw'], type: 'ipv4', together: NETWORK, unsafe: noHost },
  { keys: ['wifi', 'dns1'], type: 'ipv4', unsafe: noAddress },
  { keys: ['wifi', 'dns2'], type: 'ipv4', needs: 'dns1', unsafe: noAddress },

  { keys: ['mqtt'], type: 'object', required: true, risk: WRONG_BROKER, alone: true },
  {
    keys: ['mqtt', 'host'],
    type: 'text',
    min: 1,
    max: 255,
    required: true,
    unsafe: text(isHost, 'It must be only a host name or an IPv4 address, without scheme, port, path, user or spaces.'),
  },
  { keys: ['mqtt', 'port'], type: 'whole', unsafe: (port) => (port === 0 ? 'It must not be 0.' : undefined) },
  { keys: ['mqtt', 'ssl'], type: 'flag' },
  {
    keys: ['mqtt', 'ssl_fingerprint'],
    type: 'text',
    max: 40,
    unsafe: text(/^(?:[\da-f]{40})?$/i, 'It must be 40 hexadecimal digits without separators.'),
  },
  {
    keys: ['mqtt', 'base_topic'],
    type: 'text',
    max: 48,
    risk: moves(
      'All topics of the device move to the new base topic; subscribers to the old base topic lose the device.',
      'The device falls back to the base topic homie/, and all its topics move there.',
    ),
    unsafe: text(/^[^$+#][^+#]*\/$/, 'It must end with /, must not start with $, and must not contain + or #.'),
  },
  { keys: ['mqtt', 'auth'], type: 'flag' },
  { keys: ['mqtt', 'username'], type: 'text', max: 32, when: ['mqtt', 'auth'], stripped: true },
  { keys: ['mqtt', 'password'], type: 'text', max: 32, when: ['mqtt', 'auth'], stripped: true },

  // Without `ota`, or its `enabled`, OTA is off.
  { keys: ['ota'], type: 'object', risk: (to, from) => (isEnabled(from) && !isEnabled(to) ? NO_OTA : undefined) },
  { keys: ['ota', 'enabled'], type: 'flag', risk: (to, from) => (from === true && to !== true ? NO_OTA : undefined) },

  {
    keys: ['settings'],
    type: 'settings',
    max: 10,
    unsafe: (value) =>
      isObject(value) ? undefined : 'It must be an object; otherwise all settings fall back to their defaults.',
  },
];

/** Returns the row of a key, undefined where Homie does not know it. */
export function keyAt(keys: Keys): ConfigKey | undefined {
  return schema.find((row) => sameKeys(row.keys, keys));
}

/** The secrets that the device strips before it publishes its configuration. */
export const STRIPPED = schema.filter(({ stripped }) => stripped).map(({ keys }) => keys);

function text(safe: RegExp | ((text: string) => boolean), message: string) {
  const isSafe = (value: string): boolean => (safe instanceof RegExp ? safe.test(value) : safe(value));
  return (value: Json) => (typeof value === 'string' && !isSafe(value) ? message : undefined);
}

function address(isSafe: (address: string) => boolean, message: string) {
  return (value: Json) => noAddress(value) ?? text(isSafe, message)(value);
}

function outside(least: number, most: number, why: string) {
  return (value: Json) =>
    typeof value === 'number' && (value < least || value > most)
      ? `It must be from ${least} to ${most}: ${why}`
      : undefined;
}

function moves(changed: string, removed: string) {
  return (to: Json) => (to === null ? removed : changed);
}

function isEnabled(ota: Json): boolean {
  return isObject(ota) && ota['enabled'] === true;
}

/** WPA takes 8 to 63 bytes or 64 hexadecimal digits; an empty password is for an open network. */
function riskOfPassword(to: Json): string {
  if (to === null) {
    return `The device connects without a password; if the network requires one, the device never comes back. ${OUT_OF_REACH}`;
  }
  const password = typeof to === 'string' ? to : '';
  const bytes = Buffer.byteLength(password);
  const isPassphrase = bytes === 0 || (bytes >= 8 && bytes <= 63) || /^[\da-f]{64}$/i.test(password);
  return isPassphrase
    ? WRONG_NETWORK
    : `No WPA network accepts such a password: it must have 8 to 63 characters, or be 64 hexadecimal digits. ${OUT_OF_REACH}`;
}
