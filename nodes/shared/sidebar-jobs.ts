import { asHomieError } from '../../src/errors';
import type { HomieBroker } from '../../src/homie/broker';
import type { OtaSettings } from '../../src/ota/settings';
import { configWorkAgain, type ConfigWish } from '../../src/rollout/config-work';
import type { Job } from '../../src/rollout/job';
import { jobCommands, type JobCommand, type Target } from '../../src/rollout/job-commands';
import { otaWorkAgain, type OtaWorkContext } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import { type Answer } from '../../src/rollout/request';
import { Requester } from '../../src/rollout/requester';
import type { RolloutSettings } from '../../src/rollout/settings';
import { endOf } from '../../src/rollout/store/history';
import type { Remembered } from '../../src/rollout/store/history-record';
import type { JobStore } from '../../src/rollout/store/job-store';
import type { Work } from '../../src/rollout/work';
import { isAbort } from '../../src/unless-aborted';
import { orThrow } from './actions';
import { failureOf } from './message-summaries';
import { protectDevices } from './job-node';
import type { UpdateSettings } from './update-settings';

/** The homie-broker that owns the jobs of the sidebar. */
interface SidebarOwner {
  readonly broker: HomieBroker;
  /** Its id: the origin of the jobs. */
  readonly node: string;
  readonly settings: UpdateSettings;
  /** Where its jobs are stored; undefined if there is no user directory. */
  readonly store: JobStore | undefined;
  /** Logs a failure: the sidebar has no output or catch node that could report it. */
  readonly warn: (text: string) => void;
}

/**
 * The jobs that users start in the sidebar: updates and configuration changes. They use the settings of the homie-broker,
 * and need no other node.
 */
export class SidebarJobs {
  readonly broker: HomieBroker;
  /** The environment of the work. */
  readonly around: OtaWorkContext;
  readonly queue: Queue;
  readonly #owner: SidebarOwner;
  readonly #requester: Requester;
  readonly #closing = new AbortController();
  #unprotect: () => void = () => undefined;

  constructor(owner: SidebarOwner) {
    const { broker, node, store } = owner;
    this.broker = broker;
    this.#owner = owner;
    this.around = { broker, store, author: { id: node, name: 'Homie sidebar' } };
    this.queue = Queue.of(broker);
    if (store !== undefined) this.queue.use(store);
    this.#requester = new Requester({
      queue: this.queue,
      node,
      store,
      remake: async (work, image) =>
        isConfig(work) ? configWorkAgain(work, this.around) : otaWorkAgain(work, image, this.around),
      goOn: (answer) => this.#run(answer),
    });
  }

  /** Continues the jobs that an earlier homie-broker with this id has left. */
  start(): void {
    this.#unprotect = protectDevices(this.broker);
    this.#requester.start();
  }

  /**
   * Leaves the jobs to the next homie-broker with this id.
   *
   * @param removed whether the node is removed, so that there is no next one
   */
  async close(removed: boolean): Promise<void> {
    this.#unprotect();
    this.#closing.abort();
    await this.#requester.close(removed);
  }

  /** Aborted when the homie-broker is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * The settings of an update, or of another rollout. Never continuous, since a job includes only devices that the user
   * has confirmed.
   *
   * @throws {HomieError} INVALID_SETTING
   */
  get settings(): { readonly ota: OtaSettings; readonly rollout: RolloutSettings } {
    const { ota, rollout } = this.#owner.settings;
    return { ota: orThrow(ota), rollout: { ...orThrow(rollout), continuous: false } };
  }

  /** Resolves when the stored jobs have been continued, so that all jobs are known. */
  get restored(): Promise<void> {
    return this.#requester.restored;
  }

  /**
   * Starts a job, unless an open job does the same. Resolves with the id of the job when it is stored.
   *
   * @throws {HomieError} USER_DIR_IN_USE; an AbortError when the homie-broker is closed
   */
  async begin(work: Work): Promise<string> {
    this.closing.throwIfAborted();
    const answer = await this.#requester.ask(work, {});
    if (!answer.isAgain) this.#run(answer);
    return answer.job.id;
  }

  /**
   * Executes a command for jobs of the broker, whatever node has started them.
   *
   * @throws {HomieError} the errors of `jobCommands`; an AbortError when the homie-broker is closed
   */
  async command(command: JobCommand, target: Target): Promise<void> {
    await this.restored;
    this.closing.throwIfAborted();
    await jobCommands[command](this.queue, undefined, target);
  }

  /**
   * Ensures that the library may be changed.
   *
   * @throws {HomieError} USER_DIR_IN_USE; an AbortError when the homie-broker is closed
   */
  async openStore(): Promise<void> {
    await this.around.store?.openOrThrow();
    this.closing.throwIfAborted();
  }

  /** Returns the last results of a device, newest first. */
  resultsOf(device: string): Remembered[] {
    const results = this.queue.history.lastResults(this.broker.locks.keyOf(device));
    return results.toSorted((a, b) => endOf(a) - endOf(b)).toReversed();
  }

  /** Runs a job, and logs once if it fails. */
  #run({ job, run }: Answer): void {
    const warn = (text: string): void => this.#owner.warn(`${whatIs(job)} from the sidebar: ${text}`);
    // A stopped job was already logged, by the process in which failures stopped it.
    if (job.halted !== 'stopped') {
      job.once('idle', (summary) => {
        if (failureOf(summary) !== undefined) warn(summary.text);
      });
    }
    run().catch((error: unknown) => {
      if (!isAbort(error)) warn(asHomieError(error).message);
    });
  }
}

function whatIs({ devices }: Job): string {
  return devices.some(({ to }) => to === undefined) ? 'Configuration change' : 'Update';
}

function isConfig(work: Partial<ConfigWish>): boolean {
  return 'patch' in work;
}
