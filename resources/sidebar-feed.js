/** ms after which Node-RED is asked again, although it has said nothing: it keeps a table for those who ask. */
const AGAIN = 25_000;

/** ms between two questions. */
const PAUSE = 400;

/**
 * The devices of a homie-broker, as long as somebody looks at them. Node-RED says that something has changed, and is asked
 * for what.
 */
export class Feed {
  rows = new Map();
  /** As in the answer; and `forbidden`, `failed`, `loading`, `none`. */
  state = 'none';
  reason = '';
  /** The limit of devices, where it is reached. */
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
   * @param changed called when there is something new
   * @param isWatched tells whether somebody looks
   */
  constructor(changed, isWatched) {
    this.#changed = changed;
    this.#isWatched = isWatched;
  }

  get broker() {
    return this.#broker;
  }

  /** Now, by the clock of Node-RED, in ms since 1970. */
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

  /** Asks what is new. */
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

  #take({ state, reason = '', limit, now, cursor, full, rows, gone }) {
    this.state = state;
    this.reason = reason;
    this.limit = limit;
    this.#skew = now - Date.now();
    this.#cursor = cursor;
    if (full) this.rows = new Map();
    for (const row of rows) this.rows.set(row.id, row);
    for (const id of gone) this.rows.delete(id);
  }
}
