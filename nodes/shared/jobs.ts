import { byDevice, type Update } from '../../src/update/update';
import type { Job } from '../../src/rollout/job';
import { setNewest } from '../../src/set-newest';
import type { Queue } from '../../src/rollout/queue';
import type { Halted, Shown } from './job-status';

/** Maximum number of ended devices to remember while one job waits indefinitely and others come and go. */
const MAX_ENDED = 1000;

/**
 * Prefixes of names under which something is shown that is not a device. They contain a space, which no device id does.
 */
const CHECK = 'check ';
const REFUSED = 'refused ';

/** The jobs of a node, and what its status shows of them. */
export class Jobs {
  readonly #queue: Queue | undefined;
  readonly #node: string;
  /** What has ended, by device. Shown until a job starts while no other is open. */
  readonly #ended = new Map<string, Shown | Update>();
  readonly #changed: () => void;
  #refusals = 0;

  /**
   * @param queue undefined if there is no broker
   * @param node the id of the node
   * @param changed called whenever `shown` may have changed
   */
  constructor(queue: Queue | undefined, node: string, changed: () => void) {
    this.#queue = queue;
    this.#node = node;
    this.#changed = changed;
  }

  /** The jobs that have not ended. */
  get open(): readonly Job[] {
    return this.#queue?.open(this.#node) ?? [];
  }

  /** What the status shows: the state of each device in an open job, or else how it last ended. */
  get shown(): readonly Shown[] {
    const open = byDevice(this.open.flatMap(({ devices }) => devices));
    return [...new Map([...this.#ended, ...open]).values()];
  }

  /** Why no more devices start: a job was stopped by failures, or all jobs are paused. */
  get halted(): Halted | undefined {
    const open = this.open.map(({ halted }) => halted);
    if (open.includes('stopped')) return 'stopped';
    return open.length > 0 && open.every((halted) => halted === 'paused') ? 'paused' : undefined;
  }

  /** Updates the status, since jobs may have come or gone. */
  refresh(): void {
    this.#changed();
  }

  /** Shows a job of the node from now on. */
  begun(job: Job): void {
    this.#forget(job);
    job.on('progress', (update) => {
      const ended = this.#ended.get(update.device);
      const isOfThis = ended !== undefined && 'job' in ended && ended.job === update.job;
      if (update.late === true && isOfThis) this.#remember(update.device, update);
      this.#changed();
    });
    job.on('steered', this.#changed);
    job.on('idle', () => {
      if (job.isEnded) for (const update of job.devices) this.#remember(update.device, update);
      this.#changed();
    });
    this.#changed();
  }

  /** Shows what was refused before it became a job. */
  refused(shown: readonly (Shown | Update)[]): void {
    this.#forget();
    for (const one of shown) this.#remember('device' in one ? one.device : `${REFUSED}${(this.#refusals += 1)}`, one);
    this.#changed();
  }

  /** Shows the findings of a check that the user should look at, in place of those of the previous check. */
  checked(found: readonly Shown[]): void {
    for (const name of [...this.#ended.keys()].filter((each) => each.startsWith(CHECK))) this.#ended.delete(name);
    // The devices of an open job are more important.
    if (this.open.length === 0 && found.length > 0) {
      this.#forget();
      for (const [index, one] of found.entries()) this.#remember(`${CHECK}${index}`, one);
    }
    this.#changed();
  }

  /** Clears what has ended, unless a job is open. */
  forgetEnded(): void {
    this.#forget();
    this.#changed();
  }

  #remember(name: string, ended: Shown | Update): void {
    setNewest(this.#ended, name, ended, MAX_ENDED);
  }

  /** @param but a job that has just started, and does not count as open */
  #forget(but?: Job): void {
    if (this.open.every((job) => job === but)) this.#ended.clear();
  }
}
