/**
 * The config.json of a device as far as it is known from outside. The device publishes it without three secrets
 * (homie-esp8266 Config.cpp, getSafeConfigFile), so some of its members and bytes are hidden.
 */
import { at, isObject, jsonBytes, member, objectOf, sameKeys, type Json, type JsonObject, type Keys } from './json';
import { rewriteNumbers } from './numbers';
import { mergePatch, readPatch, tryReadPatch, writePatch } from './patch';
import { isStripped, STRIPPED } from './secrets';

export interface DeviceFile {
  /** All that is known, with the secrets that were set by a patch of ours, and numbers as they were sent. */
  readonly content: JsonObject;
  /**
   * The same as it is published: the texts that are merged into it, with numbers as the device writes them. As text,
   * since to a device 2e7 is another number than 20000000.
   */
  readonly layers: readonly string[];
  /** Bytes of what is known, as it is written into the file. */
  readonly bytes: number;
  /** The secrets that are in the file, but not known. */
  readonly hidden: readonly Keys[];
  /** Bytes that the values of the hidden secrets can have together at most. */
  readonly hiddenBytes: number;
}

/** Bytes: a file of 1000 and the device starts in its configuration mode (Limits.hpp, seen on homie-esp8266 ba452ea). */
export const MAX_FILE = 999;
/** Members and array elements, nested ones included: 512 bytes of ArduinoJson at 16 each (Limits.hpp). */
export const MAX_MEMBERS = 32;

/** Bytes, of each value (Limits.hpp). */
const LONGEST: Record<string, number> = { 'wifi.password': 64, 'mqtt.username': 32, 'mqtt.password': 32 };

/**
 * Reads the configuration as published. `wifi.password` counts as there, `mqtt.username` and `mqtt.password` when
 * `mqtt.auth` is true.
 *
 * @param secretBytes bytes of the values of the three secrets together, as they stand in the file, if known
 * @returns undefined when the text is not a JSON object as a device writes it
 */
export function readFile(text: string, secretBytes?: number): DeviceFile | undefined {
  // What a device cannot read in a patch, it cannot read in its file either.
  const read = tryReadPatch(text);
  if ('problem' in read) return undefined;
  const content = read.patch;
  const authenticates = at(content, ['mqtt', 'auth']) === true;
  const hidden = STRIPPED.filter((keys) => (keys[0] === 'wifi' || authenticates) && at(content, keys) === undefined);
  // The device runs on this file, so it is within its limits: what would exceed them is not there.
  const fitting =
    countMembers(content) + hidden.length > MAX_MEMBERS ? hidden.filter(([root]) => root !== 'wifi') : hidden;
  const known = Math.min(jsonBytes(content), Buffer.byteLength(text));
  const room = Math.max(0, MAX_FILE - known - overhead(fitting));
  return {
    content,
    layers: [text],
    bytes: known,
    hidden: fitting,
    hiddenBytes: Math.min(room, longest(fitting), validBytes(secretBytes)),
  };
}

/** The file after the patch, as the firmware merges it when its memory suffices. */
export function patchFile(file: DeviceFile, patch: JsonObject): DeviceFile {
  const hidden = file.hidden.filter((keys) => !touches(patch, keys));
  // What was published is what a rewriting writes.
  const written = [...file.layers, rewriteNumbers(writePatch(patch))];
  return {
    content: mergePatch(file.content, patch),
    layers: written.map(rewriteNumbers),
    bytes: jsonBytes(mergeLayers(written)),
    hidden,
    hiddenBytes: Math.min(file.hiddenBytes, longest(hidden)),
  };
}

/** Whether the keys lead to a secret that is in the file, but not known. */
export function isHidden(file: DeviceFile, keys: Keys): boolean {
  return file.hidden.some((secret) => sameKeys(secret, keys));
}

/** What the device publishes of this file. */
export function published({ layers }: DeviceFile): JsonObject {
  return objectOf(
    Object.entries(mergeLayers(layers)).map(([root, value]): [string, Json] => [
      root,
      isObject(value) ? objectOf(Object.entries(value).filter(([key]) => !isStripped([root, key]))) : value,
    ]),
  );
}

function mergeLayers(layers: readonly string[]): JsonObject {
  const [first = {}, ...patches] = layers.map(readPatch);
  return patches.reduce(mergePatch, first);
}

/** Bytes of the file, at most. */
export function fileBytes(file: DeviceFile): number {
  return file.bytes + overhead(file.hidden) + file.hiddenBytes;
}

/** Members and array elements of the file, nested ones included. */
export function fileMembers(file: DeviceFile): number {
  return countMembers(file.content) + file.hidden.length;
}

export function countMembers(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0;
  const nested: readonly Json[] = Array.isArray(value) ? value : Object.values(value);
  return nested.reduce<number>((count, item) => count + 1 + countMembers(item), 0);
}

/** The id that a device with this file uses: its own, or its MAC without colons in lower case (DeviceId.cpp). */
export function deviceIdOf(content: JsonObject, mac: string | undefined): string | undefined {
  const id = member(content, 'device_id') ?? null;
  if (id === null) return mac?.replaceAll(':', '').toLowerCase();
  return typeof id === 'string' ? id : undefined;
}

/** The base topic that a device with this file uses; `homie/` unless it is set (Constants.hpp). */
export function baseTopicOf(content: JsonObject): string | undefined {
  const topic = at(content, ['mqtt', 'base_topic']) ?? null;
  if (topic === null) return 'homie/';
  return typeof topic === 'string' ? topic : undefined;
}

/** The stripped secrets that the patch sets or removes. */
export function touchedSecrets(patch: JsonObject): readonly Keys[] {
  return STRIPPED.filter((keys) => touches(patch, keys));
}

function touches(patch: JsonObject, keys: Keys): boolean {
  let value: Json | undefined = patch;
  for (const key of keys) {
    if (!isObject(value)) return true;
    if (!Object.hasOwn(value, key)) return false;
    value = value[key];
  }
  return true;
}

/** `,"password":""` */
function overhead(hidden: readonly Keys[]): number {
  return hidden.reduce((bytes, keys) => bytes + (keys.at(-1) ?? '').length + 6, 0);
}

function longest(hidden: readonly Keys[]): number {
  return hidden.reduce((bytes, keys) => bytes + (LONGEST[keys.join('.')] ?? 0), 0);
}

function validBytes(secretBytes: number | undefined): number {
  return secretBytes !== undefined && secretBytes >= 0 ? secretBytes : Infinity;
}
