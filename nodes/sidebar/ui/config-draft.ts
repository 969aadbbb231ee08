/** What a user has entered in the configuration of a device, and the patch that follows from it. */
import type { ConfigField } from '../form-fields';
import {
  at,
  isObject,
  leaves,
  MASK,
  member,
  objectOf,
  sameKeys,
  type Json,
  type JsonObject,
  type Keys,
} from '../../../src/config/json';
import { isChanged, problemOf, valueOf, type Edit } from './config-fields';

/** What is entered, by the paths of the fields. */
export type Edits = ReadonlyMap<string, Edit>;

/** What is entered and not sent yet. */
export interface Draft {
  readonly edits: Edits;
  /** The text of the patch in the JSON view, while that is shown. */
  readonly json?: string;
}

export const noDraft: Draft = { edits: new Map() };

/** Returns the patch that sets what was changed, and nothing else. */
function patchOf(fields: readonly ConfigField[], edits: Edits): JsonObject {
  return changedOf(fields, edits).reduce<JsonObject>(
    (patch, [field, edit]) => withValue(patch, field.keys, valueOf(field, edit)),
    {},
  );
}

/** Returns the patch as JSON text, secrets masked. */
function patchText(fields: readonly ConfigField[], edits: Edits): string {
  const masked = changedOf(fields, edits)
    .filter(([{ secret }, edit]) => secret === true && edit !== null)
    .reduce((patch, [{ keys }]) => withValue(patch, keys, MASK), patchOf(fields, edits));
  return JSON.stringify(masked, null, 2);
}

/**
 * Reads the JSON text of a patch. A mask where a secret was entered stands for that secret.
 *
 * @returns undefined if the text is not a JSON object
 */
function readPatch(text: string, fields: readonly ConfigField[], edits: Edits): JsonObject | undefined {
  let patch: Json;
  try {
    patch = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(patch)) return undefined;
  return changedOf(fields, edits)
    .filter(([{ keys, secret }]) => secret === true && isObject(patch) && at(patch, keys) === MASK)
    .reduce((whole, [field, edit]) => withValue(whole, field.keys, valueOf(field, edit)), patch);
}

/** Returns the patch that a draft makes; undefined if its text is not a JSON object. */
export function draftPatch(fields: readonly ConfigField[], { edits, json }: Draft): JsonObject | undefined {
  return json === undefined ? patchOf(fields, edits) : readPatch(json, fields, edits);
}

/** Returns whether a draft changes anything, or cannot be read. */
export function isDirty(fields: readonly ConfigField[], draft: Draft): boolean {
  const patch = draftPatch(fields, draft);
  return patch === undefined || Object.keys(patch).length > 0;
}

/**
 * Returns a draft with the JSON view shown instead of the form, or the form instead of the JSON view.
 *
 * @returns undefined if it cannot be shown there
 */
export function switched(fields: readonly ConfigField[], { edits, json }: Draft): Draft | undefined {
  if (json === undefined) {
    return invalidFields(fields, edits).length > 0 ? undefined : { edits, json: patchText(fields, edits) };
  }
  const patch = readPatch(json, fields, edits);
  const next = patch && editsOf(fields, patch);
  return next && { edits: next };
}

/** Returns the fields with edits that the device would refuse. */
export function invalidFields(fields: readonly ConfigField[], edits: Edits): ConfigField[] {
  return changedOf(fields, edits).flatMap(([field, edit]) => (problemOf(field, edit) === undefined ? [] : [field]));
}

/** @param to undefined to keep the published value */
export function withEdit(edits: Edits, path: string, to: Edit | undefined): Edits {
  const next = new Map(edits);
  if (to === undefined) next.delete(path);
  else next.set(path, to);
  return next;
}

/** Returns the edits that make a patch; undefined if the form has no field for a value in it. */
function editsOf(fields: readonly ConfigField[], patch: JsonObject): Edits | undefined {
  const edits = new Map<string, Edit>();
  for (const keys of leaves(patch)) {
    const field = fields.find((each) => sameKeys(each.keys, keys));
    const edit = field && editOf(field, at(patch, keys));
    if (field === undefined || edit === undefined) return undefined;
    edits.set(field.path, edit);
  }
  return edits;
}

function editOf(field: ConfigField, value: Json | undefined): Edit | undefined {
  const { type, secret } = field;
  if (value === null) return null;
  if (type === 'flag') return typeof value === 'boolean' ? value : undefined;
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const edit = String(value);
  // In the field of a secret, both mean something else.
  if (secret === true && (edit === '' || edit === MASK)) return undefined;
  return valueOf(field, edit) === value ? edit : undefined;
}

function changedOf(fields: readonly ConfigField[], edits: Edits): [ConfigField, Edit][] {
  return fields.flatMap((field): [ConfigField, Edit][] => {
    const edit = edits.get(field.path);
    return edit !== undefined && isChanged(field, edit) ? [[field, edit]] : [];
  });
}

function withValue(object: JsonObject, [key, ...rest]: Keys, value: Json): JsonObject {
  if (key === undefined) return object;
  const inner = member(object, key);
  const next = rest.length === 0 ? value : withValue(isObject(inner) ? inner : {}, rest, value);
  return objectOf([...Object.entries(object), [key, next]]);
}
