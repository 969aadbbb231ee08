import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { asHomieError, HomieError } from '../errors';
import { DeviceUpdates } from '../devices/device-updates';
import type { HomieBroker } from '../homie/broker';
import { Library } from '../library/library';
import type { Summary } from '../update/update';
import { canonical } from '../plain-object';
import type { Job, Select } from './job';
import type { JobFile, StoredJob } from './store/job-file';
import { KnownJobs, type KnownJob, type KnownWork } from './known-jobs';
import { readRecord, type Work } from './work';
import type { Answer, Origin, Remaking } from './request';

const queues = new WeakMap<HomieBroker, Queue>();

/**
 * All jobs of a broker, whoever asks for them. Each request is a job of its own, unless the same is under way already. A
 * job that brings another image for the same firmware name takes over what waits in older ones.
 *
 * Emits `job` for each that is taken in, before it begins.
 */
export class Queue extends EventEmitter<{ job: [Job, KnownWork] }> {
  readonly #broker: HomieBroker;
  /** The firmware that is on offer for its devices: in memory, until it is told where that is kept. */
  library = new Library();
  readonly updates: DeviceUpdates;
  readonly #known = new KnownJobs();

  private constructor(broker: HomieBroker) {
    super();
    this.#broker = broker;
    const { scope } = broker.locks;
    this.updates = new DeviceUpdates({ library: () => this.library, scope, jobs: () => this.#updating });
  }

  /** The one of a broker, which ends with it. */
  static of(broker: HomieBroker): Queue {
    const queue = queues.get(broker) ?? new Queue(broker);
    queues.set(broker, queue);
    return queue;
  }

  /** The jobs of an origin, or all, from old to new, also those that have ended and can be retried. */
  jobs(node?: string): Job[] {
    return this.#known.of(node).map(({ job }) => job);
  }

  /** Those that have not ended. */
  open(node?: string): Job[] {
    return this.jobs(node).filter(({ isEnded }) => !isEnded);
  }

  /** Those that bring firmware. */
  get #updating(): Job[] {
    return this.#known.of().flatMap(({ job, work }) => (work.brings === 'image' ? [job] : []));
  }

  /** Whether a job that has not ended has a device. */
  isServed(device: string): boolean {
    return this.open().some((job) => job.has(device));
  }

  /** Whether a job is the last one of its origin, or for its firmware name, that has a device. */
  isLastFor(job: Job, device: string): boolean {
    const own = this.#known.get(job.id);
    const { subject } = own?.work ?? {};
    const counts = ({ node, work }: KnownJob): boolean =>
      node === own?.node || (subject !== undefined && work.subject === subject);
    return this.#known.of().findLast((known) => counts(known) && known.job.has(device)) === own;
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
    const isSame = ({ job, key: other }: KnownJob): boolean => other === key && !job.isEnded && !job.isCanceled;
    const same = this.#known.of(node).findLast(isSame);
    // Another image has taken its devices since, or will.
    const isOutdated = same !== undefined && this.#others(same).newer.length > 0;
    if (same !== undefined && !isOutdated) return again(same, msg);
    this.#known.forgetStale(node);
    let file: JobFile | undefined;
    const job = work.make({
      before: async (device) => this.#isLeft(own, device),
      save: async (changed) => file?.save(changed),
    });
    if (store !== undefined && work.record !== undefined) {
      const { keep, work: record, firmware } = work.record;
      const head = { node, scope: this.#broker.locks.scope, keep, work: { msg, work: record } };
      file = store.begin(job.id, { ...head, ...(firmware && { firmware: firmware.md5 }) }, firmware?.image);
    }
    const own: KnownJob = { job, node, work: knownOf(work), key, at: Date.now(), file, found: new Set() };
    this.#add(own);
    // Who hears of the job may count on it.
    await file?.save(job);
    return { job, isAgain: false, run: () => this.#run(own, job.run.bind(job)) };
  }

  /** Makes the jobs of an origin that are written down and not here, from old to new. */
  async restore({ node, store }: Origin, remaking: Remaking): Promise<void> {
    for (const stored of (await store?.jobsOf(node)) ?? []) {
      if (remaking.signal.aborted) return;
      // It was begun between two times of reading.
      if (this.#known.get(stored.id) !== undefined) continue;
      try {
        await this.#restore(node, stored, { remaking, image: (md5) => store?.firmware.read(md5) });
      } catch (error) {
        await store?.setAside(stored.id, asHomieError(error));
      }
    }
  }

  /** Cancels what was not sent, of the jobs of an origin that are not written down, or of all of them. */
  cancelUnsent(node: string, all: boolean): void {
    for (const { job, file } of this.#known.of(node)) {
      if (!job.isEnded && (all || file === undefined)) job.cancelUnsent();
    }
  }

  /** Leaves the jobs of an origin that are written down to another process, which has them now. */
  leaveWritten(node: string): void {
    for (const known of this.#known.of(node)) {
      if (known.file === undefined) continue;
      known.file.close();
      this.#known.leave(known, known.job.abandon(true));
    }
  }

  /**
   * Stops watching the jobs of an origin, and forgets them. Resolves when nothing more will come of any.
   *
   * @param forget what is written down, too: nobody will go on with it
   */
  async leave(node: string, forget: boolean): Promise<void> {
    await Promise.allSettled(
      this.#known.of(node).map(async ({ job, file }) => {
        const abandoned = job.abandon(file !== undefined && !forget);
        await (forget ? file?.remove() : file?.save(job));
        // What goes on for long, such as the sending of an image, must not overwrite what a later node has written.
        file?.close();
        await abandoned;
      }),
    );
    for (const known of this.#known.of(node)) this.#known.leave(known);
    await this.#known.allEnded(node);
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
      before: async (device) => this.#isLeft(own, device),
      save: (changed) => file.save(changed),
    });
    const at = Date.parse(state.startedAt);
    const own: KnownJob = { job, node, work: knownOf(work), key: keyOf(node, work), at, file, found: new Set() };
    this.#add(own);
    // Those of other origins may have been asked for later.
    this.#known.sort();
    remaking.goOn({ job, isAgain: false, run: () => this.#run(own, job.restart.bind(job)) }, msg);
    for (const [note, value] of file.notes()) {
      const { msg: other }: { msg?: unknown } = Object(value);
      remaking.goOn({ job, isAgain: true, run: () => answerOnce(own, note) }, { ...Object(other) });
    }
  }

  #add(own: KnownJob): void {
    this.#known.add(own);
    this.emit('job', own.job, own.work);
  }

  async #run(own: KnownJob, start: Job['run']): Promise<Summary> {
    try {
      return await start((select) => this.#takingOver(own, select));
    } catch (error) {
      if (!own.job.isKept) this.#known.forget(own);
      throw error;
    }
  }

  /** Lets a job find its devices, and hands over to it what waits in older ones for another image of the same name. */
  #takingOver(own: KnownJob, select: Select): Select {
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
  #isLeft(own: KnownJob, device: string): boolean {
    return this.#others(own).newer.some(({ job, found }) => found.has(device) || job.claims(device));
  }

  /** The jobs that bring another image for the same firmware name. */
  #others(own: KnownJob): { readonly older: readonly KnownJob[]; readonly newer: readonly KnownJob[] } {
    const { identity, subject } = own.work;
    const all = this.#known.of();
    const at = all.indexOf(own);
    const isOther = ({ work }: KnownJob): boolean =>
      subject !== undefined && work.subject === subject && work.identity !== identity;
    return { older: all.slice(0, Math.max(at, 0)).filter(isOther), newer: all.slice(at + 1).filter(isOther) };
  }
}

/** The answer of a job to a message that asks for the same. Where nothing goes on by itself, it comes at once. */
function again(known: KnownJob, msg: object): Answer {
  const { job, file } = known;
  const run = async (): Promise<Summary> => {
    if (job.halted === 'paused') return job.summary();
    const note = randomUUID();
    void file?.note(note, { msg });
    return answerOnce(known, note);
  };
  return { job, isAgain: true, run };
}

/** @param note where the message is written down until it has its answer */
async function answerOnce({ job, file }: KnownJob, note: string): Promise<Summary> {
  const summary = await job.untilIdle();
  void file?.note(note, undefined);
  return summary;
}

function knownOf({ brings, identity, subject, forAll }: Work): KnownWork {
  return { brings, identity, ...(subject !== undefined && { subject }), forAll };
}

function keyOf(node: string, { identity, wish }: Work): string {
  return canonical([node, identity, wish]);
}
