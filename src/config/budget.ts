/**
 * What a patch takes of what the device has, and what is said when that is too much: memory to read it and to merge it, the
 * file, and the packet in which the device publishes the file.
 *
 * The memory is two pools of 512 bytes of ArduinoJson 6.11 on a 32-bit chip (homie-esp8266 Limits.hpp,
 * MAX_JSON_CONFIG_ARDUINOJSON_BUFFER_SIZE). Seen to the byte on homie-esp8266 ba452ea.
 */
import { phrase, textOf, type Text } from '../texts/text';
import {
  baseTopicOf,
  deviceIdOf,
  fileBytes,
  fileMembers,
  hiddenBytes,
  isCertain,
  isHidden,
  MAX_FILE,
  MAX_MEMBERS,
  published,
  withoutUncertain,
  type DeviceFile,
} from './file';
import { isObject, jsonBytes, member, type Json, type JsonObject, type Keys } from './json';
import { problem, type Problem } from './problem';
import type { PatchStep } from './patch-step';
import type { PatchContext } from './rules';

interface Use {
  readonly used: number;
  readonly limit: number;
}

export interface Budget {
  /** Bytes to read the patch. */
  readonly patch: Use;
  /** Bytes to merge it. */
  readonly merge: Use;
  /** Bytes of the file, with unknown secrets at their longest. */
  readonly file: Use;
  /** Members and array elements of the file. */
  readonly members: Use;
}

export function budgetOf(before: DeviceFile, after: DeviceFile, patch: JsonObject): Budget {
  return {
    patch: { used: patchMemory(patch), limit: POOL },
    merge: { used: mergeMemory(before, patch), limit: mergePool(before) },
    file: { used: fileBytes(after), limit: MAX_FILE },
    members: { used: fileMembers(after), limit: MAX_MEMBERS },
  };
}

/** Whether the device has the memory to read and to merge the patch. */
export function isWithinBudget(file: DeviceFile, patch: JsonObject): boolean {
  return patchMemory(patch) <= POOL && mergeMemory(file, patch) <= mergePool(file);
}

/** @param steps the split that would fit, empty when there is none, undefined when none was looked for */
export function overBudget(file: DeviceFile, patch: JsonObject, steps: readonly PatchStep[] | undefined): Problem[] {
  const problems: Problem[] = [];
  const split = steps && splitHint(steps);
  const [read, merge, pool] = [patchMemory(patch), mergeMemory(file, patch), mergePool(file)];
  if (read > POOL) {
    const hint = split ?? textOf('PATCH_TOO_LARGE', 'hint', {});
    problems.push(problem('PATCH_TOO_LARGE.bytes', [], { used: read, limit: POOL, hint }));
  }
  if (merge > pool) {
    const uncounted = isWithinBudget(withoutUncertain(file), patch) ? phrase('noSecrets') : undefined;
    const hint =
      split && uncounted
        ? phrase('twoSentences', { first: split, second: uncounted })
        : (split ?? uncounted ?? textOf('MERGE_TOO_LARGE', 'hint', {}));
    problems.push(problem('MERGE_TOO_LARGE.bytes', [], { used: merge, limit: pool, hint }));
  }
  return problems;
}

/** A file that the device would write and then not start with, or not publish. */
export function unsafeSize(before: DeviceFile, after: DeviceFile, { mac, segment = 536 }: PatchContext): Problem[] {
  const problems: Problem[] = [];
  const [bytes, secrets] = [fileBytes(after), hiddenBytes(after)];
  if (bytes > MAX_FILE) {
    const key = secrets > 0 ? 'CONFIG_TOO_LARGE.secretBytes' : 'CONFIG_TOO_LARGE.bytes';
    problems.push(problem(key, [], { bytes, secrets, max: MAX_FILE }));
  }
  const members = fileMembers(after);
  if (members > MAX_MEMBERS) {
    const isFull = fileMembers(withoutUncertain(after)) > MAX_MEMBERS;
    // Where only secrets that may be in the file are too much.
    const hint = isFull ? textOf('CONFIG_TOO_LARGE', 'hint', {}) : phrase('noSecrets');
    problems.push(problem('CONFIG_TOO_LARGE.members', [], { members, max: MAX_MEMBERS, hint }));
  }
  const buffer = 2 * segment;
  const packet = publishBytes(after, mac);
  // Where it has been too long before and was published all the same, this device has no such limit.
  if (packet > buffer && publishBytes(before, mac) <= buffer) {
    problems.push(problem('CONFIG_UNPUBLISHABLE.bytes', [], { bytes: packet, max: buffer }));
  }
  return problems;
}

/** Bytes of the firmware topic's part before the MD5 that a device can still receive, base topic and id together. */
export const MAX_TOPIC_PREFIX = 67;

/** Bytes of base topic and device id together. */
export function topicPrefixBytes({ content }: DeviceFile, mac: string | undefined): number {
  return Buffer.byteLength(baseTopicOf(content) ?? '') + Buffer.byteLength(deviceIdOf(content, mac) ?? '0'.repeat(12));
}

/** The MQTT packet: 7 bytes of header, the topic and the text (seen on homie-esp8266 ba452ea with AsyncMqttClient 0.8.2). */
function publishBytes(file: DeviceFile, mac: string | undefined): number {
  return 7 + topicPrefixBytes(file, mac) + '/$implementation/config'.length + jsonBytes(published(file));
}

function splitHint(steps: readonly PatchStep[]): Text {
  const count = steps.length;
  if (count === 0) return phrase('noSplit');
  const list = steps.map(({ paths }) => paths.join(', ')).join(' | ');
  return count === 1 ? phrase('splitToRest', { list }) : phrase('splitToParts', { count, list });
}

/** Bytes of each pool. */
const POOL = 512;
/** Bytes of a member or array element. */
const SLOT = 16;

/** Bytes that reading the patch takes of its pool; more than {@link POOL} is refused. */
export function patchMemory(patch: JsonObject): number {
  return sum(patch, (key, value) => SLOT + textMemory(key) + valueMemory(value));
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

/** Beyond its own slot. */
function valueMemory(value: Json): number {
  if (typeof value === 'string') return textMemory(value);
  if (isObject(value)) return patchMemory(value);
  if (!Array.isArray(value)) return 0;
  return value.reduce<number>((bytes, item: Json) => bytes + SLOT + valueMemory(item), 0);
}

function textMemory(text: string): number {
  return Buffer.byteLength(text) + 1;
}

function sum(object: JsonObject, bytes: (key: string, value: Json) => number): number {
  return Object.entries(object).reduce((total, [key, value]) => total + bytes(key, value), 0);
}
