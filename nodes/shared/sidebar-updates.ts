import { asHomieError } from '../../src/errors';
import type { Firmware } from '../../src/firmware/firmware';
import type { HomieBroker } from '../../src/homie/broker';
import type { DeviceChoice } from '../../src/homie/select';
import type { CheckSummary } from '../../src/ota/check';
import { History } from '../../src/rollout/store/history';
import { checkOta, otaWork, otaWorkAgain, type OtaWish, type OtaWorkAround } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import { type Answer } from '../../src/rollout/request';
import { Requester } from '../../src/rollout/requester';
import type { JobStore } from '../../src/rollout/store/job-store';
import { isAbort } from '../../src/unless-aborted';
import { orThrow } from './actions';
import { failureOf } from './message-summaries';
import { protectDevices } from './job-node';
import { persists, type UpdateSettings } from './update-settings';

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

/** Updates that users start in the sidebar. They use the settings of the homie-broker, and need no other node. */
export class SidebarUpdates {
  readonly broker: HomieBroker;
  readonly #owner: SidebarOwner;
  readonly #around: OtaWorkAround;
  readonly #queue: Queue;
  readonly #requester: Requester;
  readonly #closing = new AbortController();
  #unprotect: () => void = () => undefined;

  constructor(owner: SidebarOwner) {
    const { broker, node, settings, store } = owner;
    this.broker = broker;
    this.#owner = owner;
    const history = persists(settings) && store !== undefined ? store.history : new History();
    this.#around = { broker, history, store, author: { id: node, name: 'Homie sidebar' } };
    this.#queue = Queue.of(broker);
    if (store !== undefined) this.#queue.use(store);
    this.#requester = new Requester({
      queue: this.#queue,
      node,
      store,
      remake: (work, image) => otaWorkAgain(work, image, this.#around),
      goOn: (answer) => this.#run(answer),
    });
  }

  /** Continues the jobs that an earlier homie-broker with this id has left. */
  start(): void {
    this.#unprotect = protectDevices(this.broker, this.#around.history);
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

  /**
   * Checks what an update would do to each device. Sends nothing.
   *
   * @throws {HomieError} those of `checkOta`, INVALID_SETTING; an AbortError when the homie-broker is closed
   */
  async check(firmware: Firmware, choice: DeviceChoice): Promise<CheckSummary> {
    return checkOta(firmware, this.#wish(choice), this.#around, this.#closing.signal);
  }

  /**
   * Starts an update of devices. Resolves when the job is stored.
   *
   * @param devices the ids of the devices
   * @throws {HomieError} INVALID_SETTING, USER_DIR_IN_USE; an AbortError when the homie-broker is closed
   */
  async update(firmware: Firmware, devices: readonly string[]): Promise<void> {
    const work = otaWork(firmware, this.#wish({ devices }), this.#around);
    await this.#requester.restored;
    this.#closing.signal.throwIfAborted();
    // Nobody can resume these, and the new update is for the devices that the user wants now.
    for (const job of this.#queue.open(this.#owner.node)) if (job.halted === 'stopped') job.cancelUnsent();
    const answer = await this.#requester.ask(work, {});
    if (!answer.isAgain) this.#run(answer);
  }

  /**
   * Returns the request for an update. It is never continuous, since it includes only devices that the user has
   * confirmed.
   *
   * @throws {HomieError} INVALID_SETTING
   */
  #wish(choice: DeviceChoice): OtaWish {
    const { ota, rollout } = this.#owner.settings;
    return { choice, settings: orThrow(ota), rollout: { ...orThrow(rollout), continuous: false } };
  }

  /** Runs a job, and logs once if it fails. */
  #run({ job, run }: Answer): void {
    const warn = (text: string): void => this.#owner.warn(`Update from the sidebar: ${text}`);
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
