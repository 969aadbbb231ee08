import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { HomieError } from '../../src/errors';
import { HomieBroker } from '../../src/homie/broker';
import type { DeviceState } from '../../src/homie/device';
import type { ConnectionStatus } from '../../src/mqtt/connection';
import { isFinal, type Outcome } from '../../src/update/update';
import { History } from '../../src/rollout/store/history';
import { Job } from '../../src/rollout/job';
import type { JobOptions } from '../../src/rollout/job-view';
import { Queue } from '../../src/rollout/queue';
import type { RolloutSettings } from '../../src/rollout/settings';
import type { Hooks, Task } from '../../src/rollout/task';
import { sequential } from '../ota/lab';
import { TestClock } from '../support/clock';

const OLD = '0'.repeat(32);
const STRANGE = 'f'.repeat(32);
const ATTEMPTS = 2;

/** The node that requests the jobs. */
export const NODE = 'node';

/** How the transfer to a device ends. After `lost`, the transfer may be repeated. */
export type End = 'taken' | 'lost' | 'other' | 'gone';

/** A broker that seems to be connected. The test puts what is known of devices into its registry. */
class StillBroker extends HomieBroker {
  static #count = 0;

  constructor() {
    // The process has one table of locks by host, so each broker needs its own.
    super({ url: `mqtt://still-${(StillBroker.#count += 1)}`, protocolVersion: 'auto', baseTopic: 'homie/' });
  }

  override get isSettled(): boolean {
    return true;
  }

  override get status(): ConnectionStatus {
    return { state: 'connected', protocolVersion: 5 };
  }
}

/** A transfer in progress. */
interface Transfer {
  readonly job: Job;
  readonly end: (how: End) => void;
}

/**
 * The jobs of a node without MQTT, for devices that do what the test says. Asserts what must always hold: a device is
 * in one job at a time, never too many devices at once, no forbidden start, and no image sent more often than allowed.
 */
export class StillLife {
  readonly queue: Queue;
  readonly #ids: readonly string[];
  readonly #broker = new StillBroker();
  readonly #clock = new TestClock();
  readonly #history = new History();
  readonly #underWay = new Map<string, Transfer>();
  /** Number of transfers of an image to a device since it last ran the image, or the user last allowed it again. */
  readonly #sent = new Map<string, number>();
  /** Number of devices that have failed since the user last resumed the job. */
  readonly #failures = new Map<Job, number>();
  readonly #told = new Set<string>();
  /** Collected here, because a job treats whatever its task throws as a failure of the device. */
  readonly #violations: string[] = [];
  /** The image of the last request for each device. */
  readonly #asked = new Map<string, { image: string; request: number }>();
  #requests = 0;
  #find: (() => void)[] = [];
  transfers = 0;

