import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { asHomieError, HomieError } from '../errors';
import { DeviceUpdates } from '../devices/device-updates';
import type { HomieBroker } from '../homie/broker';
import { Library } from '../library/library';
import type { Summary, Update } from '../update/update';
import { canonical } from '../plain-object';
import type { Job, Select } from './job';
import type { JobFile, StoredJob } from './store/job-file';
import { KnownJobs, type KnownJob, type KnownWork } from './known-jobs';
import { readRecord, type Work } from './work';
import type { Answer, Origin, Remaking } from './request';

const queues = new WeakMap<HomieBroker, Queue>();

/**
 * All jobs of a broker, of all origins. Each request becomes a job, unless an open job does the same. A job with
 * another image for the same firmware name takes over the waiting devices of older jobs.
 *
 * Emits `job` for each added job, before it starts.
 */
export class Queue extends EventEmitter<{ job: [Job, KnownWork] }> {
  readonly #broker: HomieBroker;
  /** The firmware on offer for the devices of the broker: in memory until a stored library replaces it. */
  library = new Library();
  readonly updates: DeviceUpdates;
  readonly #known = new KnownJobs();

  private constructor(broker: HomieBroker) {
    super();
    this.#broker = broker;
    const { scope } = broker.locks;
    this.updates = new DeviceUpdates({ library: () => this.library, scope, jobs: () => this.#updating });
  }

  /** Returns the queue of a broker, which lives as long as the broker. */
  static of(broker: HomieBroker): Queue {
    const queue = queues.get(broker) ?? new Queue(broker);
    queues.set(broker, queue);
    return queue;
  }

  /** Returns the jobs of an origin, or all jobs, oldest first, including ended jobs that are not forgotten yet. */
  jobs(node?: string): Job[] {
    return this.#known.of(node).map(({ job }) => job);
  }

  /** Returns the jobs that have not ended. */
  open(node?: string): Job[] {
    return this.jobs(node).filter(({ isEnded }) => !isEnded);
  }

  /** The jobs that send images. */
  get #updating(): Job[] {
    return this.#known.of().flatMap(({ job, work }) => (work.brings === 'image' ? [job] : []));
  }

  /** Returns whether a device is part of an open job. */
  isServed(device: string): boolean {
    return this.open().some((job) => job.has(device));
  }

  /** Returns whether no later job of the same origin, or for the same firmware name, has a device. */
  isLastFor(job: Job, device: string): boolean {
    const own = this.#known.get(job.id);
    const { subject } = own?.work ?? {};
    const counts = ({ node, work }: KnownJob): boolean =>
      node === own?.node || (subject !== undefined && work.subject === subject);
    return this.#known.of().findLast((known) => counts(known) && known.job.has(device)) === own;
  }

  /**
   * Adds a job for a request, or returns the open job that was requested with the same work. Does not start a new job.
   * Resolves when it is stored.
   *
   * @param msg the part of the message to keep, as plain data
   * @throws {HomieError} USER_DIR_IN_USE: another process uses the folder of the jobs
   */
  async ask({ node, store }: Origin, work: Work, msg: object): Promise<Answer> {
    if (store !== undefined) await store.openOrThrow();
    const key = keyOf(node, work);
    const isSame = ({ job, key: other }: KnownJob): boolean => other === key && !job.isEnded && !job.isCanceled;
    const same = this.#known.of(node).findLast(isSame);
    // A newer job with another image has taken its devices, or will.
    const isOutdated = same !== undefined && this.#others(same).newer.length > 0;
    if (same !== undefined && !isOutdated) return again(same, msg);
    this.#known.forgetStale(node);
    let file: JobFile | undefined;
    const job = work.make({
      before: async (device) => this.#prepare(own, device),
      save: async (changed) => file?.save(changed),
    });
    if (store !== undefined && work.record !== undefined) {
      const { keep, work: record, firmware } = work.record;
      const head = { node, scope: this.#broker.locks.scope, keep, work: { msg, work: record } };
      file = store.begin(job.id, { ...head, ...(firmware && { firmware: firmware.md5 }) }, firmware?.image);
    }
    const own: KnownJob = { job, node, work: knownOf(work), key, at: Date.now(), file, found: new Set() };
    this.#add(own);
    // The caller may rely on the job only once it is stored.
    await file?.save(job);
    return { job, isAgain: false, run: () => this.#run(own, job.run.bind(job)) };
  }

  /** Recreates the stored jobs of an origin that are not in the queue, oldest first. Sets aside those that fail. */
  async restore({ node, store }: Origin, remaking: Remaking): Promise<void> {
    for (const stored of (await store?.jobsOf(node)) ?? []) {
      if (remaking.signal.aborted) return;
      // The job is already in the queue: it was started after an earlier reading.
      if (this.#known.get(stored.id) !== undefined) continue;
      try {
        await this.#restore(node, stored, { remaking, image: (md5) => store?.firmware.read(md5) });
      } catch (error) {
        await store?.setAside(stored.id, asHomieError(error));
      }
    }
  }

  /** Cancels devices to which nothing was sent, in the jobs of an origin that are not stored, or in all of its jobs. */
  cancelUnsent(node: string, all: boolean): void {
    for (const { job, file } of this.#known.of(node)) {
      if (!job.isEnded && (all || file === undefined)) job.cancelUnsent();
    }
  }

  /** Leaves the stored jobs of an origin to another process, which has taken over the folder. */
  leaveWritten(node: string): void {
    for (const known of this.#known.of(node)) {
      if (known.file === undefined) continue;
      known.file.close();
      this.#known.leave(known, known.job.abandon(true));
    }
  }

  /**
   * Abandons and forgets the jobs of an origin. Resolves when all of their work has ended.
   *
   * @param forget whether to delete their files, too, because no later node will continue them
   */
  async leave(node: string, forget: boolean): Promise<void> {
    await Promise.allSettled(
      this.#known.of(node).map(async ({ job, file }) => {
        const abandoned = job.abandon(file !== undefined && !forget);
        await (forget ? file?.remove() : file?.save(job));
        // Work that takes long, such as sending an image, must not overwrite what a later node has stored.
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
      before: async (device) => this.#prepare(own, device),
      save: (changed) => file.save(changed),
    });
    const at = Date.parse(state.startedAt);
    const own: KnownJob = { job, node, work: knownOf(work), key: keyOf(node, work), at, file, found: new Set() };
    this.#add(own);
    // Jobs of other origins in the queue may be newer.
    this.#known.sort();
    remaking.goOn({ job, isAgain: false, run: () => this.#run(own, job.restart.bind(job)) }, msg);
    for (const [note, value] of file.notes()) {
      const { msg: other }: { msg?: unknown } = Object(value);
      remaking.goOn({ job, isAgain: true, run: () => answerOnce(own, note) }, { ...Object(other) });
    }
  }

  #add(own: KnownJob): void {
    this.#known.add(own);
    if (own.work.brings === 'image') this.#tellSuccesses(own.job);
    this.emit('job', own.job, own.work);
  }

  #tellSuccesses(job: Job): void {
    const tell = (update: Update): void =>
      void (update.state === 'succeeded' && this.updates.emit('succeeded', update));
    job.on('result', tell);
    job.on('progress', (update) => {
      if (update.late === true) tell(update);
    });
  }

  async #run(own: KnownJob, start: Job['run']): Promise<Summary> {
    try {
      return await start((select) => this.#takingOver(own, select));
    } catch (error) {
      if (!own.job.isKept) this.#known.forget(own);
      throw error;
    }
  }

  /** Wraps the search of a job for devices: then older jobs with another image of the same name hand them over. */
  #takingOver(own: KnownJob, select: Select): Select {
    return async (signal) => {
      const devices = await select(signal);
      own.found = new Set(devices);
      for (const { job, work } of this.#others(own).older) {
        await job.handOver(devices);
        // Both jobs accept devices that appear later; from now on, only the new one does.
        if (own.work.forAll && work.forAll) job.close();
      }
      return devices;
    };
  }

  /**
   * Prepares to serve a device. A rollback first ends the observation of the device as a canary, which would make it busy
   * for all other jobs.
   *
   * @returns whether the device must be left to a newer job
   */
  #prepare(own: KnownJob, device: string): boolean {
    if (this.#isLeft(own, device)) return true;
    if (own.work.isRollback === true) for (const job of this.#updating) if (job !== own.job) job.failCanary(device);
    return false;
  }

  /** Returns whether a newer job with another image of the same name has a device or accepts it. */
  #isLeft(own: KnownJob, device: string): boolean {
    return this.#others(own).newer.some(({ job, found }) => found.has(device) || job.claims(device));
  }

  /** Returns the jobs with another image for the same firmware name. */
  #others(own: KnownJob): { readonly older: readonly KnownJob[]; readonly newer: readonly KnownJob[] } {
    const { identity, subject } = own.work;
    const all = this.#known.of();
    const at = all.indexOf(own);
    const isOther = ({ work }: KnownJob): boolean =>
      subject !== undefined && work.subject === subject && work.identity !== identity;
    return { older: all.slice(0, Math.max(at, 0)).filter(isOther), newer: all.slice(at + 1).filter(isOther) };
  }
}

/** Returns the answer of an open job to a message that requests the same. A paused job answers at once. */
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

/** @param note the key under which the message is stored until it is answered */
async function answerOnce({ job, file }: KnownJob, note: string): Promise<Summary> {
  const summary = await job.untilIdle();
  void file?.note(note, undefined);
  return summary;
}

function knownOf({ brings, identity, subject, forAll, isRollback = false }: Work): KnownWork {
  return { brings, identity, ...(subject !== undefined && { subject }), forAll, isRollback };
}

function keyOf(node: string, { identity, wish }: Work): string {
  return canonical([node, identity, wish]);
}
