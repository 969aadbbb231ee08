/**
 * Finds values for which a device refuses a configuration (homie-esp8266 Validation.cpp), and values that it accepts
 * silently but that would break it.
 */
import { dialectOf, type Dialect, type Precision } from '../homie/dialect';
import { phrase, type ErrorKey, type Text, type Values } from '../texts/text';
import { changes, sameWhenSent } from './compare';
import { deviceIdOf, isCertain, type DeviceFile } from './file';
import { at, isObject, type Json, type Keys } from './json';
import { isReadAsIpv4, isReadAsMac, isWholeNetwork } from './network';
import { problem, type Problem } from './problem';
import { schema, type ConfigKey } from './schema';

const UINT16 = 65_535;

/** The key of an error, and the values for its text. */
type Said = readonly [key: ErrorKey, values?: Values];

interface Type {
  readonly isTaken: (value: Json, row: ConfigKey) => boolean;
  /** Returns the error for a value that is not accepted. */
  readonly mismatch: (row: ConfigKey, value: Json) => Said;
}

const types: Record<ConfigKey['type'], Type> = {
  text: {
    isTaken: (value, { min = 0, max = Infinity }) => {
      const bytes = bytesOf(value);
      return bytes !== undefined && bytes >= min && bytes <= max;
    },
    mismatch: (row, value) => {
      const bytes = row.stripped ? undefined : bytesOf(value);
      const text = lengthOf(row);
      return bytes === undefined ? ['CONFIG_RULE.textLength', { text }] : ['CONFIG_RULE.otherLength', { text, bytes }];
    },
  },
  whole: {
    isTaken: (value) => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= UINT16,
    mismatch: () => ['CONFIG_RULE.whole', { max: UINT16 }],
  },
  flag: {
    isTaken: (value) => typeof value === 'boolean',
    mismatch: () => ['CONFIG_RULE.flag'],
  },
  mac: {
    isTaken: (value) => typeof value === 'string' && isReadAsMac(value),
    mismatch: () => ['CONFIG_RULE.mac'],
  },
  ipv4: {
    isTaken: (value) => typeof value === 'string' && isReadAsIpv4(value),
    mismatch: () => ['CONFIG_RULE.ipv4'],
  },
  object: {
    isTaken: isObject,
    mismatch: ({ required }) => [required ? 'CONFIG_RULE.requiredObject' : 'CONFIG_RULE.object'],
  },
  settings: {
    isTaken: (value, { max = Infinity }) => countOf(value) <= max,
    mismatch: ({ max = Infinity }, value) => ['CONFIG_RULE.tooManySettings', { max, count: countOf(value) }],
  },
};

/**
 * Returns every problem for which the device would refuse the file; the device stops at the first. Types and validators
 * of the sketch's own settings are not known here. Lengths are in bytes of UTF-8.
 */
export function brokenRules(file: DeviceFile): Problem[] {
  return schema.flatMap((row) => broken(row, file).map(([key, values]) => problem(key, row.keys, values)));
}

function broken(row: ConfigKey, file: DeviceFile): Said[] {
  const { keys, when, together = [], needs, type } = row;
  const group = keys.slice(0, -1);
  const get = (path: readonly string[]): Json => at(file.content, path) ?? null;
  const isSet = (sibling: string): boolean => get([...group, sibling]) !== null;
  if (group.length > 0 && !isObject(get(group))) return [];
  if (when !== undefined && get(when) !== true) return [];

  const value = get(keys);
  if (value !== null) {
    const said = types[type].isTaken(value, row) ? [] : [types[type].mismatch(row, value)];
    return needs === undefined || isSet(needs) ? said : [...said, ['CONFIG_RULE.needs', { key: needs }]];
  }
  if (together.some(isSet)) return [['CONFIG_RULE.together', { keys: together }]];
  if ((row.required ?? when) === undefined || isCertain(file, keys)) return [];
  return [type === 'object' ? ['CONFIG_RULE.requiredObject'] : ['CONFIG_RULE.requiredText', { text: lengthOf(row) }]];
}

function lengthOf({ min, max = Infinity }: ConfigKey): Text {
  return min === undefined ? phrase('textAtMost', { max }) : phrase('textBetween', { min, max });
}

function bytesOf(value: Json): number | undefined {
  return typeof value === 'string' ? Buffer.byteLength(value) : undefined;
}

function countOf(settings: Json): number {
  return isObject(settings) ? Object.keys(settings).length : 0;
}

/** What is known of a device besides its file. */
export interface PatchContext {
  /** `$mac` of the device, from which its id is derived if none is set. */
  readonly mac?: string | undefined;
  readonly otherDeviceIds?: Iterable<string> | undefined;
  /** What is special about its firmware; if not known, the most careful one. */
  readonly dialect?: Dialect | undefined;
  /** Size of the TCP segments that the device was built with, in bytes; 536, the smaller one, if not known. */
  readonly segment?: number | undefined;
}

/** Returns a problem for each value that the patch would bring into the file and that would break the device. */
export function unsafeValues(
  before: DeviceFile,
  after: DeviceFile,
  { mac, otherDeviceIds = [], dialect = dialectOf(undefined) }: PatchContext,
): Problem[] {
  const [id, oldId] = [deviceIdOf(after.content, mac), deviceIdOf(before.content, mac)];
  const isTaken = id !== undefined && id !== oldId && new Set(otherDeviceIds).has(id);
  const isNew = (keys: Keys): boolean => at(after.content, keys) !== at(before.content, keys);
  const problems = schema.flatMap(({ keys, unsafe }): Problem[] => {
    const value = at(after.content, keys) ?? null;
    const harm = value !== null && isNew(keys) ? unsafe?.(value, dialect) : undefined;
    const [key, values] = typeof harm === 'string' ? [harm] : (harm ?? []);
    return [
      ...(key === undefined ? [] : [problem(key, keys, values)]),
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
 * Returns a problem for each new number that the device would not keep as it is. The device keeps 32-bit whole numbers.
 * It keeps others in single precision, which is certain for six digits, and writes six decimals between 0.00001 and 1
 * (ArduinoJson 6.11). In double precision, it is nine of each (ArduinoJson 6.21).
 */
export function impreciseNumbers(before: DeviceFile, after: DeviceFile): Problem[] {
  const { precision } = before;
  const imprecise = precision === 'double' ? 'NUMBER_PRECISION.double' : 'NUMBER_PRECISION';
  const walk = (value: Json | undefined, keys: Keys): Problem[] => {
    if (typeof value === 'number') return isKept(value, precision) ? [] : [problem(imprecise, keys)];
    if (typeof value !== 'object' || value === null) return [];
    return Object.entries(value).flatMap(([key, nested]: [string, Json]) => walk(nested, [...keys, key]));
  };
  return changes(before.content, after.content, sameWhenSent(precision)).flatMap(({ keys, to }) => walk(to, keys));
}

function isKept(value: number, precision: Precision): boolean {
  const digits = precision === 'double' ? 9 : 6;
  if (Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 32) return true;
  const size = Math.abs(value);
  if (size > 3e38 || size < 1e-37 || Number(value.toPrecision(digits)) !== value) return false;
  return size <= 1e-5 || size >= 1 || Number(value.toFixed(digits)) === value;
}
