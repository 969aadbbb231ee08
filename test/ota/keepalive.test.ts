import assert from 'node:assert/strict';
import { endedByClient, sentStatus, type Sendings } from '../../src/ota/keepalive';
import { startAedes } from '../support/aedes';
import { buildEsp8266Image } from '../support/images';
import { codeOf, Lab, raw } from './lab';

/** Returns the sendings of a device whose statuses arrived at these times, in ms. */
function sendings(first: number, ...others: number[]): Sendings {
  return others.reduce(sentStatus, sentStatus(undefined, first));
}

describe('a connection that the device ends in a transfer', () => {
  it('was ended by its MQTT client when the answer to its ping cannot have come, as in the recording ota_slow_600', () => {
    assert.equal(endedByClient(sendings(654, 21_656), 41_497), 41);
  });

  it('was ended by its MQTT client also where the ping had gone out just before the image', () => {
    assert.equal(endedByClient(sendings(0), 30_000), 30);
  });

  it('was ended by its MQTT client later where the statuses came too often for a ping', () => {
    assert.equal(endedByClient(sendings(0, 9_000, 18_000, 27_000, 60_000), 69_000), 69);
    assert.equal(endedByClient(sendings(0, 9_000, 18_000, 27_000), 41_000), undefined);
  });

  it('may have ended for another reason where that was too early, or too late', () => {
    assert.equal(endedByClient(sendings(0), 20_000), undefined);
    assert.equal(endedByClient(sendings(0, 20_000), 55_000), undefined);
  });
});

describe('a transfer that takes too long for the MQTT client of the device', () => {
  it('fails with a text that says so, and with no word of power', async () => {
    const broker = await startAedes();
    // 30 sectors take 39 s. The client gives up after 2.7 times its keepalive, 30 s.
    const lab = await Lab.open(broker.url, { keepalive: 11, flashDelay: 1300, segment: 536 });
    try {
      const slow = await raw(buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 120_000, seed: 2 }));
      const { outcome } = await lab.bring(slow, { attempts: 1, stall: 60_000 });
      assert.equal(codeOf(outcome), 'LOST_IN_TRANSFER');
      assert.ok(outcome.state === 'failed');
      const { message, hint } = outcome.error;
      assert.match(
        message,
        /itself closed its connection about (29|3\d) s into the transfer.* too long for its MQTT client/,
      );
      assert.match(hint, /Wi-Fi signal.*smaller.*MQTT client/);
      assert.doesNotMatch(message + hint, /power/i);
      assert.equal(lab.broker.locks.isRebootPending(lab.device.id), false);
    } finally {
      await lab.close();
      await broker.close();
    }
  });

  it('leaves no device in the middle that is silent for longer than is waited for', async () => {
    const broker = await startAedes();
    const lab = await Lab.open(broker.url, { keepalive: 1, flashDelay: 250, segment: 536 });
    try {
      const slow = await raw(buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 64_000, seed: 2 }));
      const { outcome } = await lab.bring(slow, { attempts: 1, accepted: 700, stall: 700 });
      assert.equal(codeOf(outcome), 'LOST_IN_TRANSFER');
      assert.equal(lab.broker.locks.isRebootPending(lab.device.id), false);
    } finally {
      await lab.close();
      await broker.close();
    }
  });
});
