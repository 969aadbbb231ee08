import assert from 'node:assert/strict';
import { Firmware } from '../../src/firmware/firmware';
import { HomieBroker } from '../../src/homie/broker';
import { jobCommands } from '../../src/rollout/job-commands';
import { JobDevices } from '../../src/rollout/job-devices';
import { otaWork } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import { type Answer } from '../../src/rollout/request';
import { next, patient, sequential } from '../ota/lab';
import { untilTrue } from '../support/until-true';

/** Counts how often `work` iterates over all devices of a job. */
async function walks(work: () => Promise<unknown>): Promise<number> {
  const all = Object.getOwnPropertyDescriptor(JobDevices.prototype, 'all');
  let count = 0;
  Object.defineProperty(JobDevices.prototype, 'all', {
    configurable: true,
    get(): unknown {
      count += 1;
      return all?.get?.call(this);
    },
  });
  try {
    await work();
  } finally {
    Object.defineProperty(JobDevices.prototype, 'all', { ...all });
  }
  return count;
}

describe('a job with hundreds of devices', () => {
  const devices = Array.from({ length: 400 }, (_none, index) => `lamp-${index}`);

  it('goes through its devices a few times, and not for each of them, when a pattern cancels them', async () => {
    const broker = new HomieBroker({ url: 'mqtt://nowhere', protocolVersion: 'auto', baseTopic: 'homie/' });
    const { queue, job, run } = await ask(broker, devices, 60_000);
    const ended = run();
    await untilTrue(job, 'progress', () => job.summary().counts.waiting === devices.length);
    assert.ok((await walks(async () => jobCommands.cancel(queue, 'node', { devices: ['lamp-*'] }))) < 10);
    assert.deepEqual((await ended).counts, { canceled: devices.length });
  });

  it('goes through its devices only a few times on retry, even if nobody asked for them by name', async () => {
    const broker = new HomieBroker({ url: 'mqtt://nowhere', protocolVersion: 'auto', baseTopic: 'homie/' });
    const { queue, job } = await ask(broker, [], 0);
    assert.deepEqual((await job.run(() => async () => devices)).counts, { timed_out: devices.length });
    const count = await walks(async () => jobCommands.retry(queue, 'node', { devices: ['lamp-*'] }));
    assert.equal(job.summary().counts.timed_out ?? 0, 0);
    assert.ok(count < 10, `${count} times`);
    job.close();
  });
});

async function ask(
  broker: HomieBroker,
  devices: readonly string[],
  expires: number,
): Promise<Answer & { readonly queue: Queue }> {
  const wish = { choice: { devices }, settings: patient, rollout: { ...sequential, expires } };
  const work = otaWork(await Firmware.from(next), wish, { broker });
  const queue = Queue.of(broker);
  return { queue, ...(await queue.ask({ node: 'node', store: undefined }, work, {})) };
}
