import { HomieError } from '../src/errors';

/** A message as it comes in. */
export type Request = Readonly<Record<string, unknown>>;

/**
 * What a message asks for.
 *
 * @param value msg.action
 * @param actions those that the node knows; the first one is meant where the message says nothing
 * @throws {HomieError} UNKNOWN_ACTION, which lists the known ones
 */
export function readAction<Action extends string>(value: unknown, actions: readonly [Action, ...Action[]]): Action {
  if (isAbsent(value) || value === '') return actions[0];
  const action = actions.find((candidate) => candidate === value);
  if (action !== undefined) return action;
  const shown = typeof value === 'string' ? `"${value.slice(0, 40)}"` : `a ${typeof value}`;
  throw new HomieError('UNKNOWN_ACTION', `msg.action is ${shown}, which is not one of ${actions.join(', ')}.`);
}

/**
 * Device ids: an array of them, or text with commas between them.
 *
 * @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID
 */
export function readDevices(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : [value];
  const ids = list.flatMap((entry) => {
    if (isAbsent(entry)) return [];
    if (typeof entry !== 'string') {
      throw new HomieError('INVALID_DEVICE_ID', `A device id must be text, but one of them is a ${typeof entry}.`);
    }
    return entry.trim() === '' ? [] : [entry.trim()];
  });
  if (ids.length === 0) throw new HomieError('NO_DEVICE');
  return [...new Set(ids)];
}

export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}
