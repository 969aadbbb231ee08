import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Firmware } from '../../src/firmware/firmware';
import { HomieBroker } from '../../src/homie/broker';
import { defaultSettings } from '../../src/ota/settings';
import { defaultSettings as rolloutDefaults } from '../../src/rollout/settings';
import { otaWork } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import { JobStore } from '../../src/rollout/store/job-store';
import { image } from './images';

const UPDATES = 500;
const EVERY = 100;

export interface SoakOrder {
  readonly url: string;
  readonly devices: number;
}

export interface Sample {
  readonly updates: number;
  readonly succeeded: number;
  /** Bytes. */
  readonly heap: number;
}

/** Updates all devices again and again, and reports the heap of this process to the parent. */
process.on('message', (order: SoakOrder) => {
  void work(order).finally(() => process.disconnect());
});

async function work({ url, devices }: SoakOrder): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'soak-'));
  const broker = new HomieBroker({ url, protocolVersion: 'auto', baseTopic: 'homie/' });
  const store = new JobStore(folder, (error) => {
    throw error;
  });
  let succeeded = 0;
  const queue = Queue.of(broker);
  const wish = {
    choice: { devices: ['soak-*'] },
    settings: { ...defaultSettings, allowDowngrade: true },
    rollout: { ...rolloutDefaults, concurrency: devices, canary: 0 },
  };
  broker.start();
  await broker.settled();
  for (let updates = 0; updates < UPDATES;) {
    const bytes = image(updates % (2 * devices) === 0 ? 'next' : 'running', 'esp8266', 40_000);
    const update = otaWork(await Firmware.from(bytes), wish, { broker, history: store.history, store });
    const { job, run } = await queue.ask({ node: 'soak', store }, update, {});
    job.on('result', ({ state }) => {
      if (state === 'succeeded') succeeded += 1;
    });
    await run();
    updates += devices;
    if (updates % EVERY !== 0) continue;
    const sample: Sample = { updates, succeeded, heap: await heap() };
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
