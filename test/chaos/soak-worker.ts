import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readPatch } from '../../src/config/patch';
import { configDefaults } from '../../src/config/settings';
import { Firmware } from '../../src/firmware/firmware';
import { HomieBroker } from '../../src/homie/broker';
import { otaDefaults } from '../../src/ota/settings';
import { rolloutDefaults } from '../../src/rollout/settings';
import { configWork } from '../../src/rollout/config-work';
import { otaWork } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import { JobStore } from '../../src/rollout/store/job-store';
import type { Work } from '../../src/rollout/work';
import { image } from './images';

/** Number of updates or configuration changes. */
const ALL = 500;
const EVERY = 50;

export interface SoakOrder {
  readonly url: string;
  readonly devices: number;
  readonly brings: 'image' | 'patch';
}

export interface Sample {
  readonly done: number;
  readonly succeeded: number;
  /** Bytes. */
  readonly heap: number;
}

/** Updates or changes all devices again and again, and reports the heap of this process to the parent. */
process.on('message', (order: SoakOrder) => {
  void work(order).finally(() => process.disconnect());
});

async function work({ url, devices, brings }: SoakOrder): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'soak-'));
  const broker = new HomieBroker({ url, protocolVersion: 'auto', baseTopic: 'homie/' });
  const store = new JobStore(folder, (error) => {
    throw error;
  });
  let succeeded = 0;
  const queue = Queue.of(broker);
  const rollout = { ...rolloutDefaults, concurrency: devices, canary: 0 };
  const chosen = ['soak-*'];
  queue.use(store);
  const around = { broker, store };
  const next = async (done: number): Promise<Work> => {
    if (brings === 'patch') {
      const patch = readPatch({ name: `Soak ${done}` });
      return configWork({ patch, devices: chosen, settings: configDefaults, rollout }, around);
    }
    const bytes = image(done % (2 * devices) === 0 ? 'next' : 'running', 'esp8266', 40_000);
    const settings = { ...otaDefaults, allowDowngrade: true };
    return otaWork(await Firmware.from(bytes), { choice: { devices: chosen }, settings, rollout }, around);
  };
  broker.start();
  await broker.settled();
  for (let done = 0; done < ALL;) {
    const { job, run } = await queue.ask({ node: 'soak', store }, await next(done), {});
    job.on('result', ({ state }) => {
      if (state === 'succeeded') succeeded += 1;
    });
    await run();
    done += devices;
    if (done % EVERY !== 0) continue;
    const sample: Sample = { done, succeeded, heap: await heap() };
    process.send?.(sample);
  }
  await queue.leave('soak', false);
  await store.close();
  await broker.close();
  await rm(folder, { recursive: true, force: true });
}

/** Returns the used heap after a garbage collection, in bytes. */
async function heap(): Promise<number> {
  for (let times = 0; times < 3; times += 1) {
    await new Promise(setImmediate);
    globalThis.gc?.();
  }
  return process.memoryUsage().heapUsed;
}
