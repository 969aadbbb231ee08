/** Finds the names that somebody may have meant by a misspelled one. */

/** The longest name that is compared, in characters: the time grows with the product of both lengths. */
const MAX_LENGTH = 64;

/**
 * Returns the names that are most similar to `name`, the most similar first: names that differ only in case and
 * separators, then names that have a few characters replaced, missing, added or swapped, or that continue after `name`.
 *
 * @param most the maximum number of names
 */
export function similarNames(name: string, names: Iterable<string>, most = 1): string[] {
  if (name.length > MAX_LENGTH) return [];
  const [wanted, limit] = [plain(name), tolerance(name)];
  const found: { readonly other: string; readonly distance: number }[] = [];
  for (const other of names) {
    if (other === name || other.length > MAX_LENGTH) continue;
    const distance = distanceOf(wanted, plain(other), limit);
    if (distance <= limit) found.push({ other, distance });
  }
  found.sort((a, b) => a.distance - b.distance || (a.other < b.other ? -1 : 1));
  return found.slice(0, most).map(({ other }) => other);
}

/** Returns how many characters may differ: none in names of one or two characters, three in names of nine or more. */
function tolerance(name: string): number {
  return Math.min(3, Math.floor(name.length / 3));
}

/** Returns the distance between two names that are in lower case and without separators. */
function distanceOf(a: string, b: string, limit: number): number {
  if (a === b) return 0;
  // For example, `my-light` for `my-light-3`.
  if (a.length >= 4 && b.startsWith(a)) return 1;
  if (Math.abs(a.length - b.length) > limit) return Number.POSITIVE_INFINITY;
  const begin = common(a, b, (text, index) => text[index]);
  const end = common(a.slice(begin), b.slice(begin), (text, index) => text.at(-1 - index));
  return editDistance(a.slice(begin, a.length - end), b.slice(begin, b.length - end), limit);
}

/** Returns how many characters two texts have in common before the first difference. */
function common(a: string, b: string, character: (text: string, index: number) => string | undefined): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) if (character(a, index) !== character(b, index)) return index;
  return length;
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.\s]/g, '');
}

/**
 * Returns the optimal string alignment distance: how many characters are replaced, missing, added, or swapped with
 * their neighbor. Infinity if it exceeds `limit`.
 */
function editDistance(a: string, b: string, limit: number): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const next = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const isSame = a[row - 1] === b[column - 1];
      const isSwapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      next[column] = Math.min(
        cell(last, column) + 1,
        cell(next, column - 1) + 1,
        cell(last, column - 1) + (isSame ? 0 : 1),
        isSwapped ? cell(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    if (Math.min(...next) > limit) return Number.POSITIVE_INFINITY;
    [beforeLast, last] = [last, next];
  }
  return cell(last, b.length);
}

function cell(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
