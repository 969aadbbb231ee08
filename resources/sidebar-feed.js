/** Interval of requests without a notification, in ms: Node-RED drops the table of a client that stops asking. */
const AGAIN = 25_000;

/** Minimum time between two requests, in ms. */
const PAUSE = 400;

/**
 * Loads the devices of a homie-broker while the sidebar is visible. Node-RED notifies the sidebar of changes, and the
 * sidebar then requests them.
 */
export class Feed {
  rows = new Map();
  /** The state in the answer, or `forbidden`, `failed`, `loading`, `none`. */
  state = 'none';
  reason = [];
  /** The limit of devices, if it is reached. */
  limit;
  #broker = '';
  #cursor = '';
  #changed;
  #isWatched;
  #asking = false;
  #stale = false;
  #timer;
  #skew = 0;

  /**
   * @param changed called after changes
   * @param isWatched returns whether the sidebar is visible
   */
  constructor(changed, isWatched) {
    this.#changed = changed;
    this.#isWatched = isWatched;
  }

  get broker() {
    return this.#broker;
  }

  /** The current time on the clock of Node-RED, in ms since 1970. */
  get now() {
    return Date.now() + this.#skew;
  }

  /** @param broker id of a homie-broker; empty for none */
  follow(broker) {
    if (broker === this.#broker) return;
    if (this.#broker !== '') RED.comms.unsubscribe(`homie-ota/${this.#broker}`, this.#hear);
    this.#broker = broker;
    this.#cursor = '';
    this.rows = new Map();
    this.state = broker === '' ? 'none' : 'loading';
    this.limit = undefined;
    if (broker !== '') RED.comms.subscribe(`homie-ota/${broker}`, this.#hear);
    this.#changed();
    this.look();
  }

  /** Requests the changes. */
  look() {
    this.#stale = true;
    if (!this.#asking) void this.#ask();
  }

  #hear = () => this.look();

  async #ask() {
    this.#asking = true;
    while (this.#stale && this.#broker !== '' && this.#isWatched()) {
      this.#stale = false;
      const broker = this.#broker;
      try {
        const answer = await $.ajax({
          url: `homie-ota/brokers/${encodeURIComponent(broker)}/table`,
          data: { since: this.#cursor },
          dataType: 'json',
        });
        if (broker === this.#broker) this.#take(answer);
      } catch (failed) {
        if (broker === this.#broker)
          this.state = failed.status === 401 || failed.status === 403 ? 'forbidden' : 'failed';
      }
      this.#changed();
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    this.#asking = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#hear, AGAIN);
  }

  #take({ state, reason, limit, now, cursor, full, rows, gone }) {
    this.state = state;
    this.reason = reason === undefined ? [] : [reason];
    this.limit = limit;
    this.#skew = now - Date.now();
    this.#cursor = cursor;
    if (full) this.rows = new Map();
    for (const row of rows) this.rows.set(row.id, row);
    for (const id of gone) this.rows.delete(id);
  }
}
