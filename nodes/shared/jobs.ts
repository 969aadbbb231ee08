import { byDevice, type Update } from '../../src/update/update';
import type { Job } from '../../src/rollout/job';
import { setNewest } from '../../src/set-newest';
import type { Queue } from '../../src/rollout/queue';
import type { Halted, Shown } from './job-status';

/** More than these are not remembered, where one job waits indefinitely and others come and go. */
const MAX_ENDED = 1000;

/** With what the names begin under which something is shown that is no device, whose id has no space. */
const CHECK = 'check ';
const REFUSED = 'refused ';

/** The jobs of a node, and what is to be shown of them. */
export class Jobs {
  readonly #queue: Queue | undefined;
  readonly #node: string;
  /** What has ended since there was last nothing to do, by device: it is shown until something new begins. */
  readonly #ended = new Map<string, Shown | Update>();
  readonly #changed: () => void;
  #refusals = 0;

  /**
   * @param queue undefined where there is no broker
   * @param node its id
   * @param changed called whenever `shown` may have changed
   */
  constructor(queue: Queue | undefined, node: string, changed: () => void) {
    this.#queue = queue;
    this.#node = node;
    this.#changed = changed;
  }

  /** Those that have not ended. */
  get open(): readonly Job[] {
    return this.#queue?.open(this.#node) ?? [];
  }

  /** Of each device how it has ended last, or what is done with it now. */
  get shown(): readonly Shown[] {
    const open = byDevice(this.open.flatMap(({ devices }) => devices));
    return [...new Map([...this.#ended, ...open]).values()];
  }

  /** Why nothing more is started: one of the jobs was stopped by failures, or all are paused. */
  get halted(): Halted | undefined {
    const open = this.open.map(({ halted }) => halted);
    if (open.includes('stopped')) return 'stopped';
    return open.length > 0 && open.every((halted) => halted === 'paused') ? 'paused' : undefined;
  }

  /** Jobs were paused, or go on. */
  steered(): void {
    this.#changed();
  }

  /** Something of a job of the node is to be shown from now on. */
  begun(job: Job): void {
    this.#forget(job);
    job.on('progress', (update) => {
      const ended = this.#ended.get(update.device);
      const isOfThis = ended !== undefined && 'job' in ended && ended.job === update.job;
      if (update.late === true && isOfThis) this.#remember(update.device, update);
      this.#changed();
    });
    job.on('idle', () => {
      if (job.isEnded) for (const update of job.devices) this.#remember(update.device, update);
      this.#changed();
    });
    this.#changed();
  }

  /** Something was refused before it became a job. */
  refused(shown: readonly (Shown | Update)[]): void {
    this.#forget();
    for (const one of shown) this.#remember('device' in one ? one.device : `${REFUSED}${(this.#refusals += 1)}`, one);
    this.#changed();
  }

  /** Shows what a check found that the user should look at; what the check before found is not shown any more. */
  checked(found: readonly Shown[]): void {
    for (const name of [...this.#ended.keys()].filter((each) => each.startsWith(CHECK))) this.#ended.delete(name);
    // Those of a job that runs say more.
    if (this.open.length === 0 && found.length > 0) {
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

  #remember(name: string, ended: Shown | Update): void {
    setNewest(this.#ended, name, ended, MAX_ENDED);
  }

  /** @param but a job that has just begun */
  #forget(but?: Job): void {
    if (this.open.every((job) => job === but)) this.#ended.clear();
  }
}
