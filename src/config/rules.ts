/** The rules by which a device refuses a configuration (homie-esp8266 Validation.cpp). */
import { isCertain, type DeviceFile } from './file';
import { at, isObject, type Json } from './json';
import { isReadAsIpv4, isReadAsMac } from './network';
import { problem, type Problem } from './problem';
import { schema, type ConfigKey } from './schema';

const UINT16 = 65_535;
const REQUIRED_OBJECT = 'It is required and must be an object.';

interface Type {
  readonly isTaken: (value: Json, row: ConfigKey) => boolean;
  /** What is wrong with a value that is not taken. */
  readonly mismatch: (row: ConfigKey, value: Json) => string;
}

const types: Record<ConfigKey['type'], Type> = {
  text: {
    isTaken: (value, { min = 0, max = Infinity }) => {
      const bytes = bytesOf(value);
      return bytes !== undefined && bytes >= min && bytes <= max;
    },
    mismatch: (row, value) => {
      const bytes = row.stripped ? undefined : bytesOf(value);
      return `It must be ${textOf(row)}${bytes === undefined ? '' : `; it has ${bytes}`}.`;
    },
  },
  whole: {
    isTaken: (value) => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= UINT16,
    mismatch: () => `It must be a whole number from 0 to ${UINT16}, without quotes.`,
  },
  flag: {
    isTaken: (value) => typeof value === 'boolean',
    mismatch: () => 'It must be true or false.',
  },
  mac: {
    isTaken: (value) => typeof value === 'string' && isReadAsMac(value),
    mismatch: () => 'It must be a MAC address such as "5C:CF:7F:00:00:01".',
  },
  ipv4: {
    isTaken: (value) => typeof value === 'string' && isReadAsIpv4(value),
    mismatch: () => 'It must be an IPv4 address such as "192.168.1.20".',
  },
  object: {
    isTaken: isObject,
    mismatch: ({ required }) => (required ? REQUIRED_OBJECT : 'It must be an object.'),
  },
  settings: {
    isTaken: (value, { max = Infinity }) => countOf(value) <= max,
    mismatch: ({ max }, value) => `It may hold at most ${max} settings; it would hold ${countOf(value)}.`,
  },
};

/**
 * Returns all that the device would refuse the whole file for, and not only the first as the device does.
 * Types and validators of the sketch's own settings are not known here. Lengths are in bytes of UTF-8.
 */
export function brokenRules(file: DeviceFile): Problem[] {
  return schema.flatMap((row) => broken(row, file).map((message) => problem('CONFIG_RULE', row.keys, message)));
}

function broken(row: ConfigKey, file: DeviceFile): string[] {
  const { keys, when, together = [], needs, type } = row;
  const group = keys.slice(0, -1);
  const get = (path: readonly string[]): Json => at(file.content, path) ?? null;
  const isSet = (sibling: string): boolean => get([...group, sibling]) !== null;
  if (group.length > 0 && !isObject(get(group))) return [];
  if (when !== undefined && get(when) !== true) return [];

  const value = get(keys);
  if (value !== null) {
    const message = types[type].isTaken(value, row) ? [] : [types[type].mismatch(row, value)];
    return needs === undefined || isSet(needs) ? message : [...message, `It also requires ${needs} to be set.`];
  }
  if (together.some(isSet)) return [`${together.join(', ')} must be set together or not at all.`];
  if ((row.required ?? when) === undefined || isCertain(file, keys)) return [];
  return [type === 'object' ? REQUIRED_OBJECT : `It is required: ${textOf(row)}.`];
}

function textOf({ min, max }: ConfigKey): string {
  return min === undefined ? `text of at most ${max} bytes` : `text of ${min} to ${max} bytes`;
}

function bytesOf(value: Json): number | undefined {
  return typeof value === 'string' ? Buffer.byteLength(value) : undefined;
}

function countOf(settings: Json): number {
  return isObject(settings) ? Object.keys(settings).length : 0;
}
