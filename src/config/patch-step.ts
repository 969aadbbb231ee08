/**
 * Divides a patch into messages to a device, one or several if it is too large, and finds what the device shows of
 * each.
 */
import { changes, compareConfig, sameNumber, sameValue, sameWhenSent, shownChanges } from './compare';
import { isHidden, patchFile, published, readFile, touchedSecrets, type DeviceFile } from './file';
import { isObject, jsonBytes, leaves, member, objectOf, pathText, type Json, type JsonObject, type Keys } from './json';
import { writePatch } from './patch';
import { schema } from './schema';
import { maskObject } from './secrets';

/** What a published configuration shows of a step. */
export interface Shown extends ReturnType<typeof compareConfig> {
  /** Whether a configuration can show any change of the step. */
  readonly visible: boolean;
  readonly isAsBefore: boolean;
}

/**
 * One message to a device: a patch, and what the device publishes before and after it. The properties are safe for
 * messages and logs, secrets masked. Only methods return what may contain secrets.
 */
export class PatchStep {
  /** The patch, secrets masked. */
  readonly patch: JsonObject;
  /** The paths that the patch sets or removes. */
  readonly paths: readonly string[];
  /** The stripped secrets that the patch sets or removes. The device never shows whether it took them. */
  readonly unverified: readonly string[];
  readonly #file: DeviceFile;
  readonly #patch: JsonObject;
  readonly #secretNames: readonly string[] | undefined;
  #others: readonly PatchStep[] = [];
  readonly #text: string;
  readonly #before: JsonObject;
  readonly #expected: JsonObject;

  constructor(file: DeviceFile, patch: JsonObject, secretNames?: readonly string[]) {
    [this.#file, this.#patch, this.#secretNames] = [file, patch, secretNames];
    this.patch = maskObject(patch, secretNames);
    this.paths = leaves(patch).map(pathText);
    this.unverified = touchedSecrets(patch).map(pathText);
    this.#text = writePatch(patch);
    this.#before = published(file);
    this.#expected = published(patchFile(file, patch));
  }

  /**
   * Returns the same message for a device whose file is not known for certain. `others` are its other possible results.
   */
  or(others: readonly PatchStep[]): PatchStep {
    const step = new PatchStep(this.#file, this.#patch, this.#secretNames);
    step.#others = others;
    return step;
  }

  /** Returns all possible results of the message, this step first. */
  ways(): readonly PatchStep[] {
    return [this, ...this.#others];
  }

  /** Returns the JSON text to publish. Contains the secrets. */
  text(): string {
    return this.#text;
  }

  /** Returns the configuration that the device publishes before the step. May contain secret settings. */
  before(): JsonObject {
    return this.#before;
  }

  /** Returns the configuration that the device publishes once it has taken the step. May contain secret settings. */
  expected(): JsonObject {
    return this.#expected;
  }

  /** The paths that are proven to have changed once the device has taken the step. */
  get provenPaths(): string[] {
    return this.paths.filter((path) => !this.unverified.includes(path));
  }

  /** Returns whether the device shows any change of the step, whichever file it has. */
  isVisible(): boolean {
    const { precision } = this.#file;
    return this.ways().every((way) => shownChanges(way.#before, way.#expected, precision).length > 0);
  }

  /**
   * Returns which changes of the step the device has taken and lost. Of several possible results, uses the one in which
   * nothing was lost, or else the first.
   *
   * @param config the configuration that the device publishes after the step
   * @returns undefined if the configuration cannot be read
   */
  shownBy(config: string): Shown | undefined {
    const file = readFile(config);
    if (file === undefined) return undefined;
    const { precision } = this.#file;
    const compare = (way: PatchStep) => compareConfig(way.#before, way.#expected, config, precision, this.#secretNames);
    return {
      visible: this.isVisible(),
      isAsBefore: this.ways().some((way) => changes(way.#before, file.content, sameNumber(precision)).length === 0),
      ...(this.ways()
        .map(compare)
        .find(({ lost }) => lost.length === 0) ?? compare(this)),
    };
  }
}

/** Top-level keys that are never split, in the order of the schema: first those whose change can be followed best. */
const INDIVISIBLE = schema.filter(({ alone }) => alone).map(({ keys: [root = ''] }) => root);

/** One member that a patch sets, or removes by null. */
interface Assignment {
  readonly keys: Keys;
  readonly value: Json;
  /** Approximate growth of the file, in bytes. */
  readonly growth: number;
}

/**
 * Splits a patch into parts that, merged one after the other, give the same file as the whole. Omits members that would
 * change nothing. Orders members by growth, so that the file shrinks before it grows; indivisible keys come last.
 *
 * @param fits returns whether the device can take a part on its current file
 * @returns undefined if there is no such split
 */
export function splitPatch(
  file: DeviceFile,
  patch: JsonObject,
  fits: (file: DeviceFile, part: JsonObject) => boolean,
): JsonObject[] | undefined {
  const all = assignments(file, file.content, patch, []);
  const root = ({ keys }: Assignment): string => keys[0] ?? '';
  const divisible = all.filter((assignment) => !INDIVISIBLE.includes(root(assignment)));
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
    if (value === null ? !isThere : sameValue(old, value, sameWhenSent(file.precision))) return [];
    const growth = (value === null ? 0 : jsonBytes(value)) - (old === undefined ? 0 : jsonBytes(old));
    return [{ keys: path, value, growth }];
  });
}

/**
 * Whether a new object can be sent member by member. Not if it contains null: in a new object null is kept, in an
 * existing one it removes the member.
 */
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
