import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { asHomieError, HomieError } from '../../src/errors';
import type { HomieBroker } from '../../src/homie/broker';
import { isFinal, type Summary, type Update } from '../../src/update/update';
import type { Author } from '../../src/rollout/store/history-record';
import type { Job } from '../../src/rollout/job';
import { jobCommands, type JobCommand, type Target } from '../../src/rollout/job-commands';
import type { OtaWorkContext } from '../../src/rollout/ota-work';
import type { DeviceWithout } from '../../src/rollout/by-image';
import { Queue } from '../../src/rollout/queue';
import type { Answer } from '../../src/rollout/request';
import { Requester } from '../../src/rollout/requester';
import type { Firmware } from '../../src/firmware/firmware';
import type { JobStore } from '../../src/rollout/store/job-store';
import { canceledBeforeFound, combine } from '../../src/rollout/summaries';
import type { Work } from '../../src/rollout/work';
import { isAbort } from '../../src/unless-aborted';
import { endOfEach, failureOf, refusal, sameAgain, standing } from './message-summaries';
import type { BrokerLink } from './broker-node';
import { KEPT, type Done } from './done';
import { historyAnswer } from './history-answer';
import { keptOf, type Unkept } from './kept-message';
import type { Jobs } from './jobs';
import { OpenMessages } from './node-events';
import type { Replies } from './replies';
import { ProgressLimit } from './progress-limit';
import { isAbsent, readAction, readDevices, type Request } from './request';

/** What the actions of a node work with. */
export interface ActionsContext {
  readonly link: BrokerLink;
  readonly jobs: Jobs;
  /** The id of the node. */
  readonly node: string;
  /** The author that the history names for what the node has done. */
  readonly author?: Author;
  /** Where jobs are stored; undefined if there is no user directory. */
  readonly store: JobStore | undefined;
  /** Returns the replies for a message of which these properties were kept. */
  readonly reply: (kept: Request) => Replies;
}

/** A message that is being answered. */
export interface Answering {
  readonly msg: Request;
  readonly replies: Replies;
  /** The devices that the message names. If the message is refused as a whole, each of them counts as rejected. */
  devices: readonly string[];
}

/** Does what messages request: commands for jobs here, the other actions in subclasses. */
export abstract class Actions<Action extends string, Settings> {
  /** All actions except the commands for jobs. The first is the default. */
  protected abstract readonly actions: readonly [Action, ...Action[]];
  protected readonly around: ActionsContext;
  protected readonly settings: Settings;
  readonly #jobs: Jobs;
  /** Undefined if there is no broker. */
  readonly #requester: Requester | undefined;
  readonly #open = new OpenMessages();

