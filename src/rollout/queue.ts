import { EventEmitter } from 'node:events';
import { asHomieError, HomieError } from '../errors';
import { Firmware } from '../firmware/firmware';
import { DeviceUpdates } from '../devices/device-updates';
import type { HomieBroker } from '../homie/broker';
import { Library } from '../library/library';
import type { Summary } from '../update/update';
import { canonical } from '../plain-object';
import type { DeviceJob } from '../devices/job-updates';
import { JobCards } from './cards';
import { deviceJob, followJob } from './device-job';
import { isHeldBack } from './held-back';
import { answerAgain, answerOnce } from './answer-again';
import type { Job, Select } from './job';
import type { JobCard } from './job-card';
import { History } from './store/history';
import type { JobStore } from './store/job-store';
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
  /** The results of the devices of the broker: none until a stored history replaces it. */
  history = new History();
  readonly updates: DeviceUpdates;
  readonly #known = new KnownJobs(({ ids }) => this.updates.emit('changed', [...ids]));
  readonly #cards: JobCards;

  private constructor(broker: HomieBroker) {
    super();
    this.#broker = broker;
    const { locks } = broker;
    const jobs = (): DeviceJob[] => this.#known.of().map((each) => deviceJob(each, this.#known, locks));
    const isHeld = (device: string, md5: string): boolean =>
      isHeldBack({ broker, history: this.history, library: this.library }, device, md5);
    this.updates = new DeviceUpdates({ library: () => this.library, isHeld, locks, jobs });
    this.#cards = new JobCards({ known: this.#known, records: () => this, locks });
  }

  /** Returns the queue of a broker, which lives as long as the broker. */
  static of(broker: HomieBroker): Queue {
    const queue = queues.get(broker) ?? new Queue(broker);
    queues.set(broker, queue);
    return queue;
  }

  /** Uses what is stored from now on. */
  use({ library, history }: Pick<JobStore, 'library' | 'history'>): void {
    this.library = library;
    this.history = history;
  }

  /** Returns the jobs of an origin, or all jobs, oldest first, including ended jobs that are not forgotten yet. */
  jobs(node?: string): Job[] {
    return this.#known.of(node).map(({ job }) => job);
  }

  /** Returns all jobs with what they do, oldest first. */
  known(): readonly Pick<KnownJob, 'job' | 'work'>[] {
    return this.#known.of();
  }

  /** Returns the jobs that have not ended. */
  open(node?: string): Job[] {
    return this.jobs(node).filter(({ isEnded }) => !isEnded);
  }

  /** Returns the open jobs and those that ended lately, newest first. */
  cards(): JobCard[] {
    return this.#cards.all();
  }

  /**
   * Stops showing a job that has ended or was stopped by failures. Cancels the devices of a stopped job to which nothing
   * was sent.
   *
   * @throws {HomieError} UNKNOWN_JOB: there is no such job, or it is still open; JOB_NOT_SAVED
   */
  async close(job: string): Promise<void> {
    await this.#cards.close(job);
    this.updates.emit('changed', []);
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
    return this.#known.isLastFor(job, device);
  }

  /**
   * Adds a job for a request, or returns the open job that was requested with the same work. Does not start a new job.
   * Resolves when it is stored.
   *
   * @param msg the part of the message to keep, as plain data
   * @throws {HomieError} USER_DIR_IN_USE: another process uses the folder of the jobs
   * @throws an AbortError when the origin is closed
   */
  async ask({ node, store, closed }: Origin, work: Work, msg: object): Promise<Answer> {
    if (store !== undefined) await store.openOrThrow();
    closed?.throwIfAborted();
    const key = keyOf(node, work);
    const isSame = ({ job, key: other }: KnownJob): boolean => other === key && !job.isEnded && !job.isCanceled;
    const same = this.#known.of(node).findLast(isSame);
    // A newer job with another image has taken its devices, or will.
    const isOutdated = same !== undefined && this.#known.others(same).newer.length > 0;
    if (same !== undefined && !isOutdated) return answerAgain(same, msg);
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
    const image = lastOf(async (md5) => store && Firmware.from(await store.firmware.read(md5)));
    for (const stored of (await store?.jobsOf(node)) ?? []) {
      if (remaking.signal.aborted) return;
      // The job is already in the queue: it was started after an earlier reading.
      if (this.#known.get(stored.id) !== undefined) continue;
      try {
        await this.#restore(node, stored, { remaking, image });
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
    await this.#known.endAll(node);
  }

  async #restore(
    node: string,
    { id, head, state, file }: StoredJob,
    {
      remaking,
      image,
    }: { readonly remaking: Remaking; readonly image: (md5: string) => Promise<Firmware | undefined> },
  ): Promise<void> {
    const { msg, work: record } = readRecord(head.work);
    if (head.scope !== this.#broker.locks.scope) throw new HomieError('JOB_ELSEWHERE');
    const firmware = head.firmware === undefined ? undefined : await image(head.firmware);
    const work = await remaking.remake(record, firmware);
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
    followJob(own, this.updates);
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

  /** Wraps the search of a job for devices: then older jobs with another image of the same name hand them over. */
  #takingOver(own: KnownJob, select: Select): Select {
    return async (signal) => {
      const devices = await select(signal);
      own.found = new Set(devices);
      for (const { job, work } of this.#known.others(own).older) {
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
    return this.#known.others(own).newer.some(({ job, found }) => found.has(device) || job.claims(device));
  }
}

/** Makes a reading of images remember the last one: jobs that follow each other often have the same. */
function lastOf<Image>(read: (md5: string) => Promise<Image>): (md5: string) => Promise<Image> {
  let last: { readonly md5: string; readonly image: Promise<Image> } | undefined;
  return (md5) => {
    if (last?.md5 === md5) return last.image;
    const image = read(md5);
    last = { md5, image };
    image.catch(() => (last = undefined));
    return image;
  };
}

/** Leaves out everything that refers to an image. */
function knownOf({ make: _make, record: _record, ...known }: Work): KnownWork {
  return known;
}

function keyOf(node: string, { identity, wish }: Work): string {
  return canonical([node, identity, wish]);
}
