/** Finds what a user should review before a patch is sent: risks, which must be allowed, and warnings. */
import { similarNames } from '../similar';
import type { ValueChange } from './compare';
import type { DeviceFile } from './file';
import { at, isObject, member, pathText, type Json, type Keys } from './json';
import { keyAt, schema } from './schema';
import { inEnglish, phrase, type Text } from '../texts/text';
import { maxTopicPrefix, topicPrefixBytes } from './budget';
import type { PatchContext } from './rules';

export interface Risk {
  readonly path: string;
  /** What could happen. */
  readonly text: Text;
}

export interface Warning {
  readonly code: 'UNKNOWN_KEY' | 'SETTING_TYPE' | 'NO_OTA';
  readonly path: string;
  readonly text: Text;
  /** What to do about it. */
  readonly advice: Text;
}

/** A risk as reported in a message, in English. */
export interface RiskReport {
  readonly path: string;
  readonly message: string;
}

/** A warning as reported in a message, in English. */
export interface WarningReport extends RiskReport {
  readonly code: Warning['code'];
  readonly hint: string;
}

/** Returns a risk as reported in a message. */
export function reportRisk({ path, text }: Risk): RiskReport {
  return { path, message: inEnglish(text) };
}

/** Returns a warning as reported in a message. */
export function reportWarning({ code, path, text, advice }: Warning): WarningReport {
  return { code, path, message: inEnglish(text), hint: inEnglish(advice) };
}

/** Returns the risks of changes. */
export function risksOf(changed: readonly ValueChange[]): Risk[] {
  return changed.flatMap(({ keys, from = null, to = null }) => {
    const [root, row] = [keyAt(keys.slice(0, 1)), keyAt(keys.slice(0, 2))];
    const risk = row?.risk ?? (typeof root?.risk === 'string' ? root.risk : undefined);
    const name = typeof risk === 'function' ? risk(to, from) : risk;
    return name === undefined ? [] : [{ path: pathText(keys), text: phrase(`risk.${name}`) }];
  });
}

/**
 * Returns warnings about new unknown keys, settings that change their type, and a firmware topic that becomes too long.
 */
export function warningsOf(
  before: DeviceFile,
  after: DeviceFile,
  changed: readonly ValueChange[],
  context: PatchContext,
): Warning[] {
  const warnings = unknownKeys(before, after).map((keys) => unknownKey(keys, probablyMeant(keys, before)));
  for (const { keys, from, to } of changed) {
    if (keys[0] !== 'settings' || keys.length < 2 || !changesType(from ?? null, to ?? null)) continue;
    warnings.push({
      code: 'SETTING_TYPE',
      path: pathText(keys),
      text: phrase('warning.type'),
      advice: phrase('warning.typeAdvice'),
    });
  }
  const max = maxTopicPrefix(context);
  if (topicPrefixBytes(after, context.mac) > max && topicPrefixBytes(before, context.mac) <= max) {
    warnings.push({
      code: 'NO_OTA',
      path: '',
      text: phrase('warning.topicLength'),
      advice: phrase('warning.topicLengthAdvice', { max }),
    });
  }
  return warnings;
}

function unknownKey(keys: Keys, meantKeys: Keys | undefined): Warning {
  const path = pathText(keys);
  const text = (name: 'unknown' | 'unknownRoot' | 'unknownMeant' | 'unknownAdvice' | 'meantAdvice'): Text =>
    phrase(`warning.${name}`, { path, meant: pathText(meantKeys ?? []) });
  const variant = meantKeys !== undefined ? 'unknownMeant' : keys.length > 1 ? 'unknown' : 'unknownRoot';
  const advice = text(meantKeys === undefined ? 'unknownAdvice' : 'meantAdvice');
  return { code: 'UNKNOWN_KEY', path, text: text(variant), advice };
}

/** Returns new members outside `settings` that Homie does not know, most likely typing errors. */
function unknownKeys(before: DeviceFile, after: DeviceFile): Keys[] {
  return Object.entries(after.content)
    .flatMap(([root, value]): Keys[] => {
      if (keyAt([root]) === undefined) return [[root]];
      return isObject(value) && root !== 'settings' ? Object.keys(value).map((key) => [root, key]) : [];
    })
    .filter((keys) => keyAt(keys) === undefined && at(before.content, keys) === undefined);
}

/**
 * Returns the keys that the user probably meant: a setting that the device has, or a key that Homie knows, of the same
 * or a similar name. Undefined if none is likely.
 */
function probablyMeant(keys: Keys, { content }: DeviceFile): Keys | undefined {
  const name = keys.at(-1) ?? '';
  const settings = member(content, 'settings');
  const ofSketch = isObject(settings) ? Object.keys(settings).map((key) => ['settings', key]) : [];
  const others = schema.filter(({ type }) => type !== 'settings').map((row) => row.keys);
  const siblings = schema
    .map((row) => row.keys)
    .filter((each) => each.length === keys.length && (keys.length === 1 || each[0] === keys[0]));
  const named = (candidates: readonly Keys[]): Keys[] => candidates.filter((each) => each.at(-1) === name);
  const similar = (candidates: readonly Keys[]): Keys[] => {
    const [found] = similarNames(name, new Set(candidates.map((each) => each.at(-1) ?? '')));
    return candidates.filter((each) => each.at(-1) === found);
  };
  const guesses = [named(ofSketch), named(others), similar(siblings), similar(ofSketch), similar(others)];
  // If two keys have the name, such as `wifi.password` and `mqtt.password`, neither is more likely.
  const [meant, ...more] = guesses.find((guess) => guess.length > 0) ?? [];
  return more.length === 0 ? meant : undefined;
}

/** A whole number also serves where a fraction is expected, but not the other way round. */
function changesType(from: Json, to: Json): boolean {
  if (from === null || to === null) return false;
  if (typeof from === 'number' && typeof to === 'number') return Number.isInteger(from) && !Number.isInteger(to);
  return typeof from !== typeof to || Array.isArray(from) !== Array.isArray(to);
}
