import { EventEmitter } from 'node:events';
import { HomieBroker } from '../../src/homie/broker';
import { configWorkAgain } from '../../src/rollout/config-work';
import type { Job } from '../../src/rollout/job';
import { otaWorkAgain, type OtaWorkContext } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import type { Answer, Remaking } from '../../src/rollout/request';
import { Requester } from '../../src/rollout/requester';
import type { JobStore } from '../../src/rollout/store/job-store';
import type { Work } from '../../src/rollout/work';
import { hasty } from './clock';
import type { Surroundings } from './ours';
import { baseTopicOf, happenings, type ErrandPlan, type Plan } from './plan';
import type { Seen } from './record';
import { Witness } from './witness';

/** A connection to the broker, and the requesters that use it. */
interface Side {
  readonly broker: HomieBroker;
  readonly around: OtaWorkContext;
  readonly requesters: Readonly<Record<ErrandPlan['what'], Requester>>;
  /** Number of listeners at the broker before the requesters exist. */
  readonly listeners: number;
}

/** Callbacks of a deployment. */
interface Tell {
  /** A job has changed. */
  readonly changed: () => void;
  /** A job from before a restart continues. It runs once `run` of the answer is called. */
  readonly goOn: (answer: Answer) => void;
}

/** Two host names of the same broker. */
const HOSTS = ['127.0.0.1', 'localhost'] as const;

/** Our side in this process, from one deploy to the next. */
export class Deployment {
  readonly #sides: readonly Side[];
  readonly #around: Surroundings;
  readonly #tell: Tell;
  isAlive = true;

  /** @param ports of the broker, one for each connection */
  constructor(ports: readonly number[], store: JobStore, around: Surroundings, tell: Tell) {
    this.#around = around;
    this.#tell = tell;
    this.#sides = ports.map((port, index) => this.#make(port, index, store));
  }

  /** Returns a connection. @param via its index */
  side(via: number): Side {
    const side = this.#sides[via] ?? this.#sides[0];
    if (side === undefined) throw new Error('There is no connection');
    return side;
  }

  get requesters(): readonly Requester[] {
    return this.#sides.flatMap(({ requesters }) => [requesters.update, requesters.set]);
  }

  get brokers(): readonly HomieBroker[] {
    return this.#sides.map(({ broker }) => broker);
  }

  get open(): Job[] {
    return this.#sides.flatMap(({ broker }) => Queue.of(broker).open());
  }

  async close(): Promise<string[]> {
    await Promise.all(this.requesters.map((requester) => requester.close(false)));
    await Promise.all(this.#sides.map(({ broker }) => broker.close()));
    return this.#sides.flatMap(({ broker, listeners }) => {
      const more = count(broker) - listeners - 1;
      return more === 0 ? [] : [`${more} listeners at the broker`];
    });
  }

  #make(port: number, index: number, store: JobStore): Side {
    const { home, moments } = this.#around;
    const broker = new HomieBroker({
      url: `mqtt://${HOSTS[index] ?? HOSTS[0]}:${port}`,
      protocolVersion: home.plan.protocolVersion,
      baseTopic: baseTopicOf(home.plan),
      keepalive: 1,
      connectTimeout: 2000,
      reconnect: home.plan.reconnect,
    });
    const listeners = count(broker);
    broker.on('settled', () => this.isAlive && moments.tell('settled'));
    const queue = Queue.of(broker);
    queue.use(store);
    queue.on('job', (job, { identity }) => this.#hear(job, identity));
    const around = { broker, store };
    const suffix = index === 0 ? '' : ` ${index + 1}`;
    const requester = (node: string, remake: Remaking['remake']): Requester =>
      new Requester({
        queue,
        node: `${node}${suffix}`,
        store,
        remake: async (...stored) => inHaste(await remake(...stored), home.plan),
        goOn: this.#tell.goOn,
      });
    const requesters = {
      update: requester('ota', (work, bytes) => otaWorkAgain(work, bytes, around)),
      set: requester('config', async (work) => configWorkAgain(work, around)),
    };
    broker.start();
    requesters.update.start();
    requesters.set.start();
    return { broker, around, requesters, listeners };
  }

  #hear(job: Job, identity: string): void {
    const { home, see, moments } = this.#around;
    const tell = (seen: Seen): void => void (this.isAlive && see(seen));
    followHolds(job, tell);
    const witness = new Witness(
      identity,
      (seen) => {
        if (!this.isAlive) return;
        see(seen);
        if (seen.kind === 'verdict') moments.tell('result');
      },
      ({ device, state, phase }) => {
        const told = happenings.find((each) => each === `our ${state === 'running' ? phase : state}`);
        if (told !== undefined && this.isAlive) moments.tell(told, home.indexOf(device));
      },
    );
    job.on('progress', (update) => {
      witness.progress(update);
      this.#tell.changed();
    });
    job.on('result', (update) => {
      witness.result(update);
      if (this.isAlive && isObserved(job, update.device)) moments.tell('our observing', home.indexOf(update.device));
    });
    job.on('idle', ({ state, error }) => {
      if (error?.code === 'CANARY_UNSTABLE') tell({ kind: 'unstable', at: performance.now(), device: '', job: job.id });
      if (state === 'stopped' && job.halted === 'stopped' && this.isAlive) {
        witness.stopped();
        moments.tell('our stopped');
      }
      this.#tell.changed();
    });
    this.#tell.changed();
  }
}

/** Returns whether a device has become a canary that is under observation. */
function isObserved(job: Job, device: string): boolean {
  return job.state().plan.soaking.includes(device);
}

/** Records when a job is paused or stopped, and when it goes on. */
function followHolds(job: Job, see: (seen: Seen) => void): void {
  const told = (isNew: boolean): void => {
    const isHeld = job.halted !== undefined;
    see({ kind: 'held', at: performance.now(), device: '', job: job.id, isHeld, isNew });
  };
  told(true);
  job.on('steered', () => told(false));
}

/** Returns work whose jobs have the clock of a plan. */
export function inHaste(work: Work, { haste }: Plan): Work {
  return haste === 1 ? work : { ...work, make: (options) => work.make({ ...options, clock: hasty(haste) }) };
}

/** Counts the listeners at a broker that a deployment adds and removes. */
function count(broker: HomieBroker): number {
  const { registry, connection } = broker;
  const emitters = [
    [broker, ['status', 'settled']],
    [registry, ['event', 'gone']],
    [connection, ['status', 'subscribed', 'message']],
  ] as const;
  return emitters.reduce(
    (sum, [emitter, names]) =>
      sum + names.reduce((each, name) => each + EventEmitter.prototype.listenerCount.call(emitter, name), 0),
    0,
  );
}
