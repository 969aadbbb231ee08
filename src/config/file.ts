/**
 * The config.json of a device as far as it is known from outside. The device publishes it without three secrets
 * (homie-esp8266 Config.cpp, getSafeConfigFile), so some of its members and bytes are hidden.
 */
import type { Precision } from '../homie/dialect';
import { at, isObject, jsonBytes, member, objectOf, sameKeys, type Json, type JsonObject, type Keys } from './json';
import { rewriteNumbers, shortestNumbers } from './numbers';
import { mergePatch, readObject, tryReadObject, writePatch } from './patch';
import { DERIVED, keyAt, STRIPPED } from './schema';

export interface DeviceFile {
  /** All known members, including secrets that our patches have set, with numbers as they were sent. */
  readonly content: JsonObject;
  /**
   * The same content as published: the texts to merge in this order, with numbers as the device writes them. Kept as
   * text because a device reads 2e7 and 20000000 as different numbers.
   */
  readonly layers: readonly string[];
  /** Size of the known members as written into the file, in bytes. */
  readonly bytes: number;
  /** Secrets that are or may be in the file, but whose values are not known. */
  readonly hidden: readonly Keys[];
  /** The hidden secrets that are certain to be in the file. */
  readonly certain: readonly Keys[];
  readonly room: SecretRoom;
  /** How the device keeps numbers with a fraction. */
  readonly precision: Precision;
}

/**
 * Limits for all hidden secrets together. The device runs with its file, so the file is within the limits of the
 * firmware.
 */
interface SecretRoom {
  readonly members: number;
  /** Bytes including their keys. The file may be shorter than what is published: see `shortestNumbers`. */
  readonly bytes: number;
  /** Bytes of their values only. */
  readonly values: number;
}

/**
 * Maximum size of the file, in bytes. With 1000 bytes, the device boots into configuration mode (Limits.hpp, seen on
 * homie-esp8266 ba452ea).
 */
export const MAX_FILE = 999;
/**
 * Maximum number of members and array elements, including nested ones: 512 bytes of ArduinoJson at 16 each
 * (Limits.hpp).
 */
export const MAX_MEMBERS = 32;

/**
 * Reads the configuration as published. Counts `wifi.password`, `mqtt.username` and `mqtt.password` as present: the
 * device strips the last two even if `mqtt.auth` is not true, so the file may still contain them.
 *
 * @param secretBytes total bytes of the values of the three secrets in the file, if known. 0 means that there are none;
 * `wifi.password` then still counts as an empty text, and so do the credentials that `mqtt.auth` requires
 * @returns undefined if the text is not a JSON object as a device writes it
 */
export function readFile(text: string, secretBytes?: number, precision: Precision = 'single'): DeviceFile | undefined {
  // What a device cannot read in a patch, it cannot read in its file either.
  const read = tryReadObject(text);
  if ('problem' in read) return undefined;
  const content = withoutDerived(read.patch);
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
      bytes: Math.max(0, MAX_FILE - bytes + text.length - shortestNumbers(text).length),
      values: secretBytes !== undefined && secretBytes >= 0 ? secretBytes : Infinity,
    },
    precision,
  };
  return secretBytes === 0 ? withoutUncertain(file) : file;
}

/** Returns the file after the patch, as the firmware merges it if it has enough memory. */
export function patchFile(file: DeviceFile, patch: JsonObject): DeviceFile {
  const untouched = (keys: Keys): boolean => !touches(patch, keys);
  // When a device rewrites its file, it writes what it published before.
  const rewrite = (json: string): string => rewriteNumbers(json, file.precision);
  const written = [...file.layers, rewrite(writePatch(patch))];
  return {
    content: mergePatch(file.content, patch),
    layers: written.map(rewrite),
    bytes: jsonBytes(mergeLayers(written)),
    hidden: file.hidden.filter(untouched),
    certain: file.certain.filter(untouched),
    room: file.room,
    precision: file.precision,
  };
}

/** Returns whether the keys lead to a secret that is or may be in the file, but whose value is not known. */
export function isHidden(file: DeviceFile, keys: Keys): boolean {
  return file.hidden.some((secret) => sameKeys(secret, keys));
}

/** Returns whether the keys lead to a secret that is certain to be in the file, but whose value is not known. */
export function isCertain(file: DeviceFile, keys: Keys): boolean {
  return file.certain.some((secret) => sameKeys(secret, keys));
}

/**
 * Returns the same file without the secrets that need not be in it, and with empty values for the others: the meaning
 * of `secretBytes: 0`.
 */
export function withoutUncertain(file: DeviceFile): DeviceFile {
  const hidden = file.hidden.filter((keys) => keyAt(keys)?.when === undefined || isCertain(file, keys));
  return { ...file, hidden, room: { ...file.room, values: 0 } };
}

/** Returns the configuration that a device with this file publishes, without the stripped secrets. */
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
  return patches.reduce(mergePatch, withoutDerived(first));
}

/** Returns a published configuration without what is not in the file. */
function withoutDerived(content: JsonObject): JsonObject {
  return objectOf(
    Object.entries(content).map(([root, value]): [string, Json] => [
      root,
      isObject(value) ? objectOf(Object.entries(value).filter(([key]) => !isDerived([root, key]))) : value,
    ]),
  );
}

function isDerived(keys: Keys): boolean {
  return DERIVED.some((derived) => sameKeys(derived, keys));
}

/** Returns the maximum size of the file, in bytes. */
export function fileBytes(file: DeviceFile): number {
  return file.bytes + hiddenBytes(file);
}

/** Returns the maximum size of the hidden secrets with their keys, in bytes. */
export function hiddenBytes({ hidden, room }: DeviceFile): number {
  return Math.min(room.bytes, overhead(hidden) + Math.min(room.values, longest(hidden)));
}

/** Returns the maximum number of members and array elements of the file, including nested ones. */
export function fileMembers(file: DeviceFile): number {
  const { content, hidden, certain, room } = file;
  return countMembers(content) + Math.max(certain.length, Math.min(hidden.length, room.members));
}

function countMembers(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0;
  const nested: readonly Json[] = Array.isArray(value) ? value : Object.values(value);
  return nested.reduce<number>((count, item) => count + 1 + countMembers(item), 0);
}

/**
 * Returns the id that a device with this file uses: the one in the file, or else its MAC address in lower case without
 * colons (DeviceId.cpp).
 */
export function deviceIdOf(content: JsonObject, mac: string | undefined): string | undefined {
  const id = member(content, 'device_id') ?? null;
  if (id === null) return mac?.replaceAll(':', '').toLowerCase();
  return typeof id === 'string' ? id : undefined;
}

/** Returns the base topic that a device with this file uses: the one in the file, or else `homie/` (Constants.hpp). */
export function baseTopicOf(content: JsonObject): string | undefined {
  const topic = at(content, ['mqtt', 'base_topic']) ?? null;
  if (topic === null) return 'homie/';
  return typeof topic === 'string' ? topic : undefined;
}

/** Returns the stripped secrets that the patch sets or removes. */
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
