import assert from 'node:assert/strict';
import { check } from '../../src/ota/check';
import { firmwareTopic } from '../../src/homie/topics';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { codeOf, Lab, next, patient, raw, running } from './lab';

describeWithBrokers('a firmware message that is retained', (start) => {
  let broker: TestBroker;

  before(async () => {
    broker = await start();
  });
  after(() => broker.stop());

  it('is named as the cause when it flashes the device back after an update', async () => {
    const lab = await Lab.open(broker.url);
    try {
      const { info } = await raw(running);
      const topic = firmwareTopic('homie/', lab.device.id, info.md5);
      await lab.broker.connection.publish(topic, running, { qos: 1, retain: true, timeout: 5_000 });
      const { outcome } = await lab.bring(await raw(next));
      assert.equal(codeOf(outcome), 'RETAINED_FIRMWARE');
      assert.ok(outcome.state === 'failed');
      assert.ok(outcome.error.message.includes(topic));
      assert.ok(outcome.error.hint.includes(topic));
    } finally {
      await lab.close();
    }
  });

  it('is cleared on request, so that the next update lasts', async () => {
    const lab = await Lab.open(broker.url);
    try {
      const { info } = await raw(running);
      const topic = firmwareTopic('homie/', lab.device.id, info.md5);
      await lab.broker.connection.publish(topic, running, { qos: 1, retain: true, timeout: 5_000 });
      const first = await lab.bring(await raw(next), { clearRetained: true });
      assert.equal(codeOf(first.outcome), 'RETAINED_FIRMWARE');
      assert.ok(first.outcome.state === 'failed');
      assert.match(first.outcome.error.message, /has been cleared/);
      const second = await lab.bring(await raw(next));
      assert.equal(codeOf(second.outcome), 'succeeded');
    } finally {
      await lab.close();
    }
  });

  it('is not named when there is none and the device comes back with its old firmware', async () => {
    const lab = await Lab.open(broker.url, { misbehaviour: { comesBackWith: running } });
    try {
      const { outcome } = await lab.bring(await raw(next));
      assert.equal(codeOf(outcome), 'OLD_FIRMWARE');
    } finally {
      await lab.close();
    }
  });

  it('is named although the device says for a while that it runs the new firmware', async () => {
    // Longer than the statistics of a device are waited for.
    const lab = await Lab.open(broker.url, { flashDelay: 500 });
    try {
      const { info } = await raw(running);
      const topic = firmwareTopic('homie/', lab.device.id, info.md5);
      await lab.broker.connection.publish(topic, running, { qos: 1, retain: true, timeout: 5_000 });
      const { outcome } = await lab.bring(await raw(next), { stall: 30_000 });
      assert.equal(codeOf(outcome), 'RETAINED_FIRMWARE');
      assert.ok(outcome.state === 'failed');
      assert.ok(outcome.error.message.includes(topic));
    } finally {
      await lab.close();
    }
  });

  it('is told with the success where it is of the image that was sent', async () => {
    const lab = await Lab.open(broker.url);
    try {
      const image = await raw(next);
      const topic = firmwareTopic('homie/', lab.device.id, image.info.md5);
      lab.device.on('status', (status) => {
        if (status !== '200') return;
        void lab.broker.connection.publish(topic, next, { qos: 1, retain: true, timeout: 5_000 });
      });
      const { outcome } = await lab.bring(image);
      assert.equal(outcome.state, 'succeeded');
      assert.ok('hint' in outcome && outcome.hint?.includes(topic));
    } finally {
      await lab.close();
    }
  });

  it('is told by a check of devices that are named', async () => {
    const lab = await Lab.open(broker.url);
    try {
      const { info } = await raw(running);
      const topic = firmwareTopic('homie/', lab.device.id, info.md5);
      const choice = { devices: [lab.device.id] };
      const [before] = (await check(lab.broker, await raw(next), choice, patient)).devices;
      assert.deepEqual([before?.verdict, before?.retained], ['update', undefined]);
      await lab.broker.connection.publish(topic, running, { qos: 1, retain: true, timeout: 5_000 });
      const [found] = (await check(lab.broker, await raw(next), choice, patient)).devices;
      assert.deepEqual([found?.verdict, found?.retained], ['update', topic]);
      assert.ok(found?.reason.includes(topic));
    } finally {
      await lab.close();
    }
  });
});
