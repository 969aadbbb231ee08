/** Splitting a patch that is too much at once into several, each small enough and each leaving a valid file. */
import { sameValue, sameWhenSent } from './compare';
import { isHidden, patchFile, type DeviceFile } from './file';
import { isObject, jsonBytes, member, objectOf, type Json, type JsonObject, type Keys } from './json';

/** Each of these goes whole and alone, after all else; first what can be followed best. */
const INDIVISIBLE = ['device_id', 'wifi', 'mqtt'] as const;

/** One member that a patch sets or, by null, removes. */
interface Assignment {
  readonly keys: Keys;
  readonly value: Json;
  /** Bytes that the file grows by, roughly. */
  readonly growth: number;
}

/**
 * Splits a patch so that its parts, merged one after the other, give the same file as the whole. What would change
 * nothing is left out. Removals come first, then what makes the file smaller, so that no file in between is larger
 * than the first and the last.
 *
 * @param fits whether the device can take this patch on this file
 * @returns undefined when there is no such split
 */
export function splitPatch(
  file: DeviceFile,
  patch: JsonObject,
  fits: (file: DeviceFile, part: JsonObject) => boolean,
): JsonObject[] | undefined {
  const all = assignments(file, file.content, patch, []);
  const root = ({ keys }: Assignment): string => keys[0] ?? '';
  const divisible = all.filter((assignment) => !INDIVISIBLE.some((key) => key === root(assignment)));
  const whole = INDIVISIBLE.map((key) => all.filter((assignment) => root(assignment) === key));

  const parts: JsonObject[] = [];
  let current = file;
  const take = (part: readonly Assignment[]): boolean => {
    if (part.length === 0) return true;
    const next = join(part);
    if (!fits(current, next)) return false;
    parts.push(next);
    current = patchFile(current, next);
    return true;
  };

  let part: Assignment[] = [];
  for (const assignment of divisible.sort((a, b) => a.growth - b.growth)) {
    if (fits(current, join([...part, assignment]))) {
      part.push(assignment);
    } else {
      if (!take(part)) return undefined;
      part = [assignment];
    }
  }
  return [part, ...whole].every(take) ? parts : undefined;
}

function assignments(file: DeviceFile, target: JsonObject, patch: JsonObject, keys: Keys): Assignment[] {
  return Object.entries(patch).flatMap(([key, value]): Assignment[] => {
    const path = [...keys, key];
    const old = member(target, key);
    if (isObject(value) && isObject(old)) return assignments(file, old, value, path);
    if (isObject(value) && isDivisible(value)) return assignments(file, {}, value, path);
    const isThere = old !== undefined || isHidden(file, path);
    if (value === null ? !isThere : sameValue(old, value, sameWhenSent)) return [];
    const growth = (value === null ? 0 : jsonBytes(value)) - (old === undefined ? 0 : jsonBytes(old));
    return [{ keys: path, value, growth }];
  });
}

/** Whether a new object can come member by member: a null is kept within a new object, but removes from an existing one. */
function isDivisible(object: JsonObject): boolean {
  const values = Object.values(object);
  return values.length > 0 && !values.includes(null);
}

function join(part: readonly Assignment[]): JsonObject {
  return part.reduce<JsonObject>((patch, { keys, value }) => put(patch, keys, value), {});
}

function put(object: JsonObject, [key = '', ...rest]: Keys, value: Json): JsonObject {
  const nested = member(object, key);
  const next = rest.length === 0 ? value : put(isObject(nested) ? nested : {}, rest, value);
  return objectOf([...Object.entries(object).filter(([name]) => name !== key), [key, next]]);
}
