import { HomieError, type ErrorCode } from '../errors';
import { phrase, type ErrorKey, type Values } from '../texts/text';
import { pathText, type Keys } from './json';

/** A problem as reported in a message. Its texts never contain a value of the patch or the configuration. */
export interface ProblemReport {
  readonly code: ErrorCode;
  /** The path that the problem is about; empty if it is about the whole. */
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

/** A reason not to send a patch. */
export interface Problem extends ProblemReport {
  /** The problem as an error without the path. */
  readonly error: HomieError;
}

/** Returns a problem at a path, with an error of this key. */
export function problem(key: ErrorKey, keys: Keys, values?: Values): Problem {
  return problemOf(new HomieError(key, values), pathText(keys));
}

/** Returns an error as a problem. */
export function problemOf(error: HomieError, path = ''): Problem {
  const { code, message, hint } = error;
  return { code, path, message, hint, error };
}

/** Returns a problem as reported in a message. */
export function reportProblem({ code, path, message, hint }: Problem): ProblemReport {
  return { code, path, message, hint };
}

/**
 * Returns the problem as an error to throw. Its sentence names the path, and how many other problems there are.
 *
 * @param others number of other problems
 */
export function problemError({ code, path, error }: Problem, others = 0): HomieError {
  if (path === '' && others === 0) return error;
  const text = path === '' ? error.text : phrase('atPath', { path, text: error.text });
  return new HomieError(`${code}.problem`, { sentence: andOthers(text, others), hint: error.advice });
}

/** Adds to a text how many more items there are that it does not show. */
export function andOthers(text: Values[string], count: number): Values[string] {
  return count > 0 ? phrase('andOthers', { text, count }) : text;
}
