/** The devices, jobs and offers of a homie-broker, kept up to date while the sidebar is visible. */
import type { JobCard } from '../../../src/rollout/job-card';
import type { TableRow } from '../../../src/devices/table';
import type { Value } from '../../../src/texts/render';
import type { OfferCard, TableAnswer } from '../answers';
import { ask, Failure } from './api';

/**
 * Interval of requests without a notification, in ms. Node-RED drops the table of a client that stops asking, and a user
 * is to see soon that Node-RED is away.
 */
const AGAIN = 10_000;

/** Minimum time between two requests, in ms. */
const PAUSE = 400;

/** The state in the answer, or why there is no answer. */
export type FeedState = TableAnswer['state'] | 'forbidden' | 'failed' | 'loading' | 'none';

/** Loads what is shown. Node-RED notifies the sidebar of changes, and the sidebar then requests them. */
export class Feed {
  rows: ReadonlyMap<string, TableRow> = new Map();
  jobs: readonly JobCard[] = [];
  offers: readonly OfferCard[] = [];
  state: FeedState = 'none';
  reason: readonly Value[] = [];
  /** The limit of devices, if it is reached. */
  limit: number | undefined;
  #broker = '';
  #cursor = '';
  readonly #changed: () => void;
  readonly #isWatched: () => boolean;
  #isAsking = false;
  #isStale = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #skew = 0;

  /**
   * @param changed called after changes
   * @param isWatched returns whether the sidebar is visible
   */
  constructor(changed: () => void, isWatched: () => boolean) {
    this.#changed = changed;
    this.#isWatched = isWatched;
    RED.comms.on('connect', this.look);
  }

  get broker(): string {
    return this.#broker;
  }

  /** The current time on the clock of Node-RED, in ms since 1970. */
  get now(): number {
    return Date.now() + this.#skew;
  }

  /** @param broker id of a homie-broker; empty for none */
  follow(broker: string): void {
    if (broker === this.#broker) return;
    if (this.#broker !== '') RED.comms.unsubscribe(`homie-ota/${this.#broker}`, this.look);
    this.#broker = broker;
    this.#cursor = '';
    this.rows = new Map();
    this.jobs = [];
    this.offers = [];
    this.state = broker === '' ? 'none' : 'loading';
    this.limit = undefined;
    if (broker !== '') RED.comms.subscribe(`homie-ota/${broker}`, this.look);
    this.#changed();
    this.look();
  }

  /** Requests the changes. */
  readonly look = (): void => {
    this.#isStale = true;
    if (!this.#isAsking) void this.#ask();
  };

  async #ask(): Promise<void> {
    this.#isAsking = true;
    // The first answer is requested at once, so that the rows are there when the sidebar is opened.
    while (this.#isStale && this.#broker !== '' && (this.#cursor === '' || this.#isWatched())) {
      this.#isStale = false;
      const broker = this.#broker;
      try {
        const answer = await ask<TableAnswer>('GET', broker, ['table'], { since: this.#cursor });
        if (broker === this.#broker) this.#take(answer);
      } catch (failed) {
        const isForbidden = failed instanceof Failure && (failed.status === 401 || failed.status === 403);
        if (broker === this.#broker) this.state = isForbidden ? 'forbidden' : 'failed';
      }
      this.#changed();
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    this.#isAsking = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.look, AGAIN);
  }

  #take({ state, reason, limit, now, cursor, full, rows, gone, jobs, offers }: TableAnswer): void {
    this.state = state;
    this.reason = reason === undefined ? [] : [reason];
    this.limit = limit;
    this.#skew = now - Date.now();
    this.#cursor = cursor;
    this.jobs = jobs;
    this.offers = offers;
    if (!full && rows.length === 0 && gone.length === 0) return;
    const next = new Map(full ? [] : this.rows);
    for (const row of rows) next.set(row.id, row);
    for (const id of gone) next.delete(id);
    this.rows = next;
  }
}
