import { asHomieError, HomieError } from '../../src/errors';
import { setNewest } from '../../src/set-newest';
import { searchSource, type Chosen, type LastChosen, type SearchResult } from '../../src/sources/search';
import { reportFailure, searchReport, type SearchReport, type Times } from '../../src/sources/report';
import {
  placeOf,
  readSourceSettings,
  sourceOf,
  sourceSettingNames,
  type SourceSettings,
} from '../../src/sources/settings';
import type { Source } from '../../src/sources/source';
import { orThrow } from '../shared/actions';
import { readOptions } from '../shared/request';
import type { NodeSource } from './firmware-settings';

/** The answer to a message. */
export interface SearchAnswer {
  /** The images to send, one message for each. */
  readonly sent: readonly Chosen[];
  readonly report: SearchReport;
  /** Why the source could not be read at all. */
  readonly error: HomieError | undefined;
}

/** A source and the last choices from it. */
interface Place {
  readonly source: Source;
  readonly last: LastChosen;
}

/**
 * Maximum number of places to remember: the node's own, and those that messages name. Each may keep images in memory.
 */
const MAX_PLACES = 4;

/** Runs the searches of a node one after the other, so that each knows the result of the previous one. */
export class Searches {
  readonly #node: NodeSource | HomieError;
  readonly #workingFolder: string;
  readonly #places = new Map<string, Place>();
  readonly #closing = new AbortController();
  /** Searches that run or wait, by their settings. A message with the same settings gets the same answer. */
  readonly #open = new Map<string, Promise<SearchAnswer>>();
  /** Resolves when the last search has ended. */
  #queue: Promise<unknown> = Promise.resolve();

  /**
   * @param node the settings of the node, or the error in them
   * @param workingFolder the folder that relative paths start from
   */
  constructor(node: NodeSource | HomieError, workingFolder: string) {
    this.#node = node;
    this.#workingFolder = workingFolder;
  }

  /** Whether a search runs or waits. */
  get isSearching(): boolean {
    return this.#open.size > 0;
  }

  /**
   * Runs a search, or joins an open one with the same settings.
   *
   * @param options `msg.options`
   * @throws {HomieError} INVALID_SETTING, UNKNOWN_SETTING, SOURCE_SETTINGS; an AbortError when the node is closed
   */
  async search(options: unknown): Promise<SearchAnswer> {
    this.#closing.signal.throwIfAborted();
    const { settings: own } = orThrow(this.#node);
    const settings = readSourceSettings(own, orThrow(readOptions(options, sourceSettingNames)));
    const place = this.#place(settings);
    const key = JSON.stringify(settings);
    const open = this.#open.get(key) ?? this.#start(key, place, settings);
    return open;
  }

  /** Aborts the running search. Resolves when all searches have ended. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#open.values());
  }

  #start(key: string, place: Place, settings: SourceSettings): Promise<SearchAnswer> {
    const answer = this.#queue.then(() => this.#run(place, settings));
    this.#open.set(key, answer);
    const end = (): void => void this.#open.delete(key);
    this.#queue = answer.then(end, end);
    return answer;
  }

  async #run({ source, last }: Place, { onlyChanged, timeout }: SourceSettings): Promise<SearchAnswer> {
    const { signal } = this.#closing;
    const [startedAt, begun] = [new Date(), performance.now()];
    const times = (): Times => ({ startedAt, duration: performance.now() - begun });
    try {
      signal.throwIfAborted();
      const result = await searchSource(source, last, timeout, signal);
      const sent = toSend(result, onlyChanged);
      return { sent, report: searchReport(source, result, new Set(sent), times()), error: undefined };
    } catch (error) {
      signal.throwIfAborted();
      const failure = asHomieError(error);
      return { sent: [], report: reportFailure(source.shown, failure, times()), error: failure };
    }
  }

  #place(settings: SourceSettings): Place {
    const { credentials, shown } = orThrow(this.#node);
    const key = placeOf(settings);
    const place = this.#places.get(key) ?? {
      source: sourceOf(settings, { workingFolder: this.#workingFolder, credentials, shown }),
      last: new Map(),
    };
    setNewest(this.#places, key, place, MAX_PLACES);
    return place;
  }
}

function toSend({ chosen }: SearchResult, onlyChanged: boolean): Chosen[] {
  return chosen.filter(({ isNew }) => isNew || !onlyChanged);
}
