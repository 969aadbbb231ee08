/** Compares configurations: finds their differences, and values that did not come back as expected. */
import { HomieError } from '../errors';
import type { Precision } from '../homie/dialect';
import { phrase, type Values } from '../texts/text';
import { readFile } from './file';
import { isObject, member, pathText, type Json, type JsonObject, type Keys } from './json';
import { publishedNumber, rewrittenNumber } from './numbers';
import { andOthers } from './problem';
import { maskValue } from './secrets';

/** A difference with its real values, `undefined` for a missing value. May contain secrets. */
export interface ValueChange {
  readonly keys: Keys;
  readonly from: Json | undefined;
  readonly to: Json | undefined;
}

/** A difference for display, secrets masked. `null` stands for a missing value. */
export interface Difference {
  readonly path: string;
  readonly from: Json;
  readonly to: Json;
}

/** A value that did not come back as expected, secrets masked. `null` stands for a missing value. */
export interface LostValue {
  readonly path: string;
  readonly expected: Json;
  readonly got: Json;
}

/**
 * Returns the differences between two configurations. Descends into objects that both have; compares arrays as a whole.
 *
 * @param same whether two numbers count as the same
 */
export function changes(before: JsonObject, after: JsonObject, same: Same, keys: Keys = []): ValueChange[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key): ValueChange[] => {
    const [from, to, path] = [member(before, key), member(after, key), [...keys, key]];
    if (isObject(from) && isObject(to)) return changes(from, to, same, path);
    return sameValue(from, to, same) ? [] : [{ keys: path, from, to }];
  });
}

/** Returns whether two values are the same, with numbers compared by `same`. */
export function sameValue(a: Json | undefined, b: Json | undefined, same: Same): boolean {
  if (typeof a === 'number' && typeof b === 'number') return same(a, b);
  if (Array.isArray(a) && Array.isArray(b)) {
    const others: readonly Json[] = b;
    return a.length === b.length && a.every((item: Json, index) => sameValue(item, others[index], same));
  }
  if (isObject(a) && isObject(b)) return changes(a, b, same).length === 0;
  return a === b;
}

/** Returns a difference for display, secrets masked. */
export function difference({ keys, from, to }: ValueChange, secretNames?: readonly string[]): Difference {
  const masked = (value: Json | undefined): Json => maskValue(value ?? null, keys, secretNames);
  return { path: pathText(keys), from: masked(from), to: masked(to) };
}

/**
 * Compares the configuration that a device publishes after its reboot with the expected one.
 *
 * @param precision how the device keeps numbers
 * @param before the configuration published before the patch
 * @param expected the configuration expected to be published after it; like the others, without the stripped secrets
 * @param text the configuration published now
 * @returns the paths that were to change and did, and every value that is not as expected (`VALUE_LOST`)
 * @throws {HomieError} CONFIG_UNREADABLE: the text is not a JSON object
 */
export function compareConfig(
  before: JsonObject,
  expected: JsonObject,
  text: string,
  precision: Precision,
  secretNames?: readonly string[],
): { readonly taken: string[]; readonly lost: LostValue[] } {
  const file = readFile(text);
  if (file === undefined) throw new HomieError('CONFIG_UNREADABLE');
  const lost = changes(expected, file.content, sameAfterRewriting(precision));
  const isLost = (keys: Keys): boolean =>
    lost.some((change) => isWithin(keys, change.keys) || isWithin(change.keys, keys));
  return {
    taken: shownChanges(before, expected, precision)
      .filter(({ keys }) => !isLost(keys))
      .map(({ keys }) => pathText(keys)),
    lost: lost.map((change) => {
      const { path, from, to } = difference(change, secretNames);
      return { path, expected: from, got: to };
    }),
  };
}

/**
 * Returns the error for lost values, which names up to three of them.
 *
 * @param all at least one
 */
export function valueLost(all: readonly LostValue[], what: 'rebooted' | 'cameBack'): HomieError {
  const shown = all
    .slice(0, 3)
    .map(({ path, expected, got }) => phrase('lostValue', { path, expected: brief(expected), got: brief(got) }));
  return new HomieError(`VALUE_LOST.${what}`, { lost: andOthers(shown, all.length - shown.length) });
}

/** @param value with its secrets masked */
function brief(value: Json): Values[string] {
  if (value === null) return phrase('missingOrNull');
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/**
 * Returns the changes of a step that a device shows. Digits that other numbers lose because the device rewrites its
 * file do not count.
 */
export function shownChanges(before: JsonObject, expected: JsonObject, precision: Precision): ValueChange[] {
  const same = sameNumber(precision);
  return changes(before, expected, (from, to) => same(from, to) || rewrittenNumber(from, precision) === to);
}

type Same = (a: number, b: number) => boolean;

/** Returns whether a device that publishes the first number would publish it again if the second were sent to it. */
export function sameWhenSent(precision: Precision): Same {
  const same = sameNumber(precision);
  return (shown, sent) => same(shown, sent) || (!areWhole(shown, sent) && publishedNumber(sent, precision) === shown);
}

/** Returns whether two numbers are the same to a device. */
export function sameNumber(precision: Precision): Same {
  if (precision === 'double') return (a, b) => a === b;
  return (a, b) => a === b || (!areWhole(a, b) && Math.fround(a) === Math.fround(b));
}

/** Allows for firmware that keeps more digits than the modeled one, or rounds the last digit differently. */
function sameAfterRewriting(precision: Precision): Same {
  const same = sameNumber(precision);
  return (expected, got) => {
    if (same(expected, got)) return true;
    if (areWhole(expected, got)) return false;
    if (rewrittenNumber(got, precision) === expected || publishedNumber(got, precision) === expected) return true;
    return Math.abs(expected - got) <= 1e-6 * Math.max(Math.abs(expected), Math.abs(got));
  };
}

function areWhole(a: number, b: number): boolean {
  return [a, b].every((n) => Number.isInteger(n) && Math.abs(n) < 2 ** 32);
}

function isWithin(keys: Keys, root: Keys): boolean {
  return root.every((key, index) => keys[index] === key);
}
