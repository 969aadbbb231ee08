/**
 * Returns whether a text matches a pattern, in which `*` stands for any characters. Goes back only to the last `*`, so the
 * time is bounded by the product of both lengths.
 *
 * @param one the character that stands for any single one, if there is such a character
 */
export function fitsWildcards(text: string, pattern: string, one?: '?'): boolean {
  let [at, in_, star, mark] = [0, 0, -1, 0];
  while (at < text.length) {
    const expected = pattern[in_];
    if (expected === '*') {
      [star, mark] = [in_, at];
      in_ += 1;
    } else if (expected === text[at] || (expected === one && one !== undefined)) {
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
