import { asHomieError, HomieError } from '../../src/errors';
import { setNewest } from '../../src/set-newest';
import { lookAt, type Chosen, type LastChosen, type Look } from '../../src/sources/search';
import { reportFailure, lookReport, type LookReport, type Times } from '../../src/sources/report';
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
export interface LookAnswer {
  /** The images to send, one message for each. */
  readonly sent: readonly Chosen[];
  readonly report: LookReport;
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

/** Runs the looks of a node one after the other, so that each knows the result of the previous one. */
export class Looks {
  readonly #node: NodeSource | HomieError;
  readonly #workingFolder: string;
  readonly #places = new Map<string, Place>();
  readonly #closing = new AbortController();
  /** Looks that run or wait, by their settings. A message with the same settings gets the same answer. */
  readonly #open = new Map<string, Promise<LookAnswer>>();
  /** Resolves when the last look has ended. */
  #queue: Promise<unknown> = Promise.resolve();

  /**
   * @param node the settings of the node, or the error in them
   * @param workingFolder the folder that relative paths start from
   */
  constructor(node: NodeSource | HomieError, workingFolder: string) {
    this.#node = node;
    this.#workingFolder = workingFolder;
  }

  /** Whether a look runs or waits. */
  get isLooking(): boolean {
    return this.#open.size > 0;
  }

  /**
   * Runs a look, or joins an open one with the same settings.
   *
   * @param options `msg.options`
   * @throws {HomieError} INVALID_SETTING, UNKNOWN_SETTING, SOURCE_SETTINGS; an AbortError when the node is closed
   */
  async look(options: unknown): Promise<LookAnswer> {
    this.#closing.signal.throwIfAborted();
    const { settings: own } = orThrow(this.#node);
    const settings = readSourceSettings(own, orThrow(readOptions(options, sourceSettingNames)));
    const place = this.#place(settings);
    const key = JSON.stringify(settings);
    const open = this.#open.get(key) ?? this.#start(key, place, settings);
    return open;
  }

  /** Aborts the running look. Resolves when all looks have ended. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#open.values());
  }

  #start(key: string, place: Place, settings: SourceSettings): Promise<LookAnswer> {
    const answer = this.#queue.then(() => this.#run(place, settings));
    this.#open.set(key, answer);
    const end = (): void => void this.#open.delete(key);
    this.#queue = answer.then(end, end);
    return answer;
  }

  async #run({ source, last }: Place, { onlyChanged, timeout }: SourceSettings): Promise<LookAnswer> {
    const { signal } = this.#closing;
    const [startedAt, begun] = [new Date(), performance.now()];
    const times = (): Times => ({ startedAt, duration: performance.now() - begun });
    try {
      signal.throwIfAborted();
      const look = await lookAt(source, last, timeout, signal);
      const sent = toSend(look, onlyChanged);
      return { sent, report: lookReport(source, look, new Set(sent), times()), error: undefined };
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

function toSend({ chosen }: Look, onlyChanged: boolean): Chosen[] {
  return chosen.filter(({ isNew }) => isNew || !onlyChanged);
}
