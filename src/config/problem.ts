import { HomieError, type ErrorCode } from '../errors';
import { pathText, type Keys } from './json';

/** Something that speaks against a patch. No text in it ever holds a value of the patch or the configuration. */
export interface Problem {
  readonly code: ErrorCode;
  /** The path it is about; empty when it is about the whole. */
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

/** @param message the catalogue's sentence when it is left out */
export function problem(code: ErrorCode, keys: Keys, message?: string, hint?: string): Problem {
  const error = new HomieError(code);
  return { code, path: pathText(keys), message: message ?? error.message, hint: hint ?? error.hint };
}

/** Says of a list that is not shown whole how many more there are; nothing where there are none. */
export function andMore(count: number): string {
  return count > 0 ? ` (and ${count} more)` : '';
}

/** The problem as an error, for where one must be thrown. */
export function problemError({ code, path, message, hint }: Problem): HomieError {
  return new HomieError(code, path === '' ? message : `${path}: ${message}`, { hint });
}
