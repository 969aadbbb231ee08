/** JSON values as configurations hold them, read and written without ever touching a prototype. */

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** The keys that lead to a value, from the root. */
export type Keys = readonly string[];

export function sameKeys(a: Keys, b: Keys): boolean {
  return a.length === b.length && a.every((key, index) => key === b[index]);
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object's own member, never something inherited. */
export function member(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** What the keys lead to, undefined when there is nothing. */
export function at(root: JsonObject, keys: Keys): Json | undefined {
  let value: Json | undefined = root;
  for (const key of keys) value = isObject(value) ? member(value, key) : undefined;
  return value;
}

/** An object of these members. A key `__proto__` becomes a member like any other. */
export function objectOf(members: Iterable<readonly [string, Json]>): JsonObject {
  return Object.fromEntries(members);
}

/** The keys to every value that is not an object with members, in order. */
export function leaves(object: JsonObject, keys: Keys = []): Keys[] {
  return Object.entries(object).flatMap(([key, value]) => {
    const path = [...keys, key];
    return isObject(value) && Object.keys(value).length > 0 ? leaves(value, path) : [path];
  });
}

/** Bytes of the value as compact JSON text in UTF-8. */
export function jsonBytes(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** A path for people: `settings.brightness`, and `settings["a b"]` where a key is unusual. */
export function pathText(keys: Keys): string {
  return keys.reduce((path, key) => {
    if (!/^[\w$-]{1,64}$/.test(key)) return `${path}[${JSON.stringify(key.slice(0, 64))}]`;
    return path === '' ? key : `${path}.${key}`;
  }, '');
}
