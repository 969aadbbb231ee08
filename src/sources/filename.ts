import { plainText } from '../plain-text';

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
    (pattern) => !(name.startsWith('.') && !pattern.startsWith('.')) && fits(name.toLowerCase(), pattern.toLowerCase()),
  );
}

/** Goes back only to the last `*`, so the time is bounded by the product of both lengths. */
function fits(name: string, pattern: string): boolean {
  let [at, in_, star, mark] = [0, 0, -1, 0];
  while (at < name.length) {
    const expected = pattern[in_];
    if (expected === '*') {
      [star, mark] = [in_, at];
      in_ += 1;
    } else if (expected === '?' || expected === name[at]) {
      at += 1;
      in_ += 1;
    } else if (star >= 0) {
      mark += 1;
      [in_, at] = [star + 1, mark];
    } else {
      return false;
    }
  }
  while (pattern[in_] === '*') in_ += 1;
  return in_ === pattern.length;
}
