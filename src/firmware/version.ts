import compare from 'semver/functions/compare';
import valid from 'semver/functions/valid';

/**
 * Compares two versions: as semver, where `1.2` stands for `1.2.0`. Versions of Homie firmwares are free text, so that
 * others are comparable only where both texts are the same.
 *
 * @returns negative where the first is lower, 0 where both are equal, undefined where they cannot be compared
 */
export function compareVersions(one: string | undefined, other: string | undefined): number | undefined {
  if (one === undefined || other === undefined) return undefined;
  if (one === other) return 0;
  const [first, second] = [semverOf(one), semverOf(other)];
  return first === null || second === null ? undefined : compare(first, second);
}

/** Whether a version is lower than another one; false where they cannot be compared. */
export function isOlder(version: string | undefined, than: string | undefined): boolean {
  return (compareVersions(version, than) ?? 0) < 0;
}

/** The version as semver; null where it is none. */
function semverOf(version: string): string | null {
  const [, short, rest = ''] = /^\s*v?(\d+\.\d+)([-+].*)?$/.exec(version) ?? [];
  return valid(short === undefined ? version : `${short}.0${rest}`);
}
