/**
 * Describes the keys of config.json: what the device accepts, what it does not publish, and what can make it
 * unreachable (homie-esp8266 Config.cpp, Validation.cpp and Limits.hpp). To add a key, add a row.
 */
import type english from '../texts/en-US.json';
import { STRICT_NAME, type Dialect } from '../homie/dialect';
import type { ErrorKey, Values } from '../texts/text';
import { isObject, sameKeys, type Json, type Keys } from './json';
import { isHost, isHostAddress, isIpv4, isNetmask } from './network';

/** The name of the sentence that says what could happen. */
type RiskName = keyof (typeof english)['phrases']['risk'];

type Harm = Extract<ErrorKey, `CONFIG_HARM.${string}` | 'CONFIG_RULE.noTls' | 'CONFIG_RULE.readOnly'>;

export interface ConfigKey {
  readonly keys: Keys;
  /** `settings`: an object whose members only the sketch knows. */
  readonly type: 'text' | 'whole' | 'flag' | 'mac' | 'ipv4' | 'object' | 'settings';
  /** Minimum length of a text, in bytes of UTF-8. */
  readonly min?: number;
  /** Maximum length of a text in bytes of UTF-8, or maximum number of settings. */
  readonly max?: number;
  readonly required?: true;
  /** The flag that makes the key required. Without the flag, the device ignores the key. */
  readonly when?: Keys;
  /** This key and its siblings, which must be set together or not at all. */
  readonly together?: readonly string[];
  /** A sibling that must also be set. */
  readonly needs?: string;
  /** A secret that the device strips before it publishes its configuration. */
  readonly stripped?: true;
  /** What a change of the key can cause. A text also applies to every key below that has no risk of its own. */
  readonly risk?: RiskName | ((to: Json, from: Json) => RiskName | undefined);
  /** The device publishes the key, but derives it: it is not in the file. */
  readonly derived?: true;
  /**
   * Returns the error for a new value that the device accepts but does not work with, or that its dialect refuses;
   * undefined if the value is safe.
   */
  readonly unsafe?: (value: Json, dialect: Dialect) => Harm | readonly [Harm, Values] | undefined;
  /**
   * If a patch is split, the key is sent as a whole in a message of its own, after the other keys and in the order of
   * the rows.
   */
  readonly alone?: true;
}

const noAddress = text(isIpv4, 'CONFIG_HARM.address');
const noHost = address(isHostAddress, 'CONFIG_HARM.hostAddress');
const noMask = address(isNetmask, 'CONFIG_HARM.netmask');
const POINT = ['bssid', 'channel'];
const NETWORK = ['ip', 'mask', 'gw'];

