import compare from 'semver/functions/compare';
import valid from 'semver/functions/valid';

/**
 * Compares two versions as semver; `1.2` counts as `1.2.0`. Versions of Homie firmware are free text, so any other two
 * are comparable only if they are the same text.
 *
 * @returns negative if the first is lower, positive if it is higher, 0 if both are equal, undefined if not comparable
 */
export function compareVersions(one: string | undefined, other: string | undefined): number | undefined {
  if (one === undefined || other === undefined) return undefined;
  if (one === other) return 0;
  const [first, second] = [semverOf(one), semverOf(other)];
  return first === null || second === null ? undefined : compare(first, second);
}

/** Returns whether a version is lower than another one; false if they cannot be compared. */
export function isOlder(version: string | undefined, than: string | undefined): boolean {
  return (compareVersions(version, than) ?? 0) < 0;
}

/** Returns the version as semver; null if it is not semver. */
function semverOf(version: string): string | null {
  const [, short, rest = ''] = /^\s*v?(\d+\.\d+)([-+].*)?$/.exec(version) ?? [];
  return valid(short === undefined ? version : `${short}.0${rest}`);
}
