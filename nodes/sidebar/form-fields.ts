/** The configuration of a device as the fields of a form. */
import { at, isObject, pathText, type Json, type JsonObject, type Keys } from '../../src/config/json';
import { schema, type ConfigKey } from '../../src/config/schema';
import { isSecret } from '../../src/config/secrets';

/** A field of the form. */
export interface ConfigField {
  readonly keys: Keys;
  /** The keys, joined: `wifi.ssid`. */
  readonly path: string;
  /** `number`: a setting of the sketch with a fraction. */
  readonly type: Exclude<ConfigKey['type'], 'object' | 'settings'> | 'number';
  /** The published value; undefined if it is missing, or never published. */
  readonly value?: Json;
  /** A secret: its value is never shown. */
  readonly secret?: true;
  readonly required?: true;
  /** For a text, in bytes of UTF-8. */
  readonly min?: number;
  readonly max?: number;
}

/**
 * Returns a field for each key that Homie knows, in the order of the schema, and for each setting of the sketch that the
 * device has published. Settings that are objects or arrays have no field.
 *
 * @param content the configuration as published
 * @param secretNames words that mark a setting as secret if its name contains one of them
 */
export function formFields(content: JsonObject, secretNames: readonly string[]): ConfigField[] {
  return schema.flatMap(({ keys, type, derived, ...row }) => {
    if (type === 'object' || derived === true) return [];
    if (type === 'settings') return settingFields(at(content, keys), keys, secretNames);
    return [fieldOf(keys, type, at(content, keys), secretNames, row)];
  });
}

function settingFields(settings: Json | undefined, group: Keys, secretNames: readonly string[]): ConfigField[] {
  if (!isObject(settings)) return [];
  return Object.entries(settings).flatMap(([key, value]) => {
    const type = typeOf(value);
    return type === undefined ? [] : [fieldOf([...group, key], type, value, secretNames)];
  });
}

function fieldOf(
  keys: Keys,
  type: ConfigField['type'],
  value: Json | undefined,
  secretNames: readonly string[],
  { required, min, max }: Pick<ConfigKey, 'required' | 'min' | 'max'> = {},
): ConfigField {
  const secret = isSecret(keys, secretNames);
  // A value of another kind may be a secret in the wrong place.
  const isShown = !secret && value !== undefined && typeOf(value) !== undefined;
  return {
    keys,
    path: pathText(keys),
    type,
    ...(isShown && { value }),
    ...(secret && { secret }),
    ...(required && { required }),
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
  };
}

/** Returns the type of a setting by its value; undefined for objects and arrays. */
function typeOf(value: Json): ConfigField['type'] | undefined {
  switch (typeof value) {
    case 'boolean':
      return 'flag';
    case 'number':
      return Number.isInteger(value) ? 'whole' : 'number';
    case 'string':
      return 'text';
    default:
      return value === null ? 'text' : undefined;
  }
}
