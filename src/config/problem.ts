import { HomieError, type ErrorCode } from '../errors';
import { phrase, type ErrorKey, type Values } from '../texts/text';
import { pathText, type Keys } from './json';

/** A problem as it goes into a message. No text in it ever holds a value of the patch or the configuration. */
export interface ProblemReport {
  readonly code: ErrorCode;
  /** The path it is about; empty when it is about the whole. */
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

/** Something that speaks against a patch. */
export interface Problem extends ProblemReport {
  /** The same without the path. */
  readonly error: HomieError;
}

export function problem(key: ErrorKey, keys: Keys, values?: Values): Problem {
  return problemOf(new HomieError(key, values), pathText(keys));
}

export function problemOf(error: HomieError, path = ''): Problem {
  const { code, message, hint } = error;
  return { code, path, message, hint, error };
}

export function reportProblem({ code, path, message, hint }: Problem): ProblemReport {
  return { code, path, message, hint };
}

/**
 * The problem as an error, for where one must be thrown: its sentence names the path, and how many others there are.
 *
 * @param others how many problems there are beside this one
 */
export function problemError({ code, path, error }: Problem, others = 0): HomieError {
  if (path === '' && others === 0) return error;
  const text = path === '' ? error.text : phrase('atPath', { path, text: error.text });
  return new HomieError(`${code}.problem`, { sentence: andOthers(text, others), hint: error.advice });
}

/** Says of a text that does not show all how many more there are. */
export function andOthers(text: Values[string], count: number): Values[string] {
  return count > 0 ? phrase('andOthers', { text, count }) : text;
}