  constructor(ids: readonly string[]) {
    this.#ids = ids;
    this.queue = Queue.of(this.#broker);
    for (const id of ids) {
      this.#publish(id, '$fw/name', 'my-light');
      this.shows(id);
    }
  }

  get underWay(): readonly string[] {
    return [...this.#underWay.keys()];
  }

  /**
   * Requests a job with an image.
   *
   * @param late whether the job finds its devices only when `find` is called
   */
  ask(image: string, devices: readonly string[], settings: Partial<RolloutSettings>, late: boolean): void {
    const request = (this.#requests += 1);
    const select = async (): Promise<readonly string[]> => {
      if (late) await new Promise<void>((resolve) => this.#find.push(resolve));
      for (const device of devices) {
        if (request > (this.#asked.get(device)?.request ?? 0)) this.#asked.set(device, { image, request });
      }
      return devices;
    };
    const chosen = { ...sequential, expires: 1000, soak: 500, ...settings };
    const make = (options: JobOptions): Job => {
      const job: Job = new Job({
        ...options,
        task: this.#task(image, select, devices, (device, hooks) => this.#exchange(job, chosen, image, device, hooks)),
        settings: chosen,
        clock: this.#clock,
      });
      job.on('result', ({ device, state, error }) => {
        this.#must(isFinal(state) && error?.code !== 'UNEXPECTED', `${device} ${state}: ${error?.message}`);
        this.#told.add(`${job.id} ${device}`);
        if (state === 'failed') this.#failures.set(job, (this.#failures.get(job) ?? 0) + 1);
      });
      return job;
    };
    const forAll = devices.length === this.#ids.length;
    const work = { identity: image, subject: 'my-light', forAll, wish: { devices, chosen }, make };
    void this.queue.ask({ node: NODE, store: undefined }, { brings: 'image', ...work }, {}).then(({ run }) => run());
  }

  /** Lets all jobs that look for their devices find them, the latest job first. */
  find(): void {
    for (const found of this.#find.splice(0).toReversed()) found();
  }

  /** Runs a command that makes jobs continue, and resets their count of failures. */
  goOn(steer: () => void): void {
    const modes = new Map(this.queue.jobs().map((job) => [job, job.state().plan.failures]));
    steer();
    for (const [job, before] of modes) if (job.state().plan.failures < before) this.#failures.delete(job);
  }

  /** Puts a device through states, unless a transfer to it is in progress. */
  is(id: string, ...states: readonly DeviceState[]): void {
    if (this.#underWay.has(id)) return;
    for (const state of states) this.#publish(id, '$state', state);
  }

  /** Makes a device report another image, unless a transfer to it is in progress. */
  shows(id: string, checksum = OLD): void {
    if (this.#underWay.has(id)) return;
    this.#publish(id, '$state', 'init');
    this.#publish(id, '$fw/checksum', checksum);
    this.#publish(id, '$state', 'ready');
    this.#sent.delete(`${id} ${checksum}`);
  }

  /** Ends a transfer. */
  end(id: string, how: End): void {
    const transfer = this.#underWay.get(id);
    this.#underWay.delete(id);
    transfer?.end(how);
  }

  async pass(ms: number): Promise<void> {
    await this.#clock.pass(ms);
  }

  /** Lets the jobs react, and asserts that nothing was violated. */
  async settle(): Promise<void> {
    await turn();
    await turn();
    assert.deepEqual(this.#violations, []);
  }

  /** Asserts that every device of every job has ended, that its result was reported, and that no job locks it. */
  untilIdle(): void {
    assert.deepEqual(this.underWay, []);
    for (const job of this.queue.jobs()) {
      for (const { device, state } of job.devices) {
        assert.ok(isFinal(state), `${device} is ${state}: stuck`);
        assert.ok(this.#told.has(`${job.id} ${device}`), `no result for ${device}`);
      }
    }
    for (const id of this.#ids) assert.equal(this.#broker.locks.holder(id), undefined);
  }

  async close(): Promise<void> {
    const closed = this.queue.leave(NODE, false);
    for (const id of this.underWay) this.end(id, 'gone');
    await closed;
  }

  #must(isSo: boolean, otherwise: string): void {
    if (!isSo) this.#violations.push(otherwise);
  }

  #publish(id: string, topic: string, value: string): void {
    this.#broker.registry.receive(`homie/${id}/${topic}`, Buffer.from(value), false);
  }

  #checksum(id: string): string | undefined {
    return this.#broker.registry.get(id)?.checksum?.value;
  }

  #isReady(id: string): boolean {
    return this.#broker.registry.get(id)?.state?.value === 'ready';
  }

  /** Returns a task like that of a job for an image, without the messages on the wire. */
  #task(
    image: string,
    select: Task<object>['select'],
    devices: readonly string[],
    exchange: Task<object>['exchange'],
  ): Task<object> {
    const history = this.#history;
    return {
      broker: this.#broker,
      stages: 'image',
      initial: { total: 1, to: { checksum: image } },
      select,
      admits: ({ id }) => devices.includes(id),
      refuse: () => undefined,
      readyAt: (id) => (this.#isReady(id) ? 0 : undefined),
      missing: () => new HomieError('DEVICE_OFFLINE'),
      look: async (id, asked) => {
        const runs = this.#checksum(id) === image;
        history.shows(id, image, runs);
        if (runs) return { state: 'skipped', reason: 'up_to_date' };
        return history.heldBecause(id, image, ATTEMPTS, asked) && { state: 'skipped', reason: 'held' };
      },
      exchange,
      judge: async () => 'again',
      isWorthAnotherLook: ({ device, state, reason }) =>
        state === 'timed_out' ||
        ((state === 'succeeded' || reason === 'up_to_date') && this.#checksum(device) !== image),
      allowAgain: (id) => {
        history.allowAgain(id, image);
        this.#sent.delete(`${id} ${image}`);
      },
      ended: (id, update, resumed) => history.ended(id, image, update, resumed),
    };
  }

  async #exchange(
    job: Job,
    { concurrency, maxFailures }: RolloutSettings,
    image: string,
    id: string,
    { begin, cancel, unsent, report }: Hooks<object>,
  ): Promise<Outcome | undefined> {
    const attempts = this.#history.mayTransfer(id, image, ATTEMPTS);
    for (let attempt = 1; ; attempt += 1) {
      if (!this.#isReady(id)) return attempt === 1 ? undefined : failed('LOST_IN_TRANSFER');
      await Promise.all([this.#history.begun(id, image), begin({})]);
      if (cancel.aborted) {
        this.#history.notSent(id, image);
        unsent();
        return { state: 'canceled' };
      }
      report({ state: 'running', attempt });
      if (attempt === 1) {
        this.#must(!['stopped', 'paused'].includes(job.summary().state), 'begun while it is not to go on');
        this.#must((this.#asked.get(id)?.image ?? image) === image, `${id} is sent an image that is out of date`);
        this.#must(maxFailures === 0 || (this.#failures.get(job) ?? 0) < maxFailures, 'begun after too many failures');
      }
      const how = await this.#transfer(job, concurrency, image, id);
      if (how === 'taken') {
        this.shows(id, image);
        return { state: 'succeeded', reboot: 'proven' };
      }
      if (how === 'other') {
        this.shows(id, STRANGE);
        return failed('OTHER_FIRMWARE');
      }
      if (how === 'gone') {
        this.is(id, 'lost');
        return failed('NOT_BACK');
      }
      if (attempt >= attempts || cancel.aborted) return failed('LOST_IN_TRANSFER');
    }
  }

  #transfer(job: Job, concurrency: number, image: string, id: string): Promise<End> {
    this.#must(!this.#underWay.has(id), `${id} in two jobs`);
    const key = `${id} ${image}`;
    const sent = (this.#sent.get(key) ?? 0) + 1;
    this.#sent.set(key, sent);
    this.transfers += 1;
    this.#must(sent <= ATTEMPTS, `sent to ${id} ${sent} times`);
    return new Promise((end) => {
      this.#underWay.set(id, { job, end });
      const own = [...this.#underWay.values()].filter((transfer) => transfer.job === job);
      this.#must(own.length <= concurrency, `${own.length} at once`);
    });
  }
}

function failed(code: 'LOST_IN_TRANSFER' | 'OTHER_FIRMWARE' | 'NOT_BACK'): Outcome {
  return { state: 'failed', error: new HomieError(code) };
}
