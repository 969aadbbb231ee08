import assert from 'node:assert/strict';
import { once } from 'node:events';
import { HomieBroker } from '../../src/homie/broker';
import type { Update } from '../../src/update/update';
import { OtaJob } from '../../src/rollout/ota-job';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { buildEsp32Image, buildEsp8266Image } from '../support/images';
import { HANG_LIMIT } from '../support/limits';
import { codeOf, Lab, next, patient, raw, running, sequential } from './lab';

describeWithBrokers('before anything is sent', (start) => {
  let broker: TestBroker;
  let lab: Lab;

  before(async () => {
    broker = await start();
  });
  beforeEach(async () => {
    lab = await Lab.open(broker.url);
  });
  afterEach(async () => {
    // In these tests nothing may reach the device.
    assert.deepEqual(lab.device.received, []);
    await lab.close();
  });
  after(() => broker.stop());

  /** Returns the result of a job that waits for at most `expires` ms. */
  const waitFor = async (
    device: string,
    expires: number,
    use: HomieBroker = lab.broker,
    watch: (job: OtaJob) => void = () => undefined,
  ): Promise<Update | undefined> => {
    const job = new OtaJob(
      { broker: use, firmware: await raw(next), choice: { devices: [device] }, settings: patient },
      { ...sequential, expires },
    );
    watch(job);
    return (await job.run()).devices[0];
  };

  it('gives up at once on a device that is not there when expires is 0', async () => {
    await lab.lose();
    const update = await waitFor(lab.device.id, 0);
    assert.equal(update?.state, 'timed_out');
    assert.equal(update.error?.code, 'DEVICE_OFFLINE');
  });

  it('says that nothing was ever seen of a device', async () => {
    const update = await waitFor('never-seen', 0);
    assert.equal(update?.error?.code, 'DEVICE_UNKNOWN');
  });

  it('says why there is no connection to the broker', async () => {
    const nobody = new HomieBroker({ url: 'mqtt://127.0.0.1:1', protocolVersion: 4, baseTopic: 'homie/' });
    nobody.start();
    try {
      const update = await waitFor(lab.device.id, 100, nobody);
      assert.equal(update?.state, 'timed_out');
      assert.equal(update.error?.code, 'NOT_CONNECTED');
      assert.match(update.error.message, /cannot be reached/);
    } finally {
      await nobody.close();
    }
  });

  it('says what a device that is ready has not published', async () => {
    const { connection } = lab.broker;
    await connection.publish('homie/half-known/$state', 'ready', { qos: 1, timeout: HANG_LIMIT });
    await connection.publish('homie/half-known/$fw/name', 'my-light', { qos: 1, timeout: HANG_LIMIT });
    const update = await waitFor('half-known', 200);
    assert.equal(update?.error?.code, 'FACTS_MISSING');
    assert.match(update.error.message, /\$fw\/checksum/);
  });

  it('cancels at once what waits for the device', async () => {
    await lab.lose();
    const update = await waitFor(lab.device.id, 10_000, lab.broker, (job) =>
      job.once('progress', ({ state }) => state === 'waiting' && setImmediate(() => job.cancel())),
    );
    assert.equal(update?.state, 'canceled');
  });

  const refusals: [title: string, code: string, image: Buffer, changes: Parameters<typeof raw>[1]][] = [
    ['an image without the Homie signature', 'NOT_HOMIE', next, { homie: false }],
    ['an image for another chip', 'WRONG_CHIP', buildEsp32Image(), { family: 'esp32', chip: 'esp32' }],
    ['another firmware', 'WRONG_FIRMWARE', buildEsp8266Image({ name: 'other' }), { name: 'other' }],
  ];
  for (const [title, code, image, changes] of refusals) {
    it(`refuses ${title}`, async () => {
      const { outcome } = await lab.bring(await raw(image, changes));
      assert.equal(outcome.state, 'rejected');
      assert.equal(codeOf(outcome), code);
    });
  }

  it('skips an image with a lower version', async () => {
    const { outcome } = await lab.bring(await raw(next, { version: '0.9.0' }));
    assert.equal(codeOf(outcome), 'older');
  });

  it('skips an image that the device runs with another flash mode', async () => {
    const patched = Buffer.from(running);
    patched[2] = (patched[2] ?? 0) ^ 1;
    const { outcome } = await lab.bring(await raw(patched));
    assert.equal(codeOf(outcome), 'up_to_date');
  });

  it('refuses a device that waits for the reboot of another updater', async () => {
    const seen = once(lab.broker.registry, 'event');
    await lab.broker.connection.publish(`homie/${lab.device.id}/$implementation/ota/status`, '200', {
      qos: 1,
      timeout: HANG_LIMIT,
    });
    await seen;
    const { outcome } = await lab.bring(await raw(next));
    assert.equal(codeOf(outcome), 'REBOOT_PENDING');
  });

  it('refuses a device that another updater is at work on', async () => {
    const seen = once(lab.broker.registry, 'event');
    await lab.broker.connection.publish(`homie/${lab.device.id}/$implementation/ota/status`, '206 1000/2000', {
      qos: 1,
      timeout: HANG_LIMIT,
    });
    await seen;
    const { outcome } = await lab.bring(await raw(next));
    assert.equal(codeOf(outcome), 'ANOTHER_UPDATER');
  });
});

describeWithBrokers('topics that a device cannot receive', (start) => {
  it('are refused', async () => {
    const broker = await start();
    // 48 and 20 characters: the longest base topic that the firmware accepts, and an id that is one character too long.
    const lab = await Lab.open(broker.url, { baseTopic: `${'b'.repeat(47)}/`, id: 'a-device-with-a-name' });
    try {
      const { outcome } = await lab.bring(await raw(next));
      assert.equal(codeOf(outcome), 'TOPIC_TOO_LONG');
    } finally {
      await lab.close();
      await broker.stop();
    }
  });
});
