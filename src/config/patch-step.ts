/** The messages in which a patch goes to a device: one, or several where it is too much at once; and what a device shows of them. */
import { changes, compareConfig, sameValue, sameWhenSent, shownChanges } from './compare';
import { isHidden, patchFile, published, readFile, touchedSecrets, type DeviceFile } from './file';
import { isObject, jsonBytes, leaves, member, objectOf, pathText, type Json, type JsonObject, type Keys } from './json';
import { writePatch } from './patch';
import { schema } from './schema';
import { maskObject } from './secrets';

/** What a configuration shows of a step. */
export interface Shown extends ReturnType<typeof compareConfig> {
  /** It can show anything of it. */
  readonly visible: boolean;
  readonly isAsBefore: boolean;
}

/**
 * One message to a device: a patch, and what the device publishes before and after it. The properties are fit for
 * messages and logs, secrets masked; what may hold secrets comes from the methods only.
 */
export class PatchStep {
  /** The patch, secrets masked. */
  readonly patch: JsonObject;
  /** The paths that it sets or removes. */
  readonly paths: readonly string[];
  /** The stripped secrets that it sets or removes: whether they were taken, the device never says. */
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

  /** The same message to a device of which it is not known which file it has: each of these may be what comes of it. */
  or(others: readonly PatchStep[]): PatchStep {
    const step = new PatchStep(this.#file, this.#patch, this.#secretNames);
    step.#others = others;
    return step;
  }

  /** What may come of the message, this step first. */
  ways(): readonly PatchStep[] {
    return [this, ...this.#others];
  }

  /** The JSON text to publish. Holds the secrets. */
  text(): string {
    return this.#text;
  }

  /** What the device publishes as its configuration before the step. May hold secret settings. */
  before(): JsonObject {
    return this.#before;
  }

  /** What the device publishes as its configuration when it has taken the step. May hold secret settings. */
  expected(): JsonObject {
    return this.#expected;
  }

  /** The paths that are proven to have changed when the device has taken the step. */
  get provenPaths(): string[] {
    return this.paths.filter((path) => !this.unverified.includes(path));
  }

  /** Whether the device shows anything of what the step changes. */
  isVisible(): boolean {
    return this.ways().every((way) => shownChanges(way.#before, way.#expected).length > 0);
  }

  /**
   * Returns what the device has taken and lost of the step: of the ways in which it may have gone, that in which nothing was
   * lost, else the first.
   *
   * @param config as the device publishes it after the step
   * @returns undefined when the configuration cannot be read
   */
  shownBy(config: string): Shown | undefined {
    const file = readFile(config);
    if (file === undefined) return undefined;
    const compare = (way: PatchStep) => compareConfig(way.#before, way.#expected, config, this.#secretNames);
    return {
      visible: this.isVisible(),
      isAsBefore: this.ways().some((way) => changes(way.#before, file.content).length === 0),
      ...(this.ways()
        .map(compare)
        .find(({ lost }) => lost.length === 0) ?? compare(this)),
    };
  }
}

/** Each of these goes whole, in the order of the schema: first what can be followed best. */
const INDIVISIBLE = schema.filter(({ alone }) => alone).map(({ keys: [root = ''] }) => root);

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
