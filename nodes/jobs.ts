import type { Update } from '../src/homie/update';
import { Desk, type Order } from '../src/rollout/desk';
import type { Job } from '../src/rollout/job';
import type { JobFile } from '../src/rollout/job-file';
import type { Halted, Shown } from './job-status';

/** More than these are not remembered, where one job waits for ever and others come and go. */
const MAX_ENDED = 1000;

/** So many jobs of which nothing can be retried are remembered, to be asked for. */
const MAX_STALE = 10;

/**
 * So many jobs that have ended are remembered at most, also where something of them can be retried: one for each device of
 * a large home.
 */
const MAX_JOBS = 200;

/** With what the names begin under which the findings of a check are shown; those of jobs begin with an id. */
const CHECK = 'check ';

/** The jobs of a node, and what is to be shown of them. */
export class Jobs {
  readonly desk = new Desk();
  /** What has ended since there was last nothing to do: it is shown until something new begins. */
  readonly #ended = new Map<string, Shown>();
  readonly #files = new Map<Job, JobFile>();
  readonly #endings = new Set<Promise<void>>();
  readonly #changed: () => void;

  /** @param changed called whenever `shown` may have changed */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get shown(): readonly Shown[] {
    return [...this.#ended.values(), ...this.desk.open.flatMap((job) => job.summary().devices)];
  }

  /** Why nothing more is started: one of the jobs was stopped by failures, or all are paused. */
  get halted(): Halted | undefined {
    const states = this.desk.open.map((job) => job.summary().state);
    if (states.includes('stopped')) return 'stopped';
    return states.length > 0 && states.every((state) => state === 'paused') ? 'paused' : undefined;
  }

  /** Jobs were paused, or go on. */
  steered(): void {
    this.#changed();
  }

  /** @param file where it is written down, if it is */
  begin(job: Job, order: Order, file?: JobFile): void {
    this.#forget();
    this.#prune();
    this.desk.add(job, order);
    if (file !== undefined) this.#files.set(job, file);
    job.on('progress', (update) => {
      if (update.late === true && this.#ended.has(nameOf(update))) this.#remember(nameOf(update), update);
      this.#changed();
    });
    job.on('rest', () => {
      if (job.isEnded) for (const update of job.summary().devices) this.#remember(nameOf(update), update);
      if (job.isStale) this.#forgetFile(job);
      this.#forgetOldest();
      this.#changed();
    });
    this.#changed();
  }

  /** Where a job is written down, if it is. */
  fileOf(job: Job): JobFile | undefined {
    return this.#files.get(job);
  }

  has(id: string): boolean {
    return this.desk.jobs.some((job) => job.id === id);
  }

  /** Leaves the jobs that are written down to another process, which has them now. */
  leaveWritten(): void {
    for (const [job, file] of this.#files) {
      file.close();
      this.desk.remove(job);
      this.#await(job.abandon(true));
    }
    this.#files.clear();
    this.#changed();
  }

  /** It came to nothing. */
  remove(job: Job): void {
    this.desk.remove(job);
    this.#forgetFile(job);
    this.#changed();
  }

  /** Something was refused before it became a job. */
  refused(name: string, shown: readonly Shown[]): void {
    this.#forget();
    for (const [index, one] of shown.entries()) this.#remember(`${name} ${index}`, one);
    this.#changed();
  }

  /** Shows what a check found that the user should look at; what the check before found is not shown any more. */
  checked(found: readonly Shown[]): void {
    for (const name of [...this.#ended.keys()].filter((each) => each.startsWith(CHECK))) this.#ended.delete(name);
    // Those of a job that runs say more.
    if (this.desk.open.length === 0 && found.length > 0) {
      this.#forget();
      for (const [index, one] of found.entries()) this.#remember(`${CHECK}${index}`, one);
    }
    this.#changed();
  }

  /** What has ended is not shown any more, unless something runs. */
  forgetEnded(): void {
    this.#forget();
    this.#changed();
  }

  /** Cancels what was not sent, of the jobs that are not written down, or of all. */
  cancelUnsent(all: boolean): void {
    for (const job of this.desk.open) if (all || !this.#files.has(job)) job.cancelUnsent();
  }

  /**
   * Resolves when nothing more will come of any job.
   *
   * @param forget the files, too: no later node goes on with the jobs
   */
  async abandon(forget: boolean): Promise<void> {
    await Promise.allSettled(
      this.desk.jobs.map(async (job) => {
        const file = this.#files.get(job);
        const abandoned = job.abandon(file !== undefined && !forget);
        await (forget ? file?.remove() : file?.save(job));
        // What goes on for long, such as the sending of an image, must not write what a later node has written anew.
        file?.close();
        await abandoned;
      }),
    );
    await Promise.allSettled(this.#endings);
  }

  /** Forgets what nobody needs any more. */
  #prune(): void {
    const stale = this.desk.jobs.filter(({ isStale }) => isStale);
    for (const job of stale.slice(0, -MAX_STALE)) this.remove(job);
    for (const job of stale) this.#forgetFile(job);
  }

  #forgetOldest(): void {
    const ended = this.desk.jobs.filter(({ isEnded }) => isEnded);
    for (const job of ended.slice(0, -MAX_JOBS)) this.remove(job);
  }

  #forgetFile(job: Job): void {
    const removal = this.#files.get(job)?.remove();
    if (removal === undefined) return;
    this.#files.delete(job);
    this.#await(removal);
  }

  #await(ending: Promise<void>): void {
    this.#endings.add(ending);
    void ending.finally(() => this.#endings.delete(ending));
  }

  #remember(name: string, ended: Shown): void {
    this.#ended.set(name, ended);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > MAX_ENDED && oldest !== undefined) this.#ended.delete(oldest);
  }

  #forget(): void {
    if (this.desk.open.length === 0) this.#ended.clear();
  }
}

function nameOf({ job, device }: Update): string {
  return `${job} ${device}`;
}
