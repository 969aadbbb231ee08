import { HomieError } from '../../src/errors';
import { isPlain } from '../../src/plain-object';
import { similarNames } from '../../src/similar';

/** An incoming message. */
export type Request = Readonly<Record<string, unknown>>;

/**
 * Returns the action that a message requests.
 *
 * @param value `msg.action`
 * @param actions the actions that the node knows; the first one is the default
 * @throws {HomieError} UNKNOWN_ACTION: lists the known actions
 */
export function readAction<Action extends string>(value: unknown, actions: readonly [Action, ...Action[]]): Action {
  if (isAbsent(value) || value === '') return actions[0];
  const action = actions.find((candidate) => candidate === value);
  if (action !== undefined) return action;
  if (typeof value !== 'string') throw new HomieError('UNKNOWN_ACTION.notText', { type: typeof value, actions });
  throw new HomieError('UNKNOWN_ACTION.named', { action: value.slice(0, 40), actions });
}

/** The properties of a message that are read, besides the settings in `options`. */
const properties = ['payload', 'device', 'action', 'job', 'checksum'];

/**
 * Reads the settings in a message.
 *
 * @param value `msg.options`, which may be anything. Reads only its own enumerable properties, each once
 * @param names the settings that a message may have
 * @returns the settings, or the error in them: INVALID_SETTING if they are not an object, UNKNOWN_SETTING with the most
 * similar setting
 */
export function readOptions(value: unknown, names: readonly string[]): Request | HomieError {
  if (isAbsent(value)) return {};
  const options = membersOf(value);
  if (options === undefined) return new HomieError('INVALID_SETTING.options');
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  return unknown === undefined ? options : unknownSetting(unknown, names);
}

/**
 * Returns a copy of the object's own enumerable properties, in which even `__proto__` is one like any other; undefined
 * for anything but a plain object.
 */
export function membersOf(value: unknown): Request | undefined {
  try {
    return isPlain(value) ? Object.fromEntries(Object.entries(value)) : undefined;
  } catch {
    // Getters and proxies may throw anything.
    return undefined;
  }
}

/**
 * Returns the fields of a dialog from a request; undefined unless they are at most 20 booleans or texts of up to 1000
 * characters.
 */
export function fieldsOf(body: unknown): Request | undefined {
  const fields = membersOf(body);
  const values = Object.values(fields ?? {});
  const areTexts = values.every(
    (value) => (typeof value === 'string' && value.length <= 1000) || typeof value === 'boolean',
  );
  return areTexts && values.length <= 20 ? fields : undefined;
}

function unknownSetting(name: string, names: readonly string[]): HomieError {
  if (properties.includes(name)) return new HomieError('UNKNOWN_SETTING.property', { name });
  const [similar] = similarNames(name, names);
  const shown = name.slice(0, 40);
  return similar === undefined
    ? new HomieError('UNKNOWN_SETTING.named', { name: shown })
    : new HomieError('UNKNOWN_SETTING.similar', { name: shown, similar });
}

/**
 * Reads device ids from an array, or from text with commas.
 *
 * @returns the ids, each once
 * @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID
 */
export function readDevices(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : [value];
  const ids = list.flatMap((entry) => {
    if (isAbsent(entry)) return [];
    if (typeof entry !== 'string') throw new HomieError('INVALID_DEVICE_ID.notText', { type: typeof entry });
    return entry.trim() === '' ? [] : [entry.trim()];
  });
  if (ids.length === 0) throw new HomieError('NO_DEVICE');
  return [...new Set(ids)];
}

export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}
