/** JSON values of configurations, read and written without touching a prototype. */

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** The keys that lead to a value, from the root. */
export type Keys = readonly string[];

/** Shown in place of a secret. A patch that contains it is refused. */
export const MASK = '•••';

export function sameKeys(a: Keys, b: Keys): boolean {
  return a.length === b.length && a.every((key, index) => key === b[index]);
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns the object's own member, never an inherited one. */
export function member(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Returns the value that the keys lead to; undefined if there is none. */
export function at(root: JsonObject, keys: Keys): Json | undefined {
  let value: Json | undefined = root;
  for (const key of keys) value = isObject(value) ? member(value, key) : undefined;
  return value;
}

/** Returns an object with these members. A key `__proto__` becomes a member like any other. */
export function objectOf(members: Iterable<readonly [string, Json]>): JsonObject {
  return Object.fromEntries(members);
}

/** Returns the keys to every value that is not an object with members, in order. */
export function leaves(object: JsonObject, keys: Keys = []): Keys[] {
  return Object.entries(object).flatMap(([key, value]) => {
    const path = [...keys, key];
    return isObject(value) && Object.keys(value).length > 0 ? leaves(value, path) : [path];
  });
}

/** Returns the size of the value as compact JSON text in UTF-8, in bytes. */
export function jsonBytes(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** Returns a path for display: `settings.brightness`, or `settings["a b"]` if a key is unusual. */
export function pathText(keys: Keys): string {
  return keys.reduce((path, key) => {
    if (!/^[\w$-]{1,64}$/.test(key)) return `${path}[${JSON.stringify(key.slice(0, 64))}]`;
    return path === '' ? key : `${path}.${key}`;
  }, '');
}

/** Returns the paths that lie at or below one of the roots. */
export function within(paths: readonly string[], roots: readonly string[]): string[] {
  return paths.filter((path) =>
    roots.some((root) => path === root || (path.startsWith(root) && /^[.[]/.test(path.slice(root.length)))),
  );
}
