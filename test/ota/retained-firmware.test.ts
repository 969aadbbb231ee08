import assert from 'node:assert/strict';
import { check } from '../../src/ota/check';
import { firmwareTopic } from '../../src/homie/topics';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { HANG_LIMIT } from '../support/limits';
import { codeOf, expiring, next, patient, raw, running, type Lab, withLab } from './lab';

describeWithBrokers('a retained firmware message', (start) => {
  let broker: TestBroker;

  before(async () => {
    broker = await start();
  });
  after(() => broker.stop());

  const topicOf = async ({ device }: Lab, image: Buffer): Promise<string> =>
    firmwareTopic('homie/', device.id, (await raw(image)).info.md5);
  const retained = { qos: 1, retain: true, timeout: 5_000 } as const;
  /** Publishes a retained image to the device. @returns the topic */
  const retain = async (lab: Lab, image: Buffer): Promise<string> => {
    const topic = await topicOf(lab, image);
    await lab.broker.connection.publish(topic, image, retained);
    return topic;
  };

  it('is named as the cause when it flashes the device back after an update', () =>
    withLab(broker.url, {}, async (lab) => {
      const topic = await retain(lab, running);
      const { outcome } = await lab.bring(await raw(next));
      assert.equal(codeOf(outcome), 'RETAINED_FIRMWARE');
      assert.ok(outcome.state === 'failed');
      assert.ok(outcome.error.message.includes(topic));
      assert.ok(outcome.error.hint.includes(topic));
    }));

  it('is cleared on request, so that the next update lasts', () =>
    withLab(broker.url, {}, async (lab) => {
      await retain(lab, running);
      const first = await lab.bring(await raw(next), { clearRetained: true });
      assert.equal(codeOf(first.outcome), 'RETAINED_FIRMWARE');
      assert.ok(first.outcome.state === 'failed');
      assert.match(first.outcome.error.message, /has been cleared/);
      const second = await lab.bring(await raw(next));
      assert.equal(codeOf(second.outcome), 'succeeded');
    }));

  it('is not named when there is none and the device comes back with its old firmware', () =>
    withLab(broker.url, { misbehavior: { comesBackWith: running } }, async (lab) => {
      const { outcome } = await lab.bring(await raw(next));
      assert.equal(codeOf(outcome), 'OLD_FIRMWARE');
    }));

  it('is named as the cause although the device reports the new firmware for a while', () =>
    // The flash takes longer than we wait for the statistics of a device.
    withLab(broker.url, { flashDelay: 500 }, async (lab) => {
      const topic = await retain(lab, running);
      const { outcome } = await lab.bring(await raw(next), { ...expiring, stall: HANG_LIMIT });
      assert.equal(codeOf(outcome), 'RETAINED_FIRMWARE');
      assert.ok(outcome.state === 'failed');
      assert.ok(outcome.error.message.includes(topic));
    }));

  it('is reported with a success if it holds the image that was sent', () =>
    withLab(broker.url, {}, async (lab) => {
      const topic = await topicOf(lab, next);
      lab.device.on('status', (status) => {
        // The device reconnects a moment later.
        if (status === '200') void lab.broker.connection.publish(topic, next, retained);
      });
      const { outcome } = await lab.bring(await raw(next));
      assert.equal(outcome.state, 'succeeded');
      assert.ok('hint' in outcome && outcome.hint?.includes(topic));
    }));

  for (const [when, flashDelay] of [
    ['before the device is ready', 0],
    ['after the device is ready', 500],
  ] as const) {
    it(`is named as the cause if the device installs the image that was sent again and again, ${when}`, () =>
      withLab(broker.url, { flashDelay }, async (lab) => {
        // The device keeps its own flash mode, so that its firmware has another MD5 than the image.
        const image = Buffer.from(next);
        image[2] = (image[2] ?? 0) + 1;
        const topic = await topicOf(lab, image);
        lab.device.on('status', (status) => {
          if (status === '200') void lab.broker.connection.publish(topic, image, retained);
        });
        const { outcome } = await lab.bring(await raw(image), { ...expiring, stall: HANG_LIMIT });
        assert.equal(codeOf(outcome), 'RETAINED_FIRMWARE');
        assert.ok(outcome.state === 'failed');
        assert.match(outcome.error.message, /installed again each time/);
      }));
  }

  it('is reported by a check of named devices', () =>
    withLab(broker.url, {}, async (lab) => {
      const choice = { devices: [lab.device.id] };
      const [before] = (await check(lab.broker, await raw(next), choice, patient)).devices;
      assert.deepEqual([before?.verdict, before?.retained], ['update', undefined]);
      const topic = await retain(lab, running);
      const [found] = (await check(lab.broker, await raw(next), choice, patient)).devices;
      assert.deepEqual([found?.verdict, found?.retained], ['update', topic]);
      assert.ok(found?.reason.includes(topic));
    }));
});
