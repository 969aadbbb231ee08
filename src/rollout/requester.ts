import { setImmediate } from 'node:timers/promises';
import type { Summary } from '../update/update';
import { unlessAborted } from '../unless-aborted';
import { jobCommands, type JobCommand, type Target } from './job-commands';
import type { Queue } from './queue';
import type { Answer, Origin, Remaking } from './request';
import type { Idle } from './summaries';
import type { Work } from './work';

interface RequesterInput extends Omit<Origin, 'closed'>, Omit<Remaking, 'signal'> {
  readonly queue: Queue;
  /** Called when it is known whether another process uses the folder of the jobs. */
  readonly decided?: () => void;
}

/**
 * The jobs of one node, from its start to its close. Continues the stored jobs of an earlier node with the same id,
 * also when this process takes over the folder of the jobs later.
 */
export class Requester {
  readonly #input: RequesterInput;
  readonly #closing = new AbortController();
  #restored: Promise<void> = Promise.resolve();

  constructor(input: RequesterInput) {
    this.#input = input;
  }

  /** Resolves when the stored jobs have been continued. Requests and commands wait for it. */
  get restored(): Promise<void> {
    return this.#restored;
  }

  start(): void {
    this.#input.store?.ownership.on('owned', this.#owned).on('lost', this.#lost);
    this.#restored = this.#restore();
  }

  /**
   * Requests a job as `Queue.ask` does.
   *
   * @throws an AbortError when the requester is closed
   */
  async ask(work: Work, msg: object): Promise<Answer> {
    const { queue, ...origin } = this.#input;
    await this.#restored;
    return queue.ask({ ...origin, closed: this.#closing.signal }, work, msg);
  }

  /**
   * Executes a command for the jobs of the node.
   *
   * @throws {HomieError} the errors of `jobCommands`
   */
  async command(command: JobCommand, target: Target = {}): Promise<Summary | Idle> {
    const { queue, node } = this.#input;
    await this.#restored;
    return jobCommands[command](queue, node, target);
  }

  /**
   * Leaves stored jobs to a later requester. In other jobs, cancels waiting devices and stops observing those in
   * progress. Resolves when all work of the jobs has ended.
   *
   * @param removed whether the node was removed, so that no later requester continues the jobs: their files are deleted
   */
  async close(removed: boolean): Promise<void> {
    const { queue, node, store } = this.#input;
    store?.ownership.off('owned', this.#owned).off('lost', this.#lost);
    queue.cancelUnsent(node, removed);
    // Canceled devices end first, so that they do not count as abandoned.
    await setImmediate();
    this.#closing.abort();
    await this.#restored;
    await queue.leave(node, removed);
  }

  readonly #owned = (): void => {
    const before = this.#restored;
    this.#restored = before.then(() => this.#restore());
  };

  readonly #lost = (): void => this.#input.queue.leaveWritten(this.#input.node);

  async #restore(): Promise<void> {
    const { queue, decided, ...input } = this.#input;
    if (input.store === undefined) return;
    const { signal } = this.#closing;
    const isOurs = await unlessAborted(signal, input.store.open());
    decided?.();
    if (isOurs === true) await queue.restore(input, { ...input, signal });
  }
}
