/**
 * Reads patches, writes them as they are published, and merges them as the firmware does. The device reads with
 * ArduinoJson 6.11, which supports no `\u` escapes and at most 10 levels of nesting.
 */
import { isPlain } from '../plain-object';
import { isObject, MASK, member, objectOf, type Json, type JsonObject, type Keys } from './json';
import { problem, problemError, type Problem } from './problem';

/**
 * Maximum levels of objects and arrays, including the patch itself (ArduinoJson 6.11,
 * ARDUINOJSON_DEFAULT_NESTING_LIMIT).
 */
const MAX_NESTING = 10;

// Characters that JSON can write only as \u escapes. The device reads the short escapes \b \f \n \r \t.
// oxlint-disable-next-line no-control-regex
const NEEDS_ESCAPE = /[\0-\x07\x0b\x0e-\x1f]|\p{Surrogate}/u;

/**
 * Reads a patch from an object or from JSON text. Text is parsed and written again, so `\u00fc` becomes the letter, and
 * 5e1 becomes 50. If a key occurs twice, the last one counts.
 *
 * @returns an independent copy that contains nothing but JSON
 * @throws {HomieError} PATCH_TYPE, PATCH_JSON, PATCH_NESTING, PATCH_CHARACTER, PATCH_VALUE; PATCH_MASKED: a text
 * contains the mask, which the device would take for its secret
 */
export function readPatch(input: unknown): JsonObject {
  const result = tryReadPatch(input);
  if ('problem' in result) throw problemError(result.problem);
  return result.patch;
}

/** Reads a patch like {@link readPatch}, but returns a problem instead of throwing it. */
export function tryReadPatch(input: unknown): { readonly patch: JsonObject } | { readonly problem: Problem } {
  const read = tryReadObject(input);
  const masked = 'patch' in read ? maskedIn(read.patch) : undefined;
  return masked === undefined ? read : { problem: problem('PATCH_MASKED', masked) };
}

/** Returns the keys to the first text that contains the mask of a secret; undefined if there is none. */
export function maskedIn(value: Json, keys: Keys = []): Keys | undefined {
  if (typeof value === 'string') return value.includes(MASK) ? keys : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, nested] of Object.entries<Json>(value)) {
    const found = maskedIn(nested, [...keys, key]);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Reads an object that is not going to be sent, such as a configuration or a patch with masked secrets. Like {@link
 * tryReadPatch}, but the mask is allowed.
 */
export function tryReadObject(input: unknown): { readonly patch: JsonObject } | { readonly problem: Problem } {
  try {
    const patch = copy(typeof input === 'string' ? parse(input) : input, []);
    if (!isObject(patch)) throw new PatchRefused(problem('PATCH_TYPE', []));
    return { patch };
  } catch (error) {
    // Getters and proxies may throw anything.
    return { problem: error instanceof PatchRefused ? error.reason : problem('PATCH_VALUE', []) };
  }
}

/** Reads an object that is not going to be sent. Like {@link readPatch}, but the mask is allowed. */
export function readObject(input: unknown): JsonObject {
  const result = tryReadObject(input);
  if ('problem' in result) throw problemError(result.problem);
  return result.patch;
}

/** Returns the patch as the JSON text to publish: compact, UTF-8, without `\u` escapes. */
export function writePatch(patch: JsonObject): string {
  return JSON.stringify(patch);
}

/**
 * Merges a patch as the firmware does: objects merge, null deletes, and any other value replaces, arrays included. A
 * null within a new object stays null (homie-esp8266 Config.cpp, _patchJsonObject).
 *
 * @returns a new object; neither argument is changed
 */
export function mergePatch(target: JsonObject, patch: JsonObject): JsonObject {
  const merged = new Map(Object.entries(target));
  for (const [key, value] of Object.entries(patch)) {
    const old = member(target, key);
    if (isObject(old) && isObject(value)) merged.set(key, mergePatch(old, value));
    else if (value === null) merged.delete(key);
    else merged.set(key, value);
  }
  return objectOf(merged);
}

class PatchRefused extends Error {
  constructor(readonly reason: Problem) {
    super(reason.message);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The engine's message may quote the text, which may contain a secret. Only the position at its end is kept.
    const position = / at position (\d+)(?: \(line \d+ column \d+\))?$/.exec(
      error instanceof Error ? error.message : '',
    )?.[1];
    if (position === undefined) throw new PatchRefused(problem('PATCH_JSON', []));
    throw new PatchRefused(problem('PATCH_JSON.position', [], { position }));
  }
}

function copy(value: unknown, keys: Keys): Json {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value === 0 ? 0 : value;
  if (typeof value === 'string') {
    checkCharacters(value, keys);
    return value;
  }
  if (typeof value !== 'object' || !(Array.isArray(value) || isPlain(value))) {
    throw new PatchRefused(problem(keys.length === 0 ? 'PATCH_TYPE' : 'PATCH_VALUE', keys));
  }
  if (keys.length >= MAX_NESTING) throw new PatchRefused(problem('PATCH_NESTING', keys));
  return Array.isArray(value) ? copyArray(value, keys) : copyObject(value, keys);
}

function copyArray(array: readonly unknown[], keys: Keys): Json[] {
  return Array.from(array, (value, index) => copy(value, [...keys, String(index)]));
}

function copyObject(object: object, keys: Keys): JsonObject {
  const members = Object.entries(object).map(([key, value]): [string, Json] => {
    checkCharacters(key, [...keys, key]);
    return [key, copy(value, [...keys, key])];
  });
  return objectOf(members);
}

function checkCharacters(text: string, keys: Keys): void {
  if (NEEDS_ESCAPE.test(text)) throw new PatchRefused(problem('PATCH_CHARACTER', keys));
}