/** The rows, in the order in which problems are listed. A group precedes its members. */
export const schema: readonly ConfigKey[] = [
  { keys: ['name'], type: 'text', min: 1, max: 64, required: true },
  {
    keys: ['device_id'],
    type: 'text',
    max: 32,
    risk: (to) => (to === null ? 'idRemoved' : 'idChanged'),
    unsafe: (value, { strictNames }) => text(strictNames ? STRICT_NAME : /^[a-z0-9-]+$/, 'CONFIG_HARM.deviceId')(value),
    alone: true,
  },
  {
    keys: ['device_stats_interval'],
    type: 'whole',
    unsafe: (seconds, { config: { maxStatsInterval: max } }) =>
      outside(1, max, 'CONFIG_HARM.statsInterval')(seconds) && ['CONFIG_HARM.statsInterval', { max }],
  },

  { keys: ['wifi'], type: 'object', required: true, risk: 'network', alone: true },
  { keys: ['wifi', 'ssid'], type: 'text', min: 1, max: 32, required: true },
  { keys: ['wifi', 'password'], type: 'text', max: 64, stripped: true, risk: riskOfPassword },
  {
    keys: ['wifi', 'bssid'],
    type: 'mac',
    together: POINT,
    unsafe: text(/^[\da-f]{2}(?::[\da-f]{2}){5}$/i, 'CONFIG_HARM.bssid'),
  },
  {
    keys: ['wifi', 'channel'],
    type: 'whole',
    together: POINT,
    unsafe: outside(1, 14, 'CONFIG_HARM.channel'),
  },
  { keys: ['wifi', 'ip'], type: 'ipv4', together: NETWORK, unsafe: noHost },
  { keys: ['wifi', 'mask'], type: 'ipv4', together: NETWORK, unsafe: noMask },
  { keys: ['wifi', 'gw'], type: 'ipv4', together: NETWORK, unsafe: noHost },
  { keys: ['wifi', 'dns1'], type: 'ipv4', unsafe: noAddress },
  { keys: ['wifi', 'dns2'], type: 'ipv4', needs: 'dns1', unsafe: noAddress },

  { keys: ['mqtt'], type: 'object', required: true, risk: 'broker', alone: true },
  {
    keys: ['mqtt', 'host'],
    type: 'text',
    min: 1,
    max: 255,
    required: true,
    unsafe: text(isHost, 'CONFIG_HARM.host'),
  },
  { keys: ['mqtt', 'port'], type: 'whole', unsafe: (port) => (port === 0 ? 'CONFIG_HARM.port' : undefined) },
  { keys: ['mqtt', 'ssl'], type: 'flag', unsafe: refusedTls },
  {
    keys: ['mqtt', 'ssl_fingerprint'],
    type: 'text',
    max: 40,
    unsafe: (value, dialect) =>
      refusedTls(value, dialect) ?? text(/^(?:[\da-f]{40})?$/i, 'CONFIG_HARM.fingerprint')(value),
  },
  {
    keys: ['mqtt', 'base_topic'],
    type: 'text',
    max: 48,
    risk: (to) => (to === null ? 'baseTopicRemoved' : 'baseTopicChanged'),
    unsafe: (value, { strictNames }) =>
      text(/^[^$+#][^+#]*\/$/, 'CONFIG_HARM.baseTopic')(value) ??
      (strictNames
        ? text((topic) => STRICT_NAME.test(topic.slice(0, -1)), 'CONFIG_HARM.baseTopicLevels')(value)
        : undefined),
  },
  // What convention 5 makes of the base topic (labodj/homie-esp8266 4.0.0, seen on a host build).
  { keys: ['mqtt', 'effective_base_topic'], type: 'text', derived: true, unsafe: () => 'CONFIG_RULE.readOnly' },
  { keys: ['mqtt', 'auth'], type: 'flag' },
  { keys: ['mqtt', 'username'], type: 'text', max: 32, when: ['mqtt', 'auth'], stripped: true },
  { keys: ['mqtt', 'password'], type: 'text', max: 32, when: ['mqtt', 'auth'], stripped: true },

  // OTA is off if `ota` or `ota.enabled` is missing.
  {
    keys: ['ota'],
    type: 'object',
    risk: (to, from) => (isEnabled(from) && !isEnabled(to) ? 'otaDisabled' : undefined),
  },
  {
    keys: ['ota', 'enabled'],
    type: 'flag',
    risk: (to, from) => (from === true && to !== true ? 'otaDisabled' : undefined),
  },

  {
    keys: ['settings'],
    type: 'settings',
    max: 10,
    unsafe: (value) => (isObject(value) ? undefined : 'CONFIG_HARM.settings'),
  },
];

/** Returns the row of a key; undefined if Homie does not know the key. */
export function keyAt(keys: Keys): ConfigKey | undefined {
  return schema.find((row) => sameKeys(row.keys, keys));
}

/** The keys that the device publishes although they are not in its file. */
export const DERIVED = schema.filter(({ derived }) => derived).map(({ keys }) => keys);

/** The secrets that the device strips before it publishes its configuration. */
export const STRIPPED = schema.filter(({ stripped }) => stripped).map(({ keys }) => keys);

function text(safe: RegExp | ((text: string) => boolean), harm: Harm) {
  const isSafe = (value: string): boolean => (safe instanceof RegExp ? safe.test(value) : safe(value));
  return (value: Json) => (typeof value === 'string' && !isSafe(value) ? harm : undefined);
}

function address(isSafe: (address: string) => boolean, harm: Harm) {
  return (value: Json) => noAddress(value) ?? text(isSafe, harm)(value);
}

function outside(least: number, most: number, harm: Harm) {
  return (value: Json) => (typeof value === 'number' && (value < least || value > most) ? harm : undefined);
}

function refusedTls(value: Json, { config: { takesTls } }: Dialect): Harm | undefined {
  return takesTls || value === false || value === '' ? undefined : 'CONFIG_RULE.noTls';
}

function isEnabled(ota: Json): boolean {
  return isObject(ota) && ota['enabled'] === true;
}

/** WPA requires 8 to 63 bytes or 64 hexadecimal digits. An empty password is for an open network. */
function riskOfPassword(to: Json): RiskName {
  if (to === null) return 'noPassword';
  const password = typeof to === 'string' ? to : '';
  const bytes = Buffer.byteLength(password);
  const isPassphrase = bytes === 0 || (bytes >= 8 && bytes <= 63) || /^[\da-f]{64}$/i.test(password);
  return isPassphrase ? 'network' : 'badPassword';
}
