import { HomieError } from '../errors';
import { compareVersions } from '../firmware/version';
import { plainText } from '../plain-text';
import { phrase, type Value } from '../texts/text';
import type { Candidate, Refusal } from './source';

/**
 * Why an image was chosen: it is the only one, has the highest version, or is the latest of those with the highest
 * version.
 */
export type ChoiceReason = 'only' | 'newest' | 'latest';

/** The image chosen for a firmware name and chip. */
export interface ChosenCandidate {
  readonly candidate: Candidate;
  readonly reason: ChoiceReason;
  /** Number of different images to choose from. */
  readonly of: number;
}

/** Maximum number of versions or files named in an error. */
const MOST_NAMED = 4;

/**
 * Chooses the newest image for each firmware name and chip: the one with the highest version, or the latest of those
 * with equal versions. If the newest cannot be determined, chooses none and refuses all of them.
 *
 * @returns the choices, ordered by name and chip, and the images refused with NOT_HOMIE or VERSION_UNCLEAR
 */
export function choose(candidates: readonly Candidate[]): { chosen: ChosenCandidate[]; refused: Refusal[] } {
  const groups = new Map<string, Candidate[]>();
  const [chosen, refused]: [ChosenCandidate[], Refusal[]] = [[], []];
  for (const candidate of candidates) {
    if (candidate.info.name === undefined) refused.push(refuse(candidate, new HomieError('NOT_HOMIE.nameless')));
    else append(groups, groupOf(candidate), candidate);
  }
  for (const [, group] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const images = different(group);
    const found = newest(images);
    if (found instanceof HomieError) refused.push(...group.map((each) => refuse(each, found)));
    else chosen.push({ ...found, of: images.length });
  }
  return { chosen, refused };
}

/** Returns the firmware name and chip as a key. */
export function groupOf({ info: { name = '', chip } }: Pick<Candidate, 'info'>): string {
  return `${name}\0${chip}`;
}

function append(groups: Map<string, Candidate[]>, key: string, candidate: Candidate): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [candidate]);
  else group.push(candidate);
}

function refuse({ filename, source }: Candidate, error: HomieError): Refusal {
  return { filename, source, error };
}

/** Returns one candidate for each image: the latest if the same image was found more than once. */
function different(group: readonly Candidate[]): Candidate[] {
  const images = new Map<string, Candidate>();
  for (const candidate of group) {
    const other = images.get(candidate.info.md5);
    if (other === undefined || timeOf(candidate) > timeOf(other)) images.set(candidate.info.md5, candidate);
  }
  return [...images.values()];
}

function timeOf({ publishedAt }: Candidate): number {
  return publishedAt?.getTime() ?? Number.NEGATIVE_INFINITY;
}

function newest(images: readonly Candidate[]): Pick<ChosenCandidate, 'candidate' | 'reason'> | HomieError {
  const [first, ...rest] = images;
  if (first === undefined) throw new TypeError('a group has an image');
  if (rest.length === 0) return { candidate: first, reason: 'only' };
  let highest = [first];
  for (const candidate of rest) {
    const order = compareVersions(candidate.info.version, highest[0]?.info.version);
    if (order === undefined) return unclear('versions', first, images, versionOf);
    if (order > 0) highest = [candidate];
    else if (order === 0) highest.push(candidate);
  }
  const latest = Math.max(...highest.map(timeOf));
  const [candidate, ...others] = highest.filter((each) => timeOf(each) === latest);
  if (candidate === undefined || others.length > 0) return unclear('same', first, highest, ({ filename }) => filename);
  return { candidate, reason: highest.length > 1 ? 'latest' : 'newest' };
}

function versionOf({ info: { version } }: Candidate): Value {
  return version === undefined ? phrase('noVersion') : plainText(version);
}

function unclear(
  variant: 'versions' | 'same',
  { info }: Candidate,
  images: readonly Candidate[],
  nameOf: (candidate: Candidate) => Value,
): HomieError {
  const named = images.slice(0, MOST_NAMED).map(nameOf);
  const more = images.length - named.length;
  const list = more > 0 ? phrase('andMore', { shown: named, count: more }) : named;
  return new HomieError(`VERSION_UNCLEAR.${variant}`, { name: plainText(info.name ?? ''), chip: info.chip, list });
}
