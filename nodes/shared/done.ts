/** How the answer to a message ends. */
import { HomieError } from '../../src/errors';

/** Marks a message that has no answer yet, because a later node continues its job. */
export const KEPT = Symbol('kept');

/** How a message ends: the error for `done`, if there is one. */
export type Done = HomieError | typeof KEPT | undefined;

/** Returns how a message ends that has several parts. */
export function together(ends: readonly Done[]): Done {
  if (ends.includes(KEPT)) return KEPT;
  const errors = ends.flatMap((end) => (end instanceof HomieError ? [end] : []));
  const [first] = errors;
  if (first === undefined || errors.length === 1) return first;
  const { code, hint, cause } = first;
  return new HomieError(code, {}, { message: errors.map(({ message }) => message).join(' '), hint, cause });
}
