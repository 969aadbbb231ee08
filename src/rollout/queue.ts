import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { asHomieError, HomieError } from '../errors';
import { Releases } from '../devices/releases';
import type { HomieBroker } from '../homie/broker';
import type { Summary } from '../update/update';
import { canonical } from '../plain-object';
import type { Job, Select } from './job';
import type { JobFile, StoredJob } from './store/job-file';
import { readRecord, type Work } from './work';
import type { Answer, Origin, Remaking } from './request';

/** So many jobs of which nothing can be retried are remembered for each origin, to be asked for. */
const MAX_STALE = 10;

/**
 * So many jobs that have ended are remembered at most for each origin, also where something of them can be retried: one for
 * each device of a large home.
 */
const MAX_ENDED = 200;

interface Entry {
  readonly job: Job;
  readonly node: string;
  readonly work: Kept;
  /** The same for two requests that ask for the same. */
  readonly key: string;
  /** When it was asked for, in ms of the wall clock. */
  readonly at: number;
  /** Where it is written down, if it is. */
  file: JobFile | undefined;
  /** The devices that it has found, and takes in as soon as older jobs have handed them over. */
  found: ReadonlySet<string>;
}

const queues = new WeakMap<HomieBroker, Queue>();

/** What is to be known of work while its job is: neither the image nor what holds it. */
type Kept = Pick<Work, 'brings' | 'identity' | 'subject' | 'forAll'>;

/**
 * All jobs of a broker, whoever asks for them. Each request is a job of its own, unless the same is under way already. A
 * job that brings another image for the same firmware name takes over what waits in older ones.
 *
 * Emits `job` for each that is taken in, before it begins.
 */
export class Queue extends EventEmitter<{ job: [Job, Kept] }> {
  readonly #broker: HomieBroker;
  /** The firmware that its jobs install, and how far each device is. */
  readonly releases = new Releases(() => this.#updating);
  /** By id, from old to new. */
  #entries = new Map<string, Entry>();
  /** What goes on after a job was forgotten, by its origin. */
  readonly #endings = new Map<string, Set<Promise<void>>>();

  private constructor(broker: HomieBroker) {
    super();
    this.#broker = broker;
  }

  /** The one of a broker, which ends with it. */
  static of(broker: HomieBroker): Queue {
    const queue = queues.get(broker) ?? new Queue(broker);
    queues.set(broker, queue);
    return queue;
  }

  /** The jobs of an origin, or all, from old to new, also those that have ended and can be retried. */
  jobs(node?: string): Job[] {
    return this.#of(node).map(({ job }) => job);
  }

  /** Those that have not ended. */
  open(node?: string): Job[] {
    return this.jobs(node).filter(({ isEnded }) => !isEnded);
  }

  /** Those that bring firmware. */
  get #updating(): Job[] {
    return this.#of(undefined).flatMap(({ job, work }) => (work.brings === 'image' ? [job] : []));
  }

