import type { NodeStatus } from 'node-red';
import { asHomieError, type HomieError } from '../../src/errors';
import type { SearchReport } from '../../src/sources/report';
import { words } from '../../src/texts/en-US.json';
import { isAbort } from '../../src/unless-aborted';
import { errorStatus } from '../shared/job-status';
import { searchStatus } from './search-status';
import type { SearchAnswer, Searches } from './searches';

/** How the last message ended. */
type Last = { readonly error: HomieError } | { readonly report: SearchReport; /** ms */ readonly at: number };

/** Answers messages with searches, and shows their results in the status of the node. */
export class ShownSearches {
  readonly #searches: Searches;
  readonly #changed: () => void;
  #last: Last | undefined;

  /**
   * @param problem the error in the settings of the node, if any
   * @param changed called whenever the status may have changed
   */
  constructor(searches: Searches, problem: HomieError | undefined, changed: () => void) {
    this.#searches = searches;
    this.#last = problem && { error: problem };
    this.#changed = changed;
  }

  get status(): NodeStatus {
    if (this.#searches.isSearching) return { fill: 'blue', shape: 'dot', text: words.searching };
    const last = this.#last;
    if (last === undefined) return {};
    return 'error' in last ? errorStatus(last.error.code) : searchStatus(last.report, performance.now() - last.at);
  }

  /**
   * Answers a message. Does not reject.
   *
   * @param options `msg.options`
   * @param send called with the answer, unless the message was refused or the node is closed
   * @returns the error for `done`, if any
   */
  async answer(options: unknown, send: (answer: SearchAnswer) => void): Promise<HomieError | undefined> {
    try {
      const searched = this.#searches.search(options);
      this.#changed();
      const answer = await searched;
      const { report, error } = answer;
      this.#last = error === undefined ? { report, at: performance.now() } : { error };
      send(answer);
      return error;
    } catch (error) {
      // The node is being closed.
      if (isAbort(error)) return undefined;
      const problem = asHomieError(error);
      this.#last = { error: problem };
      return problem;
    } finally {
      this.#changed();
    }
  }
}
