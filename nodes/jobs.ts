import { isFinal, type Update } from '../src/homie/update';
import type { Job } from '../src/rollout/job';
import type { Shown } from './job-status';

/** More than these are not remembered, where one job waits for ever and others come and go. */
const MAX_ENDED = 1000;

/** The jobs of a node, and what is to be shown of them. */
export class Jobs implements Iterable<Job> {
  readonly #running = new Set<Job>();
  /** Jobs that have ended, some of whose devices are watched on. */
  readonly #watching = new Set<Job>();
  /** What has ended since there was last nothing to do: it is shown until something new begins. */
  readonly #ended = new Map<string, Shown>();
  readonly #changed: () => void;

  /** @param changed called whenever `shown` may have changed */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Those that run. */
  [Symbol.iterator](): Iterator<Job> {
    return this.#running.values();
  }

  get shown(): readonly Shown[] {
    return [...this.#ended.values(), ...[...this.#running].flatMap((job) => job.summary().devices)];
  }

  begin(job: Job): void {
    this.#forget();
    this.#running.add(job);
    job.on('progress', (update) => {
      if (update.late === true && this.#ended.has(nameOf(update))) this.#remember(nameOf(update), update);
      this.#changed();
    });
    this.#changed();
  }

  end(job: Job): void {
    this.#running.delete(job);
    void this.#watchOn(job);
    for (const update of job.summary().devices) {
      if (isFinal(update.state)) this.#remember(nameOf(update), update);
    }
    this.#changed();
  }

  /** Something was refused before it became a job. */
  refused(name: string, shown: readonly Shown[]): void {
    this.#forget();
    for (const [index, one] of shown.entries()) this.#remember(`${name} ${index}`, one);
    this.#changed();
  }

  /** What has ended is not shown any more, unless something runs. */
  forgetEnded(): void {
    this.#forget();
    this.#changed();
  }

  cancel(): void {
    for (const job of this.#running) job.cancel();
  }

  /** Resolves when nothing more will come of the jobs that have ended. */
  async abandon(): Promise<void> {
    const watching = [...this.#watching];
    for (const job of [...this.#running, ...watching]) job.abandon();
    await Promise.allSettled(watching.map((job) => job.afterwards()));
  }

  async #watchOn(job: Job): Promise<void> {
    this.#watching.add(job);
    await Promise.allSettled([job.afterwards()]);
    this.#watching.delete(job);
  }

  #remember(name: string, ended: Shown): void {
    this.#ended.set(name, ended);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > MAX_ENDED && oldest !== undefined) this.#ended.delete(oldest);
  }

  #forget(): void {
    if (this.#running.size === 0) this.#ended.clear();
  }
}

function nameOf({ job, device }: Update): string {
  return `${job} ${device}`;
}
