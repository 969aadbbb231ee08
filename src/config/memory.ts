/**
 * The memory in which a device reads and merges a patch: two pools of 512 bytes of ArduinoJson 6.11 on a 32-bit chip
 * (homie-esp8266 Limits.hpp, MAX_JSON_CONFIG_ARDUINOJSON_BUFFER_SIZE). Seen to the byte on homie-esp8266 ba452ea.
 */
import { fileMembers, isCertain, isHidden, type DeviceFile } from './file';
import { isObject, member, type Json, type JsonObject, type Keys } from './json';

/** Bytes of each pool. */
export const POOL = 512;
/** Bytes of a member or array element. */
const SLOT = 16;

/** Bytes that reading the patch takes of its pool; more than {@link POOL} is refused. */
export function patchMemory(patch: JsonObject): number {
  return nestedMemory(patch);
}

/** Bytes that the merge has: what the members of the current file leave; its texts take nothing. */
export function mergePool(file: DeviceFile): number {
  return Math.max(0, POOL - SLOT * fileMembers(file));
}

/**
 * Bytes that the merge takes. A new member takes its slot, its key and its value; a replaced one its new value;
 * deleting gives nothing back. Beyond {@link mergePool} values become null or are missing, and the device saves that.
 */
export function mergeMemory(file: DeviceFile, patch: JsonObject): number {
  const merge = (target: JsonObject, changes: JsonObject, keys: Keys): number =>
    sum(changes, (key, value) => {
      const path = [...keys, key];
      const old = member(target, key);
      if (isObject(old) && isObject(value)) return merge(old, value, path);
      if (value === null) return 0;
      if (old !== undefined) return valueMemory(value);
      if (!isHidden(file, path)) return SLOT + textMemory(key) + valueMemory(value);
      // Where it is not certain that it is there, its slot is counted in the file, its key here.
      return (isCertain(file, path) ? 0 : textMemory(key)) + valueMemory(value);
    });
  return merge(file.content, patch, []);
}

function nestedMemory(object: JsonObject): number {
  return sum(object, (key, value) => SLOT + textMemory(key) + valueMemory(value));
}

/** Beyond its own slot. */
function valueMemory(value: Json): number {
  if (typeof value === 'string') return textMemory(value);
  if (isObject(value)) return nestedMemory(value);
  if (!Array.isArray(value)) return 0;
  return value.reduce<number>((bytes, item: Json) => bytes + SLOT + valueMemory(item), 0);
}

function textMemory(text: string): number {
  return Buffer.byteLength(text) + 1;
}

function sum(object: JsonObject, bytes: (key: string, value: Json) => number): number {
  return Object.entries(object).reduce((total, [key, value]) => total + bytes(key, value), 0);
}
