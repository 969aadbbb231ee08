import { HomieError } from '../errors';
import type { Firmware } from '../firmware/firmware';
import { withDeadline } from '../deadline';
import { setNewest } from '../set-newest';
import { unlessAborted } from '../unless-aborted';
import { choose, groupOf, type ChosenCandidate } from './choose';
import type { Candidate, Refusal, Source } from './source';

/** A chosen image with its bytes. */
export interface Chosen extends ChosenCandidate {
  readonly firmware: Firmware;
  /** Whether the image differs from that of the last search, or is the first of its name and chip. */
  readonly isNew: boolean;
}

/** The result of a search. */
export interface SearchResult {
  readonly found: readonly Candidate[];
  readonly chosen: readonly Chosen[];
  readonly refused: readonly Refusal[];
}

/** The MD5 of the last chosen image of each firmware name and chip. Kept if a search finds no image. */
export type LastChosen = Map<string, string>;

/** Maximum number of images to remember, one for each firmware name and chip. */
const MAX_NAMES = 1000;

/**
 * Searches a source, chooses the newest image for each firmware name and chip, and reads it.
 *
 * @param last the previous choices, which are updated
 * @param ms time limit for the whole search, in ms
 * @throws {HomieError} why the source could not be read at all; SOURCE_TIMEOUT.search: the time limit has passed; the
 * reason of the signal
 */
export async function searchSource(
  source: Source,
  last: LastChosen,
  ms: number,
  signal: AbortSignal,
): Promise<SearchResult> {
  return withDeadline(ms, signal, async (until) => {
    try {
      // A file system call that hangs does not heed the signal.
      const result = await unlessAborted(until, searchWhole(source, last, until));
      if (result === undefined) throw until.reason;
      return result;
    } catch (error) {
      const isOver = until.aborted && !signal.aborted;
      throw isOver ? new HomieError('SOURCE_TIMEOUT.search', { host: source.shown, seconds: ms / 1000 }) : error;
    }
  });
}

async function searchWhole(source: Source, last: LastChosen, signal: AbortSignal): Promise<SearchResult> {
  const { candidates, refused } = await source.search(signal);
  const { chosen, refused: unclear } = choose(candidates);
  const { images, changed } = await readChosen(chosen, last, signal);
  return { found: candidates, chosen: images, refused: [...refused, ...unclear, ...changed] };
}

async function readChosen(
  choices: readonly ChosenCandidate[],
  last: LastChosen,
  signal: AbortSignal,
): Promise<{ images: Chosen[]; changed: Refusal[] }> {
  const [images, changed]: [Chosen[], Refusal[]] = [[], []];
  for (const choice of choices) {
    const { candidate } = choice;
    try {
      const firmware = await candidate.read(signal);
      images.push({ ...choice, firmware, isNew: last.get(groupOf(candidate)) !== firmware.info.md5 });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof HomieError)) throw error;
      changed.push({ filename: candidate.filename, source: candidate.source, error });
    }
  }
  for (const { candidate, firmware } of images) {
    setNewest(last, groupOf(candidate), firmware.info.md5, MAX_NAMES);
  }
  return { images, changed };
}
