import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { HomieError } from '../src/errors';
import type { HomieBroker } from '../src/homie/broker';
import type { Update } from '../src/homie/update';
import type { Order } from '../src/rollout/desk';
import type { Job, JobOptions, Select } from '../src/rollout/job';
import { asHomieError, canceledBeforeFound, failureOf, refusal } from './answers';
import type { BrokerLink } from './broker-node';
import type { Jobs } from './jobs';
import type { Outbox } from './outbox';
import { ProgressLimit } from './progress-limit';
import { readAction, type Request } from './request';
import { steering, type Steering } from './steering';

/** What is to be brought onto devices. */
export interface Work {
  readonly order: Order;
  /** Finds the devices that the message means. */
  readonly select: Select;
  readonly make: (options: Pick<JobOptions, 'before'>) => Job;
}

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
  /** Those beside the steering ones; the first one is meant where a message says nothing. */
  protected abstract readonly actions: readonly [Action, ...Action[]];
  readonly #link: BrokerLink;
  readonly #jobs: Jobs;
  /** What is to be waited for when the node is closed. */
  readonly #pending = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  /** Who asked for a device, by job and device, where it was not who began the job. */
  readonly #asked = new Map<string, Outbox>();

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

  /**
   * Does what is asked for: by the open job that brings the same, or by a new one.
   *
   * @returns the error for `done`, once nothing is left to do
   */
  protected async run({ order, select, make }: Work, errand: Errand): Promise<HomieError | undefined> {
    const open = this.#jobs.desk.find(order.identity);
    if (open !== undefined) return this.#join(open, select, errand);
    const { outbox } = errand;
    const job = make({ before: (device) => this.#jobs.desk.finished(order, device) });
    this.#tell(job, outbox);
    if (job.summary().devices.length === 0) outbox.send('progress', { job: job.id, state: 'queued' });

    this.#jobs.begin(job, order);
    try {
      return failureOf(await job.run((all) => this.#jobs.desk.takingOver(order, all)));
    } catch (error) {
      this.#jobs.remove(job);
      if (!isAbort(error)) return this.#refuse(job.id, errand.devices, error, outbox);
      outbox.send('summary', { ...job.summary(), ...canceledBeforeFound });
      return undefined;
    }
  }

  /** What is told of a device goes with the message that brought it into the job; whoever joins gets the summary, too. */
  async #join(job: Job, select: Select, { outbox, devices: named }: Errand): Promise<HomieError | undefined> {
    outbox.send('progress', { job: job.id, state: 'queued' });
    try {
      const summary = await job.admit(async (signal) => {
        const devices = await select(signal);
        const known = new Set(job.summary().devices.map(({ device }) => device));
        for (const device of devices) if (!known.has(device)) this.#asked.set(`${job.id} ${device}`, outbox);
        return devices;
      });
      outbox.send('summary', summary);
      return failureOf(summary);
    } catch (error) {
      return isAbort(error) ? undefined : this.#refuse(job.id, named, error, outbox);
    }
  }

  /** Sends on what a job tells. */
  #tell(job: Job, outbox: Outbox): void {
    const limit = new ProgressLimit();
    const askedBy = ({ device }: Update): Outbox => this.#asked.get(`${job.id} ${device}`) ?? outbox;
    const progress = (update: Update): void => {
      if (limit.admits(update, performance.now())) askedBy(update).send('progress', update);
    };
    for (const update of job.summary().devices) progress(update);
    job.on('progress', progress);
    job.on('result', (update) => {
      askedBy(update).send('result', update);
    });
    job.on('rest', (summary) => {
      outbox.send('summary', summary);
    });
  }

  async #answer(errand: Errand): Promise<HomieError | undefined> {
    const { msg, outbox } = errand;
    try {
      const action = readAction(msg['action'], [...this.actions, ...steers]);
      if (!isSteering(action)) return await this.perform(action, errand);
      outbox.send('summary', await steering[action](this.#jobs.desk, msg));
      this.#jobs.steered();
      return undefined;
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

const steers = ['cancel', 'pause', 'resume', 'retry', 'status'] as const satisfies Steering[];

function isSteering(action: string): action is Steering {
  return steers.some((steer) => steer === action);
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
