import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { HomieError } from '../src/errors';
import type { HomieBroker } from '../src/homie/broker';
import type { Job } from '../src/rollout/job';
import { asHomieError, canceledBeforeFound, failureOf, refusal } from './answers';
import type { BrokerLink } from './broker-node';
import type { Jobs } from './jobs';
import type { Outbox } from './outbox';
import { ProgressLimit } from './progress-limit';
import { readAction, type Request } from './request';
import { cancel, status } from './steering';

/** A message that is being answered. */
export interface Errand {
  readonly msg: Request;
  readonly outbox: Outbox;
  /** The devices that it names: should it be refused as a whole, each of them counts as rejected. */
  devices: readonly string[];
}

/** How long an answer waits for the connection, in ms. */
const CONNECT_TIMEOUT = 10_000;

/** Does what messages ask for: steers the jobs of a node, and leaves the other actions to those who know them. */
export abstract class Actions<Action extends string> {
  /** Those beside `cancel` and `status`; the first one is meant where a message says nothing. */
  protected abstract readonly actions: readonly [Action, ...Action[]];
  readonly #link: BrokerLink;
  readonly #jobs: Jobs;
  /** What is to be waited for when the node is closed. */
  readonly #pending = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor(link: BrokerLink, jobs: Jobs) {
    this.#link = link;
    this.#jobs = jobs;
  }

  /**
   * Does what a message asks for. Never rejects.
   *
   * @returns once all is done: the error for `done`, if there is one
   */
  async handle(msg: Request, outbox: Outbox): Promise<HomieError | undefined> {
    const answer = this.#answer({ msg, outbox, devices: [] });
    this.#pending.add(answer);
    try {
      return await answer;
    } catch (error) {
      return asHomieError(error);
    } finally {
      this.#pending.delete(answer);
    }
  }

  /** Cancels what waits, stops watching what is under way, and resolves when every message has had its answer. */
  async close(): Promise<void> {
    this.#jobs.cancel();
    // What is canceled ends first, and so does not count as abandoned.
    await setImmediate();
    this.#closing.abort();
    await Promise.allSettled([this.#jobs.abandon(), ...this.#pending]);
  }

  /**
   * Does one of the `actions`. Whatever it throws refuses the message as a whole.
   *
   * @returns the error for `done`, if there is one
   */
  protected abstract perform(action: Action, errand: Errand): Promise<HomieError | undefined>;

  /** @throws {HomieError} when the node has no broker */
  protected broker(): HomieBroker {
    if ('error' in this.#link) throw this.#link.error;
    return this.#link.broker;
  }

  /** @throws {HomieError} also when the broker is known to be out of reach */
  protected brokerInReach(): HomieBroker {
    const broker = this.broker();
    if (broker.status.state === 'disconnected') throw broker.status.error;
    return broker;
  }

  /** Aborted when the node is closed. */
  protected get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Gives up waiting for the connection. */
  protected patience(): AbortSignal {
    return AbortSignal.any([this.#closing.signal, AbortSignal.timeout(CONNECT_TIMEOUT)]);
  }

  /** Shows below the node what went wrong outside of a job. */
  protected showFailed(errors: readonly HomieError[]): void {
    this.#jobs.refused(
      randomUUID(),
      errors.map((error) => ({ state: 'failed', progress: 0, error })),
    );
  }

  /** Runs a job to its end, and tells of it. */
  protected async run(job: Job, { outbox, devices: named }: Errand): Promise<HomieError | undefined> {
    const limit = new ProgressLimit();
    job.on('progress', (update) => {
      if (limit.admits(update, performance.now())) outbox.send('progress', update);
    });
    job.on('result', (update) => {
      outbox.send('result', update);
    });
    const { devices } = job.summary();
    for (const update of devices) outbox.send('progress', update);
    if (devices.length === 0) outbox.send('progress', { job: job.id, state: 'queued' });

    this.#jobs.begin(job);
    try {
      const summary = await job.run();
      outbox.send('summary', summary);
      return failureOf(summary);
    } catch (error) {
      if (!isAbort(error)) return this.#refuse(job.id, named, error, outbox);
      outbox.send('summary', { ...job.summary(), ...canceledBeforeFound });
      return undefined;
    } finally {
      this.#jobs.end(job);
    }
  }

  async #answer(errand: Errand): Promise<HomieError | undefined> {
    const { msg, outbox } = errand;
    try {
      const action = readAction(msg['action'], [...this.actions, 'cancel', 'status']);
      switch (action) {
        case 'status':
          outbox.send('summary', status(this.#jobs, msg));
          return undefined;
        case 'cancel':
          outbox.send('summary', await cancel(this.#jobs, msg));
          return undefined;
        default:
          return await this.perform(action, errand);
      }
    } catch (error) {
      return this.#closing.signal.aborted ? undefined : this.#refuse(randomUUID(), errand.devices, error, outbox);
    }
  }

  #refuse(job: string, devices: readonly string[], reason: unknown, outbox: Outbox): HomieError {
    const error = asHomieError(reason);
    const answer = refusal(job, devices, error);
    for (const update of answer.devices) {
      outbox.send('progress', update);
      outbox.send('result', update);
    }
    outbox.send('summary', answer);
    this.#jobs.refused(job, answer.devices.length > 0 ? answer.devices : [{ state: 'rejected', progress: 0, error }]);
    return new HomieError(error.code, answer.text, { hint: error.hint, cause: error.cause });
  }
}

/** The settings of a node, unless something is wrong with them. */
export function settled<Settings extends object>(settings: Settings | HomieError): Settings {
  if (settings instanceof HomieError) throw settings;
  return settings;
}

/** Whether the work was given up because it was canceled, or the node is closed. */
function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
