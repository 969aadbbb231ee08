import { plainText } from '../plain-text';
import { fitsWildcards } from '../wildcards';

/** Maximum length of a file name, in characters. */
const MAX_NAME = 120;

/**
 * Returns a file name that is safe to use below a folder: the last part of a path, as plain text. Names of assets come
 * from a server, and may be `../../settings.js`.
 */
export function safeFilename(name: string): string {
  const last = plainText(name.split(/[\\/]/).at(-1) ?? '', MAX_NAME).trim();
  return last === '' || last === '.' || last === '..' ? 'firmware.bin' : last;
}

/**
 * Returns whether a file name matches one of the patterns, ignoring case. `*` stands for any characters and `?` for
 * one. A hidden file matches only a pattern that starts with a dot.
 */
export function fitsPatterns(name: string, patterns: readonly string[]): boolean {
  return patterns.some(
    (pattern) =>
      !(name.startsWith('.') && !pattern.startsWith('.')) &&
      fitsWildcards(name.toLowerCase(), pattern.toLowerCase(), '?'),
  );
}
