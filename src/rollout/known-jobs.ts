import type { Job } from './job';
import type { JobFile } from './store/job-file';
import type { Work } from './work';

/** So many jobs of which nothing can be retried are remembered for each origin, to be asked for. */
const MAX_STALE = 10;

/**
 * So many jobs that have ended are remembered at most for each origin, also where something of them can be retried: one for
 * each device of a large home.
 */
const MAX_ENDED = 200;

/** What is known of work as long as its job is: neither the image nor what holds it. */
export type KnownWork = Pick<Work, 'brings' | 'identity' | 'subject' | 'forAll'>;

/** A job, and whose it is. */
export interface KnownJob {
  readonly job: Job;
  /** Its origin. */
  readonly node: string;
  readonly work: KnownWork;
  /** The same for two requests that ask for the same. */
  readonly key: string;
  /** When it was asked for, in ms of the wall clock. */
  readonly at: number;
  /** Where it is written down, if it is. */
  file: JobFile | undefined;
  /** The devices that it has found, and takes in as soon as older jobs have handed them over. */
  found: ReadonlySet<string>;
}

/** The jobs of a broker, also those that have ended, until they are forgotten together with their files. */
export class KnownJobs {
  /** By id, from old to new. */
  #jobs = new Map<string, KnownJob>();
  /** What goes on after a job was forgotten, by its origin. */
  readonly #endings = new Map<string, Set<Promise<void>>>();

  /** The jobs of an origin, or all, from old to new. */
  of(node?: string): KnownJob[] {
    const all = [...this.#jobs.values()];
    return node === undefined ? all : all.filter((known) => known.node === node);
  }

  get(id: string): KnownJob | undefined {
    return this.#jobs.get(id);
  }

  /** Takes in a job as the newest. When nothing is left to do in it, it and older ones may be forgotten. */
  add(known: KnownJob): void {
    const { job, node } = known;
    this.#jobs.set(job.id, known);
    job.on('idle', () => {
      if (job.isStale) this.#forgetFile(known);
      const ended = this.of(node).filter((each) => each.job.isEnded);
      for (const each of ended.slice(0, -MAX_ENDED)) this.forget(each);
    });
  }

  /** Puts the jobs into the order in which they were asked for. */
  sort(): void {
    this.#jobs = new Map([...this.#jobs].sort(([, one], [, other]) => one.at - other.at));
  }

  /** Forgets a job, also where it is written down. */
  forget(known: KnownJob): void {
    this.leave(known);
    this.#forgetFile(known);
  }

  /** Forgets the jobs of an origin that nobody needs any more. */
  forgetStale(node: string): void {
    const stale = this.of(node).filter(({ job }) => job.isStale);
    for (const known of stale) this.#forgetFile(known);
    for (const known of stale.slice(0, -MAX_STALE)) this.forget(known);
  }

  /**
   * Forgets a job, but not what is written down of it.
   *
   * @param ending what goes on after that, which `allEnded` waits for
   */
  leave({ job, node }: KnownJob, ending?: Promise<void>): void {
    this.#jobs.delete(job.id);
    if (ending !== undefined) this.#await(node, ending);
  }

  /** Resolves when nothing goes on any more of the jobs of an origin that were forgotten. */
  async allEnded(node: string): Promise<void> {
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