  /** Whether a job that has not ended has a device. */
  isServed(device: string): boolean {
    for (const { job } of this.#entries.values()) if (!job.isEnded && job.has(device)) return true;
    return false;
  }

  /** Whether a job is the last one of its origin, or for its firmware name, that has a device. */
  isLastFor(job: Job, device: string): boolean {
    const own = this.#entries.get(job.id);
    const others = [...this.#entries.values()].filter(
      ({ node, work }) => node === own?.node || (work.subject !== undefined && work.subject === own?.work.subject),
    );
    return others.findLast((entry) => entry.job.has(device)) === own;
  }

  /**
   * Takes a request: the job for it, which has not begun, or the open one of which the same was asked before.
   *
   * @param msg what is kept of the message, as plain data
   * @returns once it is written down
   * @throws {HomieError} when another process uses the folder of the jobs
   */
  async ask({ node, store }: Origin, work: Work, msg: object): Promise<Answer> {
    if (store !== undefined && !(await store.open()))
      throw store.ownership.whyNot() ?? new HomieError('USER_DIR_IN_USE');
    const key = keyOf(node, work);
    const same = this.#of(node).findLast(({ key: other, job }) => other === key && !job.isEnded && !job.isCanceled);
    // Another image has taken its devices since, or will.
    const isOutdated = same !== undefined && this.#others(same).newer.length > 0;
    if (same !== undefined && !isOutdated) return again(same, msg);
    this.#prune(node);
    let file: JobFile | undefined;
    const job = work.make({
      before: async (device) => this.#isLeft(entry, device),
      save: async (changed) => file?.save(changed),
    });
    if (store !== undefined && work.record !== undefined) {
      const { keep, work: record, firmware } = work.record;
      const head = { node, scope: this.#broker.locks.scope, keep, work: { msg, work: record } };
      file = store.begin(job.id, { ...head, ...(firmware && { firmware: firmware.md5 }) }, firmware?.image);
    }
    const entry: Entry = { job, node, work: kept(work), key, at: Date.now(), file, found: new Set() };
    this.#add(entry);
    // Who hears of the job may count on it.
    await file?.save(job);
    return { job, isAgain: false, run: () => this.#run(entry, job.run.bind(job)) };
  }

  /** Makes the jobs of an origin that are written down and not here, from old to new. */
  async restore({ node, store }: Origin, remaking: Remaking): Promise<void> {
    for (const stored of (await store?.jobsOf(node)) ?? []) {
      if (remaking.signal.aborted) return;
      // It was begun between two times of reading.
      if (this.#entries.has(stored.id)) continue;
      try {
        await this.#restore(node, stored, { remaking, image: (md5) => store?.firmware.read(md5) });
      } catch (error) {
        await store?.setAside(stored.id, asHomieError(error));
      }
    }
  }

  /** Cancels what was not sent, of the jobs of an origin that are not written down, or of all of them. */
  cancelUnsent(node: string, all: boolean): void {
    for (const { job, file } of this.#of(node)) if (!job.isEnded && (all || file === undefined)) job.cancelUnsent();
  }

  /** Leaves the jobs of an origin that are written down to another process, which has them now. */
  leaveWritten(node: string): void {
    for (const { job, file } of this.#of(node)) {
      if (file === undefined) continue;
      file.close();
      this.#entries.delete(job.id);
      this.#await(node, job.abandon(true));
    }
  }

  /**
   * Stops watching the jobs of an origin, and forgets them. Resolves when nothing more will come of any.
   *
   * @param forget what is written down, too: nobody will go on with it
   */
  async leave(node: string, forget: boolean): Promise<void> {
    await Promise.allSettled(
      this.#of(node).map(async ({ job, file }) => {
        const abandoned = job.abandon(file !== undefined && !forget);
        await (forget ? file?.remove() : file?.save(job));
        // What goes on for long, such as the sending of an image, must not overwrite what a later node has written.
        file?.close();
        await abandoned;
      }),
    );
    for (const { job } of this.#of(node)) this.#entries.delete(job.id);
    await Promise.allSettled(this.#endings.get(node) ?? new Set<Promise<void>>());
    this.#endings.delete(node);
  }

  #of(node: string | undefined): Entry[] {
    const all = [...this.#entries.values()];
    return node === undefined ? all : all.filter((entry) => entry.node === node);
  }

  async #restore(
    node: string,
    { id, head, state, file }: StoredJob,
    { remaking, image }: { readonly remaking: Remaking; readonly image: (md5: string) => Promise<Buffer> | undefined },
  ): Promise<void> {
    const { msg, work: record } = readRecord(head.work);
    if (head.scope !== this.#broker.locks.scope) throw new HomieError('JOB_ELSEWHERE');
    const bytes = head.firmware === undefined ? undefined : await image(head.firmware);
    const work = await remaking.remake(record, bytes);
    if (remaking.signal.aborted) return;
    const job = work.make({
      restored: { id, state },
      before: async (device) => this.#isLeft(entry, device),
      save: (changed) => file.save(changed),
    });
    const at = Date.parse(state.startedAt);
    const entry: Entry = { job, node, work: kept(work), key: keyOf(node, work), at, file, found: new Set() };
    this.#add(entry);
    // Those of other origins may have been asked for later.
    this.#entries = new Map([...this.#entries].sort(([, one], [, other]) => one.at - other.at));
    remaking.goOn({ job, isAgain: false, run: () => this.#run(entry, job.restart.bind(job)) }, msg);
    for (const [note, value] of file.notes()) {
      const { msg: other }: { msg?: unknown } = Object(value);
      remaking.goOn({ job, isAgain: true, run: () => answerOnce(entry, note) }, { ...Object(other) });
    }
  }

  #add(entry: Entry): void {
    const { job, node } = entry;
    this.#entries.set(job.id, entry);
    job.on('rest', () => {
      if (job.isStale) this.#forgetFile(entry);
      this.#forgetOldest(node);
    });
    this.emit('job', job, entry.work);
  }

  async #run(entry: Entry, start: Job['run']): Promise<Summary> {
    try {
      return await start((select) => this.#takingOver(entry, select));
    } catch (error) {
      if (!entry.job.isKept) this.#remove(entry);
      throw error;
    }
  }

  /** Lets a job find its devices, and hands over to it what waits in older ones for another image of the same name. */
  #takingOver(own: Entry, select: Select): Select {
    return async (signal) => {
      const devices = await select(signal);
      own.found = new Set(devices);
      for (const { job, work } of this.#others(own).older) {
        await job.handOver(devices);
        // It is open for devices to come, and so is this one.
        if (own.work.forAll && work.forAll) job.close();
      }
      return devices;
    };
  }

  /** Whether a device is to be left to a newer job: one that has it, or takes in what appears. */
  #isLeft(own: Entry, device: string): boolean {
    return this.#others(own).newer.some(({ job, found }) => found.has(device) || job.claims(device));
  }

  /** The jobs that bring another image for the same firmware name. */
  #others(own: Entry): { readonly older: readonly Entry[]; readonly newer: readonly Entry[] } {
    const { identity, subject } = own.work;
    const entries = [...this.#entries.values()];
    const at = entries.indexOf(own);
    const isOther = ({ work }: Entry): boolean =>
      subject !== undefined && work.subject === subject && work.identity !== identity;
    return { older: entries.slice(0, Math.max(at, 0)).filter(isOther), newer: entries.slice(at + 1).filter(isOther) };
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.job.id);
    this.#forgetFile(entry);
  }

  /** Forgets what nobody needs any more. */
  #prune(node: string): void {
    const stale = this.#of(node).filter(({ job }) => job.isStale);
    for (const entry of stale) this.#forgetFile(entry);
    for (const entry of stale.slice(0, -MAX_STALE)) this.#remove(entry);
  }

  #forgetOldest(node: string): void {
    const ended = this.#of(node).filter(({ job }) => job.isEnded);
    for (const entry of ended.slice(0, -MAX_ENDED)) this.#remove(entry);
  }

  #forgetFile(entry: Entry): void {
    if (entry.file !== undefined) this.#await(entry.node, entry.file.remove());
    entry.file = undefined;
  }

  #await(node: string, ending: Promise<void>): void {
    const endings = this.#endings.get(node) ?? new Set();
    this.#endings.set(node, endings.add(ending));
    void ending.finally(() => endings.delete(ending));
  }
}

/** The answer of a job to a message that asks for the same. Where nothing goes on by itself, it comes at once. */
function again(entry: Entry, msg: object): Answer {
  const { job, file } = entry;
  const run = async (): Promise<Summary> => {
    if (job.halted === 'paused') return job.summary();
    const note = randomUUID();
    void file?.note(note, { msg });
    return answerOnce(entry, note);
  };
  return { job, isAgain: true, run };
}

/** @param note where the message is written down until it has its answer */
async function answerOnce({ job, file }: Entry, note: string): Promise<Summary> {
  const summary = await job.atRest();
  void file?.note(note, undefined);
  return summary;
}

function kept({ brings, identity, subject, forAll }: Work): Kept {
  return { brings, identity, ...(subject !== undefined && { subject }), forAll };
}

function keyOf(node: string, { identity, wish }: Work): string {
  return canonical([node, identity, wish]);
}
