import type { Job } from './job';
import type { JobFile } from './store/job-file';
import type { Work } from './work';

/** Maximum number of jobs per origin that can be queried although nothing in them can be retried. */
const MAX_STALE = 10;

/** Maximum number of ended jobs per origin, even if they can be retried: enough for one per device of a large home. */
const MAX_ENDED = 200;

/** The part of the work that is kept as long as the job: without the image and everything that refers to it. */
export type KnownWork = Omit<Work, 'make' | 'record'>;

/** A job and its origin. */
export interface KnownJob {
  readonly job: Job;
  /** The id of its origin. */
  readonly node: string;
  readonly work: KnownWork;
  /** Equal for requests that ask for the same. */
  readonly key: string;
  /** When the job was requested, in ms of the wall clock. */
  readonly at: number;
  /** The file in which the job is stored, if it is. */
  file: JobFile | undefined;
  /** The devices that the job has found, and serves as soon as older jobs have handed them over. */
  found: ReadonlySet<string>;
}

/** The jobs of a broker, including ended ones, until they are forgotten together with their files. */
export class KnownJobs {
  /** By id, oldest first. */
  #jobs = new Map<string, KnownJob>();
  /** Work that continues after a job was forgotten, by origin. */
  readonly #endings = new Map<string, Set<Promise<void>>>();

  /** Forgotten jobs that still observe devices. */
  readonly #late = new Set<KnownJob>();

  readonly #left: (job: Job) => void;

  /** @param left called when a job was forgotten */
  constructor(left: (job: Job) => void) {
    this.#left = left;
  }

  /** Returns the jobs of an origin, or all jobs, oldest first. */
  of(node?: string): KnownJob[] {
    const all = [...this.#jobs.values()];
    return node === undefined ? all : all.filter((known) => known.node === node);
  }

  get(id: string): KnownJob | undefined {
    return this.#jobs.get(id);
  }

  /** Adds a job as the newest. When nothing is left to do in it, forgets it or older jobs that are no longer needed. */
  add(known: KnownJob): void {
    const { job, node } = known;
    this.#jobs.set(job.id, known);
    job.on('idle', () => {
      if (job.isStale) this.#forgetFile(known);
      const ended = this.of(node).filter((each) => each.job.isEnded);
      for (const each of ended.slice(0, -MAX_ENDED)) this.forget(each);
    });
  }

  /** Sorts the jobs by the time of their request. */
  sort(): void {
    let latest = Number.NEGATIVE_INFINITY;
    for (const { at } of this.#jobs.values()) {
      if (at < latest) {
        this.#jobs = new Map([...this.#jobs].sort(([, one], [, other]) => one.at - other.at));
        return;
      }
      latest = at;
    }
  }

  /** Returns whether no later job of the same origin, or for the same firmware name, has a device. */
  isLastFor(job: Job, device: string): boolean {
    const own = this.get(job.id);
    const { subject } = own?.work ?? {};
    const counts = ({ node, work }: KnownJob): boolean =>
      node === own?.node || (subject !== undefined && work.subject === subject);
    return this.of().findLast((known) => counts(known) && known.job.has(device)) === own;
  }

  /** Returns the jobs with another image for the same firmware name. */
  others(own: KnownJob): { readonly older: readonly KnownJob[]; readonly newer: readonly KnownJob[] } {
    const { identity, subject } = own.work;
    const all = this.of();
    const at = all.indexOf(own);
    const isOther = ({ work }: KnownJob): boolean =>
      subject !== undefined && work.subject === subject && work.identity !== identity;
    return { older: all.slice(0, Math.max(at, 0)).filter(isOther), newer: all.slice(at + 1).filter(isOther) };
  }

  /** Forgets a job and deletes its file. The job still observes devices that may boot what was sent to them. */
  forget(known: KnownJob): void {
    this.leave(known);
    this.#late.add(known);
    void known.job.allReported().then(() => this.#late.delete(known));
    this.#forgetFile(known);
  }

  /** Deletes the files of stale jobs of an origin, and forgets all but the latest of these jobs. */
  forgetStale(node: string): void {
    const stale = this.of(node).filter(({ job }) => job.isStale);
    for (const known of stale) this.#forgetFile(known);
    for (const known of stale.slice(0, -MAX_STALE)) this.forget(known);
  }

  /**
   * Forgets a job, but keeps its file.
   *
   * @param ending work that continues after that, for which `endAll` waits
   */
  leave({ job, node }: KnownJob, ending?: Promise<void>): void {
    this.#jobs.delete(job.id);
    this.#left(job);
    if (ending !== undefined) this.#await(node, ending);
  }

  /** Ends all work for the forgotten jobs of an origin. */
  async endAll(node: string): Promise<void> {
    const late = [...this.#late].filter((known) => known.node === node);
    await Promise.allSettled(late.map(({ job }) => job.abandon()));
    await Promise.allSettled(this.#endings.get(node) ?? new Set<Promise<void>>());
    this.#endings.delete(node);
  }

  #forgetFile(known: KnownJob): void {
    if (known.file !== undefined) this.#await(known.node, known.file.remove());
    known.file = undefined;
  }

  #await(node: string, ending: Promise<void>): void {
    const endings = this.#endings.get(node) ?? new Set();
    this.#endings.set(node, endings.add(ending));
    void ending.finally(() => endings.delete(ending));
  }
}
