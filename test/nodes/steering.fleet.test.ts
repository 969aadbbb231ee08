import assert from 'node:assert/strict';
import { once } from 'node:events';
import { steering } from '../../nodes/steering';
import { Firmware } from '../../src/firmware/firmware';
import { HomieBroker } from '../../src/homie/broker';
import { Desk } from '../../src/rollout/desk';
import { Ledger } from '../../src/rollout/ledger';
import { OtaJob } from '../../src/rollout/ota-job';
import { next, patient, sequential } from '../ota/lab';

/** How often all devices of a job are gone through while something is done. */
async function walks(work: () => Promise<unknown>): Promise<number> {
  const all = Object.getOwnPropertyDescriptor(Ledger.prototype, 'all');
  let count = 0;
  Object.defineProperty(Ledger.prototype, 'all', {
    configurable: true,
    value(...args: unknown[]): unknown {
      count += 1;
      return Reflect.apply(all?.value, this, args);
    },
  });
  try {
    await work();
  } finally {
    Object.defineProperty(Ledger.prototype, 'all', { ...all });
  }
  return count;
}

describe('a job with hundreds of devices', () => {
  const devices = Array.from({ length: 400 }, (_none, index) => `lamp-${index}`);

  it('goes through its devices a few times, and not for each of them, when a pattern cancels them', async () => {
    const broker = new HomieBroker({ url: 'mqtt://nowhere', protocolVersion: 'auto', baseTopic: 'homie/' });
    const input = { broker, firmware: await Firmware.from(next), choice: { devices }, settings: patient };
    const job = new OtaJob(input, { ...sequential, expires: 60_000 });
    const desk = new Desk();
    const order = { identity: 'image', forAll: false };
    desk.add(job, order);
    const ended = job.run((select) => desk.takingOver(order, select));
    while (job.summary().counts.waiting !== devices.length) await once(job, 'progress');
    assert.ok((await walks(async () => steering.cancel(desk, { device: 'lamp-*' }))) < 10);
    assert.deepEqual((await ended).counts, { canceled: devices.length });
  });

  it('goes through its devices only a few times on retry, even if nobody asked for them by name', async () => {
    const broker = new HomieBroker({ url: 'mqtt://nowhere', protocolVersion: 'auto', baseTopic: 'homie/' });
    const input = { broker, firmware: await Firmware.from(next), choice: { devices: [] }, settings: patient };
    const job = new OtaJob(input, { ...sequential, expires: 0 });
    const desk = new Desk();
    desk.add(job, { identity: 'image', forAll: false });
    assert.deepEqual((await job.admit(async () => devices)).counts, { timed_out: devices.length });
    const count = await walks(async () => steering.retry(desk, { device: 'lamp-*' }));
    assert.equal(job.summary().counts.timed_out ?? 0, 0);
    assert.ok(count < 10, `${count} times`);
    job.close();
  });
});
