/** Masks secrets, which must not appear in a message, a status, a log or an error. */
import { isObject, MASK, objectOf, type Json, type JsonObject, type Keys } from './json';
import { keyAt, schema } from './schema';
import { configDefaults } from './settings';

/** Default words that mark a setting as secret if its name contains one of them, in upper or lower case. */
export const SECRET_NAMES = configDefaults.secretNames;

/**
 * Returns whether a value must be masked: a stripped secret, or a value at or below a key with a secret-like name in `settings`
 * or at or beneath a key that Homie does not know.
 */
export function isSecret(keys: Keys, names: readonly string[] = SECRET_NAMES): boolean {
  if (keyAt(keys)?.stripped) return true;
  const known = keyAt(keys.slice(0, 2));
  if (known !== undefined && keyAt(keys.slice(0, 1))?.type !== 'settings') return false;
  return keys.some((key) => names.some((name) => name !== '' && key.toLowerCase().includes(name.toLowerCase())));
}

/** Returns a value with its secrets masked. Null is not masked, since it shows only that there is no value. */
export function maskValue(value: Json, keys: Keys, names: readonly string[] = SECRET_NAMES): Json {
  if (value === null) return null;
  if (isSecret(keys, names) || misplaced(value, keys)) return MASK;
  if (Array.isArray(value)) return value.map((item: Json) => maskValue(item, keys, names));
  return isObject(value) ? maskObject(value, names, keys) : value;
}

/** Returns a configuration or a patch with its secrets masked. */
export function maskObject(object: JsonObject, names: readonly string[] = SECRET_NAMES, keys: Keys = []): JsonObject {
  return objectOf(
    Object.entries(object).map(([key, value]): [string, Json] => [key, maskValue(value, [...keys, key], names)]),
  );
}

/** Whether a value stands where an object with secrets belongs: the value may be the secret itself. */
function misplaced(value: Json, keys: Keys): boolean {
  if (keys.length !== 1 || isObject(value)) return false;
  return schema.some((row) => row.keys[0] === keys[0] && (row.stripped || row.type === 'settings'));
}
