import { EventEmitter } from 'node:events';
import { ConfigActions } from '../../nodes/config-actions';
import { Jobs } from '../../nodes/jobs';
import { OtaActions } from '../../nodes/ota-actions';
import { Outbox } from '../../nodes/outbox';
import { defaultSettings as configDefaults } from '../../src/config/settings';
import { HomieBroker } from '../../src/homie/broker';
import { defaultSettings as otaDefaults } from '../../src/ota/settings';
import type { Order } from '../../src/rollout/desk';
import type { Job } from '../../src/rollout/job';
import type { JobFile } from '../../src/rollout/job-file';
import { defaultSettings as rolloutDefaults } from '../../src/rollout/settings';
import type { JobStore } from '../../src/rollout/store';
import type { Surroundings } from './ours';
import { happenings } from './plan';
import { Witness } from './witness';

/** Jobs, heard by a witness. */
class HeardJobs extends Jobs {
  readonly #hear: (job: Job, order: Order) => void;

  constructor(hear: (job: Job, order: Order) => void) {
    super(() => undefined);
    this.#hear = hear;
  }

  override begin(job: Job, order: Order, file?: JobFile): void {
    this.#hear(job, order);
    super.begin(job, order, file);
  }
}

/** A broker node, and the nodes that use it. */
interface Side {
  readonly broker: HomieBroker;
  readonly jobs: { readonly ota: Jobs; readonly config: Jobs };
  readonly actions: { readonly ota: OtaActions; readonly config: ConfigActions };
  /** Listeners at the broker before the nodes. */
  readonly listeners: number;
}

/** The names by which broker nodes know one broker. */
const HOSTS = ['127.0.0.1', 'localhost'] as const;

/** The nodes of one process, from a deploy to the next. */
export class Deployment {
  readonly #sides: readonly Side[];
  readonly #around: Surroundings;
  readonly #changed: () => void;
  isAlive = true;

  /** @param ports of the broker, one for each broker node */
  constructor(ports: readonly number[], store: JobStore, around: Surroundings, changed: () => void) {
    this.#around = around;
    this.#changed = changed;
    this.#sides = ports.map((port, index) => this.#make(port, index, store));
  }

  /** @param via which of the broker nodes */
  actions(via: number): Side['actions'] {
    const side = this.#sides[via] ?? this.#sides[0];
    if (side === undefined) throw new Error('There is no broker node');
    return side.actions;
  }

  /** All nodes that take messages. */
  get nodes(): readonly (OtaActions | ConfigActions)[] {
    return this.#sides.flatMap(({ actions }) => [actions.ota, actions.config]);
  }

  get open(): Job[] {
    return this.#sides.flatMap(({ jobs }) => [...jobs.ota.desk.open, ...jobs.config.desk.open]);
  }

  async close(): Promise<string[]> {
    await Promise.all(this.nodes.map((node) => node.close(false)));
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
      baseTopic: 'homie/',
      keepalive: 1,
      connectTimeout: 2000,
      reconnect: home.plan.reconnect,
    });
    const listeners = count(broker);
    broker.on('settled', () => this.isAlive && moments.tell('settled'));
    const hear = (job: Job, order: Order): void => this.#hear(job, order);
    const jobs = { ota: new HeardJobs(hear), config: new HeardJobs(hear) };
    const around = { link: { broker }, store, history: store.history, reply: (kept: object) => outbox(kept) };
    const suffix = index === 0 ? '' : ` ${index + 1}`;
    const actions = {
      ota: new OtaActions(
        { ota: otaDefaults, rollout: rolloutDefaults, devices: () => ({ devices: async () => [] }) },
        { ...around, jobs: jobs.ota, node: `ota${suffix}` },
      ),
      config: new ConfigActions(
        { config: configDefaults, rollout: rolloutDefaults, devices: async () => [] },
        { ...around, jobs: jobs.config, node: `config${suffix}` },
      ),
    };
    broker.start();
    actions.ota.start();
    actions.config.start();
    return { broker, jobs, actions, listeners };
  }

  #hear(job: Job, order: Order): void {
    const { home, see, moments } = this.#around;
    const witness = new Witness(
      order.identity,
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
      this.#changed();
    });
    job.on('result', (update) => witness.result(update));
    job.on('rest', this.#changed);
    this.#changed();
  }
}

/** Listeners at a broker, of those that come and go with the nodes. */
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

/** @param tell told of the job that answers */
export function outbox(kept: object, tell: (job: string) => void = () => undefined): Outbox {
  const told = new Set<string>();
  return new Outbox(
    { ...kept, _msgid: '' },
    (msg) => structuredClone(msg),
    (messages) => {
      for (const message of messages) {
        const { job }: { job?: unknown } = Object(message?.payload);
        if (typeof job !== 'string' || told.has(job)) continue;
        told.add(job);
        tell(job);
      }
    },
  );
}
