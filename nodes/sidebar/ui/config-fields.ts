/** The fields of the form of a configuration, and what is entered in them. */
import type { ConfigField } from '../form-fields';
import { at, type Json, type JsonObject } from '../../../src/config/json';
import { isIpv4, isReadAsMac } from '../../../src/config/network';
import type { Text, Value } from '../../../src/texts/render';

export const groups = ['device', 'wifi', 'mqtt', 'ota', 'settings'] as const;

export type Group = (typeof groups)[number];

/** What is entered in a field: a text, the state of a checkbox, or null to remove the value. */
export type Edit = string | boolean | null;

/** The highest whole number of a key that Homie knows. */
const UINT16 = 65_535;

export function groupOf({ keys: [root] }: ConfigField): Group {
  return groups.find((group) => group === root) ?? 'device';
}

/** Returns whether a field belongs into the short form: it is set or edited, or has to be offered. */
export function isOffered(
  { keys, path, type, value, secret, required }: ConfigField,
  edits: ReadonlyMap<string, Edit>,
  content: JsonObject,
): boolean {
  if (edits.has(path) || value !== undefined || required === true || type === 'flag') return true;
  const auth = edits.get('mqtt.auth') ?? at(content, ['mqtt', 'auth']);
  // Without the flag, the device ignores the login.
  return secret === true && (keys[0] !== 'mqtt' || auth === true);
}

/** Returns the published value as a text to edit; empty if it is missing. */
export function textOf({ value }: ConfigField): string {
  return value === undefined || value === null || typeof value === 'object' ? '' : String(value);
}

/** Returns the value that an edit stands for. For a text that is not a number where one is required: NaN. */
export function valueOf({ type }: ConfigField, edit: Edit): Json {
  if (typeof edit !== 'string' || type === 'text') return edit;
  const text = edit.trim();
  if (text === '') return null;
  return type === 'whole' || type === 'number' ? Number(text) : text;
}

/** Returns whether an edit changes the published value. A secret counts as changed, since its value is not known. */
export function isChanged(field: ConfigField, edit: Edit): boolean {
  const { type, value, secret } = field;
  if (edit === (type === 'flag' ? value === true : textOf(field))) return false;
  const next = valueOf(field, edit);
  return next === null ? secret === true || (value ?? null) !== null : next !== value;
}

/** Returns why the device would refuse an edit; undefined if the field alone gives no reason. */
export function problemOf(field: ConfigField, edit: Edit): Value | undefined {
  const value = valueOf(field, edit);
  if (value === null) return field.required === true ? rule('requiredText', { text: lengthOf(field) }) : undefined;
  if (typeof value === 'number') return numberProblem(field, value);
  return typeof value === 'string' ? textProblem(field, value) : undefined;
}

function numberProblem({ keys }: ConfigField, value: number): Value | undefined {
  // Only the sketch knows which numbers it accepts.
  if (keys[0] === 'settings') return Number.isFinite(value) ? undefined : rule('number');
  return Number.isInteger(value) && value >= 0 && value <= UINT16 ? undefined : rule('whole', { max: UINT16 });
}

function textProblem(field: ConfigField, value: string): Value | undefined {
  const { type, min = 0, max = Infinity, secret } = field;
  if (type === 'ipv4') return isIpv4(value) ? undefined : rule('ipv4');
  if (type === 'mac') return isReadAsMac(value) ? undefined : rule('mac');
  const bytes = new TextEncoder().encode(value).length;
  if (bytes >= min && bytes <= max) return undefined;
  const text = lengthOf(field);
  return secret === true ? rule('textLength', { text }) : rule('otherLength', { text, bytes });
}

function lengthOf({ min, max = 0 }: ConfigField): Text {
  return min === undefined
    ? { key: 'phrases.textAtMost', values: { max } }
    : { key: 'phrases.textBetween', values: { min, max } };
}

/** Returns a sentence of Node-RED about a value, so that the form and the check say the same. */
function rule(variant: string, values: Text['values'] = {}): Text {
  return { key: `errors.CONFIG_RULE.${variant}.text`, values };
}
