import type { Node, NodeStatus } from 'node-red';

/**
 * Minimum time between two statuses, in ms. Each one reads every device of the jobs, and a changed one goes to every
 * open editor.
 */
const INTERVAL = 250;

/**
 * Shows the status of a node: at once if no status was shown within the interval, or else the latest at the end of the
 * interval.
 */
export class ThrottledStatus {
  readonly #node: Pick<Node, 'status'>;
  readonly #current: () => NodeStatus;
  #shown = '';
  #timer: NodeJS.Timeout | undefined;
  #stale = false;
  #closed = false;

  /** @param current returns the current status */
  constructor(node: Pick<Node, 'status'>, current: () => NodeStatus) {
    this.#node = node;
    this.#current = current;
  }

  /** Updates the status, which may have changed. */
  refresh(): void {
    this.#stale = true;
    if (this.#timer === undefined && !this.#closed) this.#show();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #show(): void {
    this.#timer = undefined;
    if (!this.#stale) return;
    this.#stale = false;
    this.#timer = setTimeout(() => {
      this.#show();
    }, INTERVAL);
    const status = this.#current();
    const text = JSON.stringify(status);
    if (text === this.#shown) return;
    this.#shown = text;
    this.#node.status(status);
  }
}
