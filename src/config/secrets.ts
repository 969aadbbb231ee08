/** Masking of what must not appear in a message, a status, a log or an error. */
import { isObject, objectOf, sameKeys, type Json, type JsonObject, type Keys } from './json';
import { MASK, tryReadObject } from './patch';

export { MASK };

/** The secrets that the device strips before it publishes its configuration (Config.cpp, getSafeConfigFile). */
export const STRIPPED = [
  ['wifi', 'password'],
  ['mqtt', 'username'],
  ['mqtt', 'password'],
] as const satisfies readonly Keys[];

/** What the name of a secret setting contains, in any case, unless the user says otherwise. */
export const SECRET_NAMES: readonly string[] = ['password', 'secret', 'token', 'key'];

const KNOWN_ROOTS = new Set(['name', 'device_id', 'device_stats_interval', 'wifi', 'mqtt', 'ota']);

/** Whether the keys lead to one of the secrets that the device strips. */
export function isStripped(keys: Keys): boolean {
  return STRIPPED.some((secret) => sameKeys(secret, keys));
}

/**
 * Whether a value must be masked: the stripped secrets, and whatever lies at or below a key with a secret-like name
 * in `settings` or beneath a key that Homie does not know.
 */
export function isSecret(keys: Keys, names: readonly string[] = SECRET_NAMES): boolean {
  if (isStripped(keys)) return true;
  if (KNOWN_ROOTS.has(keys[0] ?? '')) return false;
  return keys.some((key) => names.some((name) => name !== '' && key.toLowerCase().includes(name.toLowerCase())));
}

/** The value with its secrets masked. A null stays: it says only that there is nothing. */
export function maskValue(value: Json, keys: Keys, names: readonly string[] = SECRET_NAMES): Json {
  if (value === null) return null;
  if (isSecret(keys, names) || misplaced(value, keys)) return MASK;
  if (Array.isArray(value)) return value.map((item: Json) => maskValue(item, keys, names));
  return isObject(value) ? maskMembers(value, keys, names) : value;
}

/** A configuration or a patch with its secrets masked. */
export function maskObject(object: JsonObject, names: readonly string[] = SECRET_NAMES): JsonObject {
  return maskMembers(object, [], names);
}

/** The JSON text of a configuration or a patch with its secrets masked; all of it when it cannot be read as one. */
export function maskText(text: string, names: readonly string[] = SECRET_NAMES): string {
  const read = tryReadObject(text);
  return 'problem' in read ? MASK : JSON.stringify(maskObject(read.patch, names));
}

function maskMembers(object: JsonObject, keys: Keys, names: readonly string[]): JsonObject {
  return objectOf(
    Object.entries(object).map(([key, value]): [string, Json] => [key, maskValue(value, [...keys, key], names)]),
  );
}

/** Text where an object with secrets belongs may well be the secret itself. */
function misplaced(value: Json, keys: Keys): boolean {
  return keys.length === 1 && ['wifi', 'mqtt', 'settings'].includes(keys[0] ?? '') && !isObject(value);
}
