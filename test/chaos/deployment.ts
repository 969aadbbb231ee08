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

/** The nodes of one process, from a deploy to the next. */
export class Deployment {
  readonly broker: HomieBroker;
  readonly jobs: { ota: Jobs; config: Jobs };
  readonly actions: { ota: OtaActions; config: ConfigActions };
  readonly #listeners: number;
  isAlive = true;

  constructor(port: number, store: JobStore, { home, see, moments }: Surroundings, changed: () => void) {
    this.broker = new HomieBroker({
      url: `mqtt://127.0.0.1:${port}`,
      protocolVersion: home.plan.protocolVersion,
      baseTopic: 'homie/',
      keepalive: 1,
      connectTimeout: 2000,
      reconnect: { min: 20, max: 200 },
    });
    this.#listeners = this.#count();
    this.broker.on('settled', () => this.isAlive && moments.tell('settled'));
    const hear = (job: Job, order: Order): void => {
      const witness = new Witness(order.identity, (seen) => {
        if (!this.isAlive) return;
        see(seen);
        if (seen.kind === 'verdict') moments.tell('result');
      });
      job.on('progress', (update) => {
        witness.progress(update);
        changed();
      });
      job.on('result', (update) => witness.result(update));
      job.on('rest', changed);
      changed();
    };
    this.jobs = { ota: new HeardJobs(hear), config: new HeardJobs(hear) };
    const around = {
      link: { broker: this.broker },
      store,
      history: store.history,
      reply: (kept: object) => outbox(kept),
    };
    this.actions = {
      ota: new OtaActions(
        { ota: otaDefaults, rollout: rolloutDefaults, devices: () => ({ devices: async () => [] }) },
        { ...around, jobs: this.jobs.ota, node: 'ota' },
      ),
      config: new ConfigActions(
        { config: configDefaults, rollout: rolloutDefaults, devices: async () => [] },
        { ...around, jobs: this.jobs.config, node: 'config' },
      ),
    };
    this.broker.start();
    this.actions.ota.start();
    this.actions.config.start();
  }

  get open(): Job[] {
    return [...this.jobs.ota.desk.open, ...this.jobs.config.desk.open];
  }

  async close(): Promise<string[]> {
    await Promise.all([this.actions.ota.close(false), this.actions.config.close(false)]);
    await this.broker.close();
    const more = this.#count() - this.#listeners - 1;
    return more === 0 ? [] : [`${more} listeners at the broker`];
  }

  #count(): number {
    const { registry, connection } = this.broker;
    const emitters = [
      [this.broker, ['status', 'settled']],
      [registry, ['event', 'gone']],
      [connection, ['status', 'subscribed', 'message']],
    ] as const;
    return emitters.reduce(
      (sum, [emitter, names]) =>
        sum + names.reduce((each, name) => each + EventEmitter.prototype.listenerCount.call(emitter, name), 0),
      0,
    );
  }
}

export function outbox(kept: object): Outbox {
  return new Outbox(
    { ...kept, _msgid: '' },
    (msg) => structuredClone(msg),
    () => undefined,
  );
}
