/**
 * Computes what a patch needs of the device's limits, and reports what exceeds them: memory to read and to merge the
 * patch, the file, and the packet in which the device publishes the file.
 *
 * The memory is two pools of 512 bytes of ArduinoJson 6.11 on a 32-bit chip (homie-esp8266 Limits.hpp,
 * MAX_JSON_CONFIG_ARDUINOJSON_BUFFER_SIZE). Confirmed to the byte on homie-esp8266 ba452ea.
 */
import { dialectOf } from '../homie/dialect';
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
  patchFile,
  published,
  readFile,
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
  /** Memory to read the patch, in bytes. */
  readonly patch: Use;
  /** Memory to merge the patch, in bytes. */
  readonly merge: Use;
  /** Size of the file in bytes, with unknown secrets at their longest. */
  readonly file: Use;
  /** Number of members and array elements of the file. */
  readonly members: Use;
}

/** Returns what a patch needs, and the limits. */
export function budgetOf(before: DeviceFile, after: DeviceFile, patch: JsonObject): Budget {
  return {
    patch: { used: patchMemory(patch), limit: POOL },
    merge: { used: mergeMemory(before, patch), limit: mergePool(before) },
    file: { used: fileBytes(after), limit: MAX_FILE },
    members: { used: fileMembers(after), limit: MAX_MEMBERS },
  };
}

/** Returns whether the device has enough memory to read and to merge the patch. */
export function isWithinBudget(file: DeviceFile, patch: JsonObject): boolean {
  return patchMemory(patch) <= POOL && mergeMemory(file, patch) <= mergePool(file);
}

/**
 * Returns a problem for each memory limit that the patch exceeds.
 *
 * @param steps the split that would fit; empty if there is none; undefined if none was searched for
 */
export function overBudget(
  file: DeviceFile,
  patch: JsonObject,
  steps: readonly PatchStep[] | undefined,
  { dialect = dialectOf(undefined) }: PatchContext,
): Problem[] {
  const problems: Problem[] = [];
  const split = steps && splitHint(steps);
  const [read, merge, pool] = [patchMemory(patch), mergeMemory(file, patch), mergePool(file)];
  const [bytes, limit] = [jsonBytes(patch), dialect.config.maxPatch];
  if (bytes > limit) {
    const hint = split ?? textOf('PATCH_TOO_LARGE', 'hint', {});
    problems.push(problem('PATCH_TOO_LARGE.dropped', [], { bytes, limit, hint }));
  } else if (read > POOL) {
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

/**
 * Returns whether a device can write its file again without a change, and boot with it: its numbers may then be longer.
 *
 * @param config as published; undefined if it is not known
 */
export function canRewrite(config: string | undefined, context: PatchContext): boolean {
  const file = config === undefined ? undefined : readFile(config);
  return file !== undefined && unsafeSize(file, patchFile(file, {}), context).length === 0;
}

/** Returns the problems of a file that the device would write, but could then not boot with or publish. */
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
    // If only secrets that may be in the file are too much, the user can say that there are none.
    const hint = isFull ? textOf('CONFIG_TOO_LARGE', 'hint', {}) : phrase('noSecrets');
    problems.push(problem('CONFIG_TOO_LARGE.members', [], { members, max: MAX_MEMBERS, hint }));
  }
  const buffer = 2 * segment;
  const packet = publishBytes(after, mac);
  // If the packet was already too long and was published all the same, this device has no such limit.
  if (packet > buffer && publishBytes(before, mac) <= buffer) {
    problems.push(problem('CONFIG_UNPUBLISHABLE.bytes', [], { bytes: packet, max: buffer }));
  }
  return problems;
}

/**
 * Returns the maximum length of base topic and device id together, in bytes: with more, the firmware topic with its MD5 is too long
 * for a device to receive.
 */
export function maxTopicPrefix({ dialect = dialectOf(undefined) }: PatchContext): number {
  return dialect.maxTopic - '/$implementation/ota/firmware/'.length - 32;
}

/** Returns the length of base topic and device id together, in bytes. */
export function topicPrefixBytes({ content }: DeviceFile, mac: string | undefined): number {
  return Buffer.byteLength(baseTopicOf(content) ?? '') + Buffer.byteLength(deviceIdOf(content, mac) ?? '0'.repeat(12));
}

/**
 * Returns the size of the MQTT packet with the configuration, in bytes: 7 bytes of header, the topic and the text (seen
 * on homie-esp8266 ba452ea with AsyncMqttClient 0.8.2).
 */
function publishBytes(file: DeviceFile, mac: string | undefined): number {
  return 7 + topicPrefixBytes(file, mac) + '/$implementation/config'.length + jsonBytes(published(file));
}

function splitHint(steps: readonly PatchStep[]): Text {
  const count = steps.length;
  if (count === 0) return phrase('noSplit');
  const list = steps.map(({ paths }) => paths.join(', ')).join(' | ');
  return count === 1 ? phrase('splitToRest', { list }) : phrase('splitToParts', { count, list });
}

/** Size of each pool, in bytes. */
const POOL = 512;
/** Size of a member or array element, in bytes. */
const SLOT = 16;

/** Returns the memory needed to read the patch, in bytes. The device refuses more than {@link POOL}. */
function patchMemory(patch: JsonObject): number {
  return sum(patch, (key, value) => SLOT + textMemory(key) + valueMemory(value));
}

/**
 * Returns the memory available for the merge, in bytes: what the members of the current file leave. Texts of the file
 * take none.
 */
function mergePool(file: DeviceFile): number {
  return Math.max(0, POOL - SLOT * fileMembers(file));
}

/**
 * Returns the memory needed for the merge, in bytes: for a new member its slot, key and value, for a replaced one its
 * new value. Deleting frees nothing. Beyond {@link mergePool}, values become null or are missing, and the device saves
 * that.
 */
function mergeMemory(file: DeviceFile, patch: JsonObject): number {
  const merge = (target: JsonObject, changes: JsonObject, keys: Keys): number =>
    sum(changes, (key, value) => {
      const path = [...keys, key];
      const old = member(target, key);
      if (isObject(old) && isObject(value)) return merge(old, value, path);
      if (value === null) return 0;
      if (old !== undefined) return valueMemory(value);
      if (!isHidden(file, path)) return SLOT + textMemory(key) + valueMemory(value);
      // If it is not certain that the secret is there, its slot counts in the file, and its key here.
      return (isCertain(file, path) ? 0 : textMemory(key)) + valueMemory(value);
    });
  return merge(file.content, patch, []);
}

/** Returns the memory of a value beyond its own slot, in bytes. */
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