  /** @param settings the settings of the node */
  constructor(settings: Settings, around: ActionsContext) {
    const { link, jobs, node, store } = around;
    this.settings = settings;
    this.around = around;
    this.#jobs = jobs;
    if ('error' in link) return;
    this.#requester = new Requester({
      queue: Queue.of(link.broker),
      node,
      store,
      remake: (work, image) => this.remake(work, image),
      goOn: (answer, msg) => this.#goOn(answer, around.reply({ ...msg })),
      decided: () => jobs.refresh(),
    });
  }

  /** Continues the jobs of an earlier node with this id. Messages wait until that is done. */
  start(): void {
    this.#requester?.start();
  }

  /**
   * Does what a message requests. Never rejects.
   *
   * @returns when everything is done: the error for `done`, if any, or `KEPT` if a later node continues the job
   */
  async handle(msg: Request, replies: Replies): Promise<Done> {
    try {
      return await this.#open.add(this.#answer({ msg, replies, devices: [] }));
    } catch (error) {
      return asHomieError(error);
    }
  }

  /**
   * Leaves stored jobs to a later node. In the other jobs, cancels waiting devices and stops watching those in
   * progress. Resolves when every message has been answered.
   *
   * @param removed whether the node is removed, so that there is no later node
   */
  async close(removed: boolean): Promise<void> {
    // What is canceled ends first, so that it does not count as abandoned. Waiting messages are aborted before the
    // requester is.
    const told = setImmediate().then(() => this.#open.abort());
    await Promise.all([told, this.#requester?.close(removed)]);
    await this.#open.ended();
  }

  /** Performs one of the `actions`. An error that it throws refuses the whole message. */
  protected abstract perform(action: Action, answering: Answering): Promise<Done>;

  /**
   * Restores work from its stored record.
   *
   * @param work the stored record
   * @param firmware the stored image, if the work has one
   * @throws {HomieError} if the work cannot be restored
   */
  protected abstract remake(work: object, firmware: Firmware | undefined): Promise<Work>;

  /** @throws {HomieError} when the node has no broker */
  protected broker(): HomieBroker {
    const { link } = this.around;
    if ('error' in link) throw link.error;
    return link.broker;
  }

  /** @throws {HomieError} when the node has no broker */
  protected get given(): OtaWorkContext {
    const { author, store } = this.around;
    return { broker: this.broker(), author, store };
  }

  /**
   * Returns the broker, unless it is known to be disconnected.
   *
   * @throws {HomieError} why there is no broker, or why it is disconnected
   */
  protected brokerInReach(): HomieBroker {
    const broker = this.broker();
    if (broker.status.state === 'disconnected') throw broker.status.error;
    return broker;
  }

  /** Aborted when the node is closed. */
  protected get closing(): AbortSignal {
    return this.#open.closing;
  }

  /**
   * Runs work as a job of its own, or joins the open job that already does the same.
   *
   * @param patch the patch in the message, if any
   * @returns when nothing is left to do
   */
  protected async run(work: Work, answering: Answering, patch?: Unkept['patch']): Promise<Done> {
    const { store } = this.around;
    const { msg, replies, devices } = answering;
    // Not later, since the payload would stay in memory until then.
    const isWrittenDown = store !== undefined && work.record !== undefined;
    const kept = isWrittenDown ? keptOf({ ...replies.kept }, { payload: msg['payload'], patch }) : {};
    const answer = await this.#requester?.ask(work, kept);
    if (answer === undefined) throw new HomieError('NO_BROKER');
    const { job, isAgain } = answer;
    if (!isAgain) this.#begin(job, replies);
    if (isAgain || job.devices.length === 0) replies.send('progress', standing(job.summary(), isAgain));
    return this.#runs(answer, devices, replies);
  }

  /** Does a part of what a message asks for. Whatever it throws refuses this part as a whole. */
  protected async attempt(answering: Answering, work: () => Promise<Done>): Promise<Done> {
    try {
      return await work();
    } catch (error) {
      return this.closing.aborted ? undefined : this.#refuse(randomUUID(), answering.devices, error, answering.replies);
    }
  }

  /** Ends devices without a job, in a summary of their own. */
  protected endEach(devices: readonly DeviceWithout[], replies: Replies): HomieError | undefined {
    const answer = endOfEach(randomUUID(), devices);
    this.#tellRefusal(answer, replies);
    this.#jobs.refused(answer.devices);
    return failureOf(answer);
  }

  async #runs({ job, isAgain, run }: Answer, devices: readonly string[], replies: Replies): Promise<Done> {
    try {
      const summary = await run();
      if (isAgain) replies.send('summary', sameAgain(summary));
      return failureOf(summary);
    } catch (error) {
      if (job.isKept) return KEPT;
      this.#jobs.refresh();
      if (!isAbort(error)) return this.#refuse(job.id, devices, error, replies);
      replies.send('summary', { ...job.summary(), ...(job.size === 0 && canceledBeforeFound) });
      return undefined;
    }
  }

  #goOn(answer: Answer, replies: Replies): void {
    if (!answer.isAgain) this.#begin(answer.job, replies);
    void this.#open.add(this.#runs(answer, [], replies));
  }

  /** Forwards the events of a job as messages, and shows the job in the status. */
  #begin(job: Job, replies: Replies): void {
    const limit = new ProgressLimit();
    const progress = (update: Update): void => {
      if (limit.admits(update)) replies.send('progress', update);
    };
    for (const update of job.devices) if (!isFinal(update.state)) progress(update);
    job.on('progress', progress);
    job.on('result', (update) => replies.send('result', update));
    job.on('idle', (summary) => replies.send('summary', summary));
    this.#jobs.begun(job);
  }

  async #answer(answering: Answering): Promise<Done> {
    await this.#requester?.restored;
    return this.attempt(answering, () => this.#do(answering));
  }

  async #do(answering: Answering): Promise<Done> {
    const { msg, replies } = answering;
    const action = readAction(msg['action'], [...this.actions, ...commands, 'history']);
    if (action === 'history') {
      replies.send('summary', historyAnswer(this.broker(), msg));
      return undefined;
    }
    if (!isCommand(action)) return this.perform(action, answering);
    const target = readTarget(msg);
    replies.send('summary', (await this.#requester?.command(action, target)) ?? combine([]));
    return undefined;
  }

  #refuse(job: string, devices: readonly string[], reason: unknown, replies: Replies): HomieError {
    const error = asHomieError(reason);
    const answer = refusal(job, devices, error);
    this.#tellRefusal(answer, replies);
    this.#jobs.refused(answer.devices.length > 0 ? answer.devices : [{ state: 'rejected', progress: 0, error }]);
    return new HomieError(error.code, {}, { message: answer.text, hint: error.hint, cause: error.cause });
  }

  #tellRefusal(answer: Summary, replies: Replies): void {
    for (const update of answer.devices) {
      replies.send('progress', update);
      replies.send('result', update);
    }
    replies.send('summary', answer);
  }
}

const commands = Object.keys(jobCommands).filter(isCommand);

function isCommand(action: string): action is JobCommand {
  return Object.hasOwn(jobCommands, action);
}

/** @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID */
function readTarget({ job, device }: Request): Target {
  return {
    // An empty id matches no job.
    ...(!isAbsent(job) && { job: typeof job === 'string' ? job : '' }),
    ...(!isAbsent(device) && { devices: readDevices(device) }),
  };
}

/**
 * Returns the settings of a node.
 *
 * @throws {HomieError} what is wrong with them
 */
export function orThrow<Settings extends object>(settings: Settings | HomieError): Settings {
  if (settings instanceof HomieError) throw settings;
  return settings;
}
