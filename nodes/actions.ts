import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { asHomieError, HomieError } from '../src/errors';
import type { HomieBroker } from '../src/homie/broker';
import { isPattern, matchAny } from '../src/homie/pattern';
import { isFinal, type Update } from '../src/homie/update';
import { unlessAborted } from '../src/unless-aborted';
import type { Order } from '../src/rollout/desk';
import type { History } from '../src/rollout/history';
import type { Job, Select } from '../src/rollout/job';
import type { JobFile, StoredJob } from '../src/rollout/job-file';
import type { JobStore } from '../src/rollout/store';
import { canceledBeforeFound, failureOf, refusal } from './answers';
import type { BrokerLink } from './broker-node';
import type { Shown } from './job-status';
import { keptOf } from './kept-message';
import type { Jobs } from './jobs';
import type { Outbox } from './outbox';
import { ProgressLimit } from './progress-limit';
import { isAbsent, readAction, readDevices, type Request } from './request';
import { steering, type Steering } from './steering';
import { differing, headOf, readRecord, type EffectiveSettings, type Work } from './work';

/** What the actions of a node have around them. */
export interface Surroundings {
  readonly link: BrokerLink;
  readonly jobs: Jobs;
  /** The id of the node. */
  readonly node: string;
  /** Where jobs are written down; undefined where there is no place for them. */
  readonly store: JobStore | undefined;
  readonly history: History;
  /** What answers a message of which this was kept. */
  readonly reply: (kept: Request) => Outbox;
}

/** A message that has no answer yet: a later node goes on with its job. */
export const KEPT = Symbol('kept');

/** A message that is being answered. */
export interface Errand {
  readonly msg: Request;
  readonly outbox: Outbox;
  /** The devices that it names: should it be refused as a whole, each of them counts as rejected. */
  devices: readonly string[];
}

/** Does what messages ask for: steers the jobs of a node, and leaves the other actions to those who know them. */
export abstract class Actions<Action extends string> {
  /** Those beside the steering ones; the first one is meant where a message says nothing. */
  protected abstract readonly actions: readonly [Action, ...Action[]];
  protected readonly around: Surroundings;
  readonly #jobs: Jobs;
  #restored: Promise<void> = Promise.resolve();
  /** What is to be waited for when the node is closed. */
  readonly #pending = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  /** Who asked for which device of a job, where it was not who began the job. */
  readonly #asked = new WeakMap<Job, Map<string, Outbox>>();
  readonly #settings = new WeakMap<Job, EffectiveSettings>();

  constructor(around: Surroundings) {
    this.around = around;
    this.#jobs = around.jobs;
  }

  /** Goes on with the jobs of an earlier node of this id. Messages wait until that is done. */
  start(): void {
    const ownership = this.around.store?.ownership;
    ownership?.on('owned', this.#owned).on('lost', this.#lost);
    this.#restored = this.#restore();
  }

  readonly #owned = (): void => {
    const before = this.#restored;
    this.#restored = before.then(() => this.#restore());
  };

