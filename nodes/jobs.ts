import type { Update } from '../src/homie/update';
import { Desk, type Order } from '../src/rollout/desk';
import type { Job } from '../src/rollout/job';
import type { Halted, Shown } from './job-status';

/** More than these are not remembered, where one job waits for ever and others come and go. */
const MAX_ENDED = 1000;

/** The jobs of a node, and what is to be shown of them. */
export class Jobs {
  readonly desk = new Desk();
  /** What has ended since there was last nothing to do: it is shown until something new begins. */
  readonly #ended = new Map<string, Shown>();
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

  begin(job: Job, order: Order): void {
    this.#forget();
    this.desk.add(job, order);
    job.on('progress', (update) => {
      if (update.late === true && this.#ended.has(nameOf(update))) this.#remember(nameOf(update), update);
      this.#changed();
    });
    job.on('rest', () => {
      if (job.isEnded) for (const update of job.summary().devices) this.#remember(nameOf(update), update);
      this.#changed();
    });
    this.#changed();
  }

  /** It came to nothing. */
  remove(job: Job): void {
    this.desk.remove(job);
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
    for (const job of this.desk.open) job.cancel();
  }

  /** Resolves when nothing more will come of any job. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.desk.jobs.map((job) => job.abandon()));
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
