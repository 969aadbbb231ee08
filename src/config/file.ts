/**
 * The config.json of a device as far as it is known from outside. The device publishes it without three secrets
 * (homie-esp8266 Config.cpp, getSafeConfigFile), so some of its members and bytes are hidden.
 */
import { at, isObject, jsonBytes, member, objectOf, sameKeys, type Json, type JsonObject, type Keys } from './json';
import { rewriteNumbers } from './numbers';
import { mergePatch, readObject, tryReadObject, writePatch } from './patch';
import { keyAt, STRIPPED } from './schema';

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
  /** The secrets that are in the file, or may be, but are not known. */
  readonly hidden: readonly Keys[];
  /** Those of them that are in it for certain. */
  readonly certain: readonly Keys[];
  readonly room: SecretRoom;
}

/** What the hidden secrets have together at most: the device runs on its file, so it is within its limits. */
interface SecretRoom {
  readonly members: number;
  /** Bytes, with their keys. */
  readonly bytes: number;
  /** Bytes of their values alone. */
  readonly values: number;
}

/** Bytes: a file of 1000 and the device starts in its configuration mode (Limits.hpp, seen on homie-esp8266 ba452ea). */
export const MAX_FILE = 999;
/** Members and array elements, nested ones included: 512 bytes of ArduinoJson at 16 each (Limits.hpp). */
export const MAX_MEMBERS = 32;

/**
 * Reads the configuration as published. `wifi.password`, `mqtt.username` and `mqtt.password` count as there: the last two
 * are stripped also where `mqtt.auth` is not true, and the file may still hold them.
 *
 * @param secretBytes bytes of the values of the three secrets together, as they stand in the file, if known. 0 says that
 * there are none; `wifi.password` still counts as an empty text, and so do the credentials that `mqtt.auth` needs
 * @returns undefined when the text is not a JSON object as a device writes it
 */
export function readFile(text: string, secretBytes?: number): DeviceFile | undefined {
  // What a device cannot read in a patch, it cannot read in its file either.
  const read = tryReadObject(text);
  if ('problem' in read) return undefined;
  const content = read.patch;
  const hidden = STRIPPED.filter((keys) => at(content, keys) === undefined);
  const bytes = Math.min(jsonBytes(content), Buffer.byteLength(text));
  const file: DeviceFile = {
    content,
    layers: [text],
    bytes,
    hidden,
    certain: hidden.filter((keys) => {
      const when = keyAt(keys)?.when;
      return when !== undefined && at(content, when) === true;
    }),
    room: {
      members: Math.max(0, MAX_MEMBERS - countMembers(content)),
      bytes: Math.max(0, MAX_FILE - bytes),
      values: secretBytes !== undefined && secretBytes >= 0 ? secretBytes : Infinity,
    },
  };
  return secretBytes === 0 ? withoutUncertain(file) : file;
}

/** The file after the patch, as the firmware merges it when its memory suffices. */
export function patchFile(file: DeviceFile, patch: JsonObject): DeviceFile {
  const untouched = (keys: Keys): boolean => !touches(patch, keys);
  // What was published is what a rewriting writes.
  const written = [...file.layers, rewriteNumbers(writePatch(patch))];
  return {
    content: mergePatch(file.content, patch),
    layers: written.map(rewriteNumbers),
    bytes: jsonBytes(mergeLayers(written)),
    hidden: file.hidden.filter(untouched),
    certain: file.certain.filter(untouched),
    room: file.room,
  };
}

/** Whether the keys lead to a secret that is in the file, or may be, but is not known. */
export function isHidden(file: DeviceFile, keys: Keys): boolean {
  return file.hidden.some((secret) => sameKeys(secret, keys));
}

/** Whether the keys lead to a secret that is in the file, though not known. */
export function isCertain(file: DeviceFile, keys: Keys): boolean {
  return file.certain.some((secret) => sameKeys(secret, keys));
}

/** The same file with none of the secrets that it need not have: what `secretBytes: 0` says of it. */
export function withoutUncertain(file: DeviceFile): DeviceFile {
  const hidden = file.hidden.filter((keys) => keyAt(keys)?.when === undefined || isCertain(file, keys));
  return { ...file, hidden, room: { ...file.room, values: 0 } };
}

/** What the device publishes of this file. */
export function published({ layers }: DeviceFile): JsonObject {
  return objectOf(
    Object.entries(mergeLayers(layers)).map(([root, value]): [string, Json] => [
      root,
      isObject(value) ? objectOf(Object.entries(value).filter(([key]) => !keyAt([root, key])?.stripped)) : value,
    ]),
  );
}

function mergeLayers(layers: readonly string[]): JsonObject {
  const [first = {}, ...patches] = layers.map(readObject);
  return patches.reduce(mergePatch, first);
}

/** Bytes of the file, at most. */
export function fileBytes(file: DeviceFile): number {
  return file.bytes + hiddenBytes(file);
}

/** Bytes that the hidden secrets have at most, with their keys. */
export function hiddenBytes({ hidden, room }: DeviceFile): number {
  return Math.min(room.bytes, overhead(hidden) + Math.min(room.values, longest(hidden)));
}

/** Members and array elements of the file, nested ones included. */
export function fileMembers(file: DeviceFile): number {
  const { content, hidden, certain, room } = file;
  return countMembers(content) + Math.max(certain.length, Math.min(hidden.length, room.members));
}

function countMembers(value: Json): number {
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
  return hidden.reduce((bytes, keys) => bytes + (keyAt(keys)?.max ?? 0), 0);
}