  readonly #lost = (): void => {
    this.#jobs.leaveWritten();
  };

  /**
   * Does what a message asks for. Never rejects.
   *
   * @returns once all is done: the error for `done`, if there is one; `KEPT` when a later node goes on with it
   */
  async handle(msg: Request, outbox: Outbox): Promise<HomieError | typeof KEPT | undefined> {
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

  /**
   * Leaves the jobs that are written down to a later node. Of the others cancels what waits, and stops watching what is
   * under way. Resolves when every message has had its answer.
   *
   * @param removed there will be no later node
   */
  async close(removed: boolean): Promise<void> {
    this.around.store?.ownership.off('owned', this.#owned).off('lost', this.#lost);
    this.#jobs.cancelUnsent(removed);
    // What is canceled ends first, and so does not count as abandoned.
    await setImmediate();
    this.#closing.abort();
    // Nothing is gone on with from here: what is still being read is left to the next node.
    await this.#restored;
    await Promise.allSettled([this.#jobs.abandon(removed), ...this.#pending]);
  }

  /**
   * Does one of the `actions`. Whatever it throws refuses the message as a whole.
   *
   * @returns the error for `done`, if there is one
   */
  protected abstract perform(action: Action, errand: Errand): Promise<HomieError | typeof KEPT | undefined>;

  /**
   * Makes work anew.
   *
   * @param work as it was written down
   * @param firmware the image that it brings, if it brings one
   * @throws {HomieError} when that cannot be
   */
  protected abstract remake(work: object, firmware: Buffer | undefined): Promise<Pick<Work, 'make' | 'settings'>>;

  /** @throws {HomieError} when the node has no broker */
  protected broker(): HomieBroker {
    const { link } = this.around;
    if ('error' in link) throw link.error;
    return link.broker;
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

  /** Shows below the node what went wrong outside of a job. */
  protected showFailed(errors: readonly HomieError[]): void {
    this.#jobs.refused(
      randomUUID(),
      errors.map((error) => ({ state: 'failed', progress: 0, error })),
    );
  }

  /** Shows below the node what a check found that the user should look at. */
  protected showChecked(found: readonly Shown[]): void {
    this.#jobs.checked(found);
  }

  /**
   * Does what is asked for: by the open job that brings the same with the same settings, or by a new one.
   *
   * @returns the error for `done`, once nothing is left to do
   * @throws {HomieError} SETTINGS_DIFFER
   */
  protected async run(work: Work, errand: Errand): Promise<HomieError | typeof KEPT | undefined> {
    const { order, make, settings } = work;
    const { store } = this.around;
    if (store !== undefined && !(await store.open()))
      throw store.ownership.whyNot() ?? new HomieError('USER_DIR_IN_USE');
    const { msg, outbox, devices } = errand;
    // Not later: the payload would stay in memory.
    const isWrittenDown = store !== undefined && work.record !== undefined;
    const kept = isWrittenDown ? keptOf({ ...outbox.kept }, { payload: msg['payload'], patch: work.patch }) : {};
    const open = this.#jobs.desk.find(order.identity);
    if (open !== undefined) {
      this.#refuseOthers(open, work);
      return this.#join(open, work, { outbox, devices, kept });
    }
    let file: JobFile | undefined;
    const job = make({
      before: (device) => this.#jobs.desk.finished(order, device),
      save: async (changed) => file?.save(changed),
    });
    file = this.#writeDown(job, work, kept);
    this.#settings.set(job, settings);
    this.#jobs.begin(job, order, file);
    // Who hears of the job may count on it.
    await file?.save(job);
    this.#tell(job, outbox);
    if (job.summary().devices.length === 0) outbox.send('progress', { job: job.id, state: 'queued' });
    return this.#runs(job, errand, job.run.bind(job), order);
  }

  /** The settings of a job are those of the message that began it: whoever wants others must not get these. */
  #refuseOthers(job: Job, { settings, brings }: Work): void {
    const names = differing(settings, this.#settings.get(job) ?? {});
    if (names.length === 0) return;
    throw new HomieError(
      'SETTINGS_DIFFER',
      `The open job ${job.id} brings the same ${brings} with other settings (${names.join(', ')}).`,
    );
  }

  async #runs(
    job: Job,
    { devices, outbox }: Pick<Errand, 'devices' | 'outbox'>,
    start: Job['run'],
    order: Order,
  ): Promise<HomieError | typeof KEPT | undefined> {
    try {
      return failureOf(await start((all) => this.#jobs.desk.takingOver(order, all)));
    } catch (error) {
      if (job.isKept) return KEPT;
      this.#jobs.remove(job);
      if (!isAbort(error)) return this.#refuse(job.id, devices, error, outbox);
      outbox.send('summary', { ...job.summary(), ...canceledBeforeFound });
      return undefined;
    }
  }

  #writeDown(job: Job, { record }: Work, kept: Request): JobFile | undefined {
    const { store, node } = this.around;
    if (store === undefined || record === undefined) return undefined;
    const head = headOf(record, { node, scope: this.broker().locks.scope, kept });
    return store.begin(job.id, head, record.firmware?.image);
  }

  async #restore(): Promise<void> {
    const { link, store, node } = this.around;
    if (store === undefined) return;
    const isOurs = await unlessAborted(this.#closing.signal, store.open());
    this.#jobs.steered();
    if (isOurs !== true || 'error' in link) return;
    for (const stored of await store.jobsOf(node)) {
      if (this.#closing.signal.aborted) return;
      // It was begun between two times of reading.
      if (this.#jobs.has(stored.id)) continue;
      try {
        await this.#goOn(stored, store);
      } catch (error) {
        await store.setAside(stored.id, asHomieError(error));
      }
    }
  }

  /** Makes a job anew, and lets it go on. */
  async #goOn({ id, head, state, file }: StoredJob, store: JobStore): Promise<void> {
    const { order, msg, work } = readRecord(head.work);
    if (head.scope !== this.broker().locks.scope) throw new HomieError('JOB_ELSEWHERE');
    const image = head.firmware === undefined ? undefined : await store.firmware(head.firmware);
    const { make, settings } = await this.remake(work, image);
    if (this.#closing.signal.aborted) return;
    const job = make({
      restored: { id, state },
      before: (device) => this.#jobs.desk.finished(order, device),
      save: (changed) => file.save(changed),
    });
    const outbox = this.around.reply(msg);
    this.#tell(job, outbox);
    this.#settings.set(job, settings);
    this.#jobs.begin(job, order, file);
    for (const [key, note] of file.notes()) this.#goOnJoined(job, note, () => file.note(key, undefined));
    const running = this.#runs(job, { devices: [], outbox }, job.restart.bind(job), order);
    this.#pending.add(running);
    void running.finally(() => this.#pending.delete(running));
  }

  #goOnJoined(job: Job, note: unknown, told: () => Promise<void>): void {
    const { msg, devices }: { msg?: unknown; devices?: unknown } = Object(note);
    const outbox = this.around.reply({ ...Object(msg) });
    for (const device of Array.isArray(devices) ? devices : []) this.#askedBy(job).set(device, outbox);
    job.once('rest', (summary) => {
      outbox.send('summary', summary);
      void told();
    });
  }

  /** What is told of a device goes with the message that brought it into the job; whoever joins gets the summary, too. */
  async #join(
    job: Job,
    { order, select }: Pick<Work, 'order' | 'select'>,
    { outbox, devices: named, kept }: Pick<Errand, 'outbox' | 'devices'> & { readonly kept: Request },
  ): Promise<HomieError | typeof KEPT | undefined> {
    outbox.send('progress', { job: job.id, state: 'queued' });
    const note = randomUUID();
    try {
      const told: Select = async (signal) => {
        const devices = await select(signal);
        const known = new Set(job.summary().devices.map(({ device }) => device));
        const added = devices.filter((device) => !known.has(device));
        for (const device of added) this.#askedBy(job).set(device, outbox);
        void this.#jobs.fileOf(job)?.note(note, { msg: kept, devices: added });
        return devices;
      };
      const summary = await job.admit(this.#jobs.desk.takingOver(order, told));
      outbox.send('summary', summary);
      void this.#jobs.fileOf(job)?.note(note, undefined);
      return failureOf(summary);
    } catch (error) {
      if (job.isKept) return KEPT;
      return isAbort(error) ? undefined : this.#refuse(job.id, named, error, outbox);
    }
  }

  #askedBy(job: Job): Map<string, Outbox> {
    const known = this.#asked.get(job) ?? new Map<string, Outbox>();
    this.#asked.set(job, known);
    return known;
  }

  /** Sends on what a job tells. */
  #tell(job: Job, outbox: Outbox): void {
    const limit = new ProgressLimit();
    const askedBy = ({ device }: Update): Outbox => this.#askedBy(job).get(device) ?? outbox;
    const progress = (update: Update): void => {
      if (limit.admits(update, performance.now())) askedBy(update).send('progress', update);
    };
    for (const update of job.summary().devices) if (!isFinal(update.state)) progress(update);
    job.on('progress', progress);
    job.on('result', (update) => {
      askedBy(update).send('result', update);
    });
    job.on('rest', (summary) => {
      outbox.send('summary', summary);
    });
  }

  async #answer(errand: Errand): Promise<HomieError | typeof KEPT | undefined> {
    const { msg, outbox } = errand;
    await this.#restored;
    try {
      const action = readAction(msg['action'], [...this.actions, ...steers]);
      if (!isSteering(action)) return await this.perform(action, errand);
      const answer = await steering[action](this.#jobs.desk, msg);
      outbox.send('summary', action === 'status' ? { ...answer, ...this.#lastResults(msg) } : answer);
      this.#jobs.steered();
      return undefined;
    } catch (error) {
      return this.#closing.signal.aborted ? undefined : this.#refuse(randomUUID(), errand.devices, error, outbox);
    }
  }

  /** How the devices that a message names have ended lately, from old to new. */
  #lastResults({ device }: Request): { last?: object } {
    const { link, history } = this.around;
    if ('error' in link || isAbsent(device)) return {};
    const { locks, registry } = link.broker;
    const names = readDevices(device);
    const matching = [...registry.devices.keys()].filter(matchAny(names));
    const ids = [...new Set([...names.filter((name) => !isPattern(name)), ...matching])];
    return { last: Object.fromEntries(ids.map((id) => [id, history.lastResults(`${locks.scope}${id}`)])) };
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
