/** What all nodes do alike with a message, and when they are closed. */
import type { Node } from 'node-red';
import { KEPT, type Done } from './done';

/** The parts of a node that log what went wrong. */
type Log = Pick<Node, 'error' | 'warn'>;

interface Closable extends Pick<Node, 'error'> {
  on(event: 'close', listener: (removed: boolean, done: () => void) => void): unknown;
}

/**
 * Answers a message, and calls `done` with the error, unless a later node continues its job. Never rejects: an unhandled
 * rejection would end the Node-RED process.
 */
export async function answerMessage(
  node: Log,
  answer: () => Promise<Done>,
  done: (error?: Error) => void,
): Promise<void> {
  try {
    const error = await answer();
    if (error === KEPT) return;
    // Catch nodes are closed together with this node, and would not receive the error.
    if (error?.code === 'ABANDONED') node.warn(error.message);
    if (error?.code === 'UNEXPECTED' && error.cause !== undefined) node.error(error.cause);
    done(error);
  } catch (error) {
    node.error(error);
  }
}

/**
 * Closes a node when Node-RED does, which waits for it. If that fails, the error is logged, so that Node-RED continues.
 *
 * @param close runs at once up to its first `await`
 * @param close.removed whether the node is removed, so that there is no next one
 */
export function onClose(node: Closable, close: (removed: boolean) => Promise<void>): void {
  node.on('close', (removed: boolean, done: () => void) => {
    void close(removed)
      .catch((error: unknown) => node.error(error))
      .finally(done);
  });
}

/** The messages that a node has not answered yet. */
export class OpenMessages {
  readonly #answers = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  /** Aborted when the node is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Waits for an answer, as `ended` does meanwhile. */
  async add<Answer>(answer: Promise<Answer>): Promise<Answer> {
    this.#answers.add(answer);
    try {
      return await answer;
    } finally {
      this.#answers.delete(answer);
    }
  }

  abort(): void {
    this.#closing.abort();
  }

  /** Resolves when every message has been answered. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#answers);
  }
}
