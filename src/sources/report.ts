import type { HomieError } from '../errors';
import { plainText } from '../plain-text';
import { inEnglish, phrase, type Value } from '../texts/text';
import type { ChoiceReason } from './choose';
import type { Chosen, SearchResult } from './search';
import type { Candidate, Refusal, Source } from './source';

/** An image as messages and the report describe it. */
export interface FoundImage {
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly chip: string;
  /** Size of the decoded image, in bytes. */
  readonly size: number;
  readonly md5: string;
  readonly filename: string;
  /** Where the image was found: a path, an address without its query, or a repository with the tag of the release. */
  readonly source: string;
  /** ISO 8601: the date of the release, Last-Modified, or the last change of the file. */
  readonly publishedAt: string | undefined;
}

interface ChosenImage extends FoundImage {
  readonly reason: ChoiceReason;
  /** Whether a message was sent for it. */
  readonly sent: boolean;
  /** Why the image was chosen, in one sentence. */
  readonly text: string;
}

interface RefusedFile {
  readonly filename: string;
  readonly source: string;
  readonly error: ErrorFacts;
  readonly text: string;
}

/** An error as messages describe it. */
type ErrorFacts = Pick<HomieError, 'code' | 'message' | 'hint' | 'retryable'> & {
  /** Time until the server accepts the next request, in s. */
  readonly wait?: number;
};

/** What a search found, chose and refused. Lists have at most 200 entries; `counts` has the full numbers. */
export interface SearchReport {
  readonly source: string;
  readonly found: readonly FoundImage[];
  readonly chosen: readonly ChosenImage[];
  readonly refused: readonly RefusedFile[];
  readonly counts: { readonly found: number; readonly chosen: number; readonly refused: number; readonly sent: number };
  /** ISO 8601. */
  readonly startedAt: string;
  /** In ms. */
  readonly duration: number;
  /** Why the source could not be read at all. */
  readonly error?: ErrorFacts;
  /** One sentence. */
  readonly text: string;
}

/** When a search started, and how long it took. */
export interface Times {
  readonly startedAt: Date;
  /** In ms. */
  readonly duration: number;
}

/** Maximum number of reported entries of a list. */
const MOST_LISTED = 200;

/** Maximum number of firmware names in a sentence. */
const MOST_NAMED = 3;

/** Returns an image as messages describe it. Its name and version become plain text of one line. */
export function foundImage({ info, filename, source, publishedAt }: Candidate): FoundImage {
  const { name, version, chip, size, md5 } = info;
  return {
    name: name && plainText(name),
    version: version && plainText(version),
    chip,
    size,
    md5,
    filename,
    source,
    publishedAt: publishedAt?.toISOString(),
  };
}

/**
 * Returns the report of a search.
 *
 * @param sent the chosen images for which a message is sent
 */
export function searchReport(
  source: Source,
  result: SearchResult,
  sent: ReadonlySet<Chosen>,
  times: Times,
): SearchReport {
  const { found, chosen, refused } = result;
  return {
    source: source.shown,
    found: found.slice(0, MOST_LISTED).map(foundImage),
    chosen: chosen.slice(0, MOST_LISTED).map((each) => ({
      ...foundImage(each.candidate),
      reason: each.reason,
      sent: sent.has(each),
      text: inEnglish(whyChosen(each)),
    })),
    refused: refused.slice(0, MOST_LISTED).map((each) => ({
      filename: each.filename,
      source: each.source,
      error: errorFacts(each.error),
      text: inEnglish(whyRefused(each)),
    })),
    counts: { found: found.length, chosen: chosen.length, refused: refused.length, sent: sent.size },
    ...timesOf(times),
    text: inEnglish(searchSentence(source, result, sent)),
  };
}

/**
 * Returns the report of a search that could not read the source at all.
 *
 * @param source the name of the source
 */
export function reportFailure(source: string, error: HomieError, times: Times): SearchReport {
  return {
    source,
    found: [],
    chosen: [],
    refused: [],
    counts: { found: 0, chosen: 0, refused: 0, sent: 0 },
    ...timesOf(times),
    error: errorFacts(error),
    text: error.message,
  };
}

function timesOf({ startedAt, duration }: Times): Pick<SearchReport, 'startedAt' | 'duration'> {
  return { startedAt: startedAt.toISOString(), duration: Math.round(duration) };
}

function errorFacts({ code, message, hint, retryable, values: { wait } }: HomieError): ErrorFacts {
  return { code, message, hint, retryable, ...(typeof wait === 'number' && { wait }) };
}

/** Returns the result of a search in one sentence. */
export function searchSentence(source: Source, { chosen, refused }: SearchResult, sent: ReadonlySet<Chosen>): Value {
  const values = { source: source.shown, count: refused.length };
  const isClean = refused.length === 0;
  if (chosen.length === 0) return phrase(isClean ? 'searchNothing' : 'searchNothingRefused', values);
  const named = chosen.slice(0, MOST_NAMED).map((each) => nameOf(each, chosen));
  const more = chosen.length - named.length;
  const list = more > 0 ? phrase('andMore', { shown: named, count: more }) : named;
  if (sent.size > 0) return phrase(isClean ? 'searchFound' : 'searchFoundRefused', { ...values, list });
  return phrase(isClean ? 'searchUnchanged' : 'searchUnchangedRefused', { ...values, list });
}

/** Names the chip only if it makes a difference. */
function nameOf({ candidate: { info } }: Chosen, all: readonly Chosen[]): Value {
  const same = all.filter(({ candidate }) => candidate.info.name === info.name);
  const version = info.version === undefined ? phrase('noVersion') : plainText(info.version);
  const values = { name: plainText(info.name ?? ''), version, chip: info.chip };
  return phrase(same.length > 1 ? 'searchFirmwareChip' : 'searchFirmware', values);
}

const reasons = { only: 'searchOnly', newest: 'searchNewest', latest: 'searchLatest' } as const;

/** Returns why an image was chosen, in one sentence. */
export function whyChosen(chosen: Chosen): Value {
  const { candidate, reason, of } = chosen;
  return phrase(reasons[reason], {
    firmware: nameOf(chosen, [chosen, chosen]),
    count: of,
    filename: candidate.filename,
  });
}

/** Returns why a file was refused, and what to do. */
export function whyRefused({ filename, error }: Refusal): Value {
  return phrase('searchRefused', { filename, why: error.text, hint: error.advice });
}
