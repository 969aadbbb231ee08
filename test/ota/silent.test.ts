import assert from 'node:assert/strict';
import type { Outcome } from '../../src/update/update';
import type { OtaSettings } from '../../src/ota/settings';
import type { DeviceOptions } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { buildEsp8266Image } from '../support/images';
import { codeOf, Lab, next, raw } from './lab';

/** For its size, the exchange waits 5 s in addition to `accepted`. */
const small = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 40_000, seed: 4 });

/** For its size, the exchange waits 2 s in addition to `accepted`. */
const tiny = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 16_000, seed: 5 });

/** The result of an exchange with a device that receives silently. */
interface Silent {
  readonly lab: Lab;
  readonly outcome: Outcome;
  readonly late: Promise<Outcome | undefined> | undefined;
  readonly abandon: AbortController;
}

describeWithBrokers('a device that takes an image right after its ready, and says nothing of it', (start) => {
  let broker: TestBroker;
  before(async () => (broker = await start()));
  after(() => broker.stop());

  const withSilent = async (
    options: Partial<DeviceOptions>,
    image: Buffer,
    settings: Partial<OtaSettings>,
    test: (silent: Silent) => Promise<void>,
  ): Promise<void> => {
    const lab = await Lab.open(broker.url, { mqttClient: '0.9.0', settling: 60_000, ...options });
    const abandon = new AbortController();
    try {
      let late: Promise<Outcome | undefined> | undefined;
      const watchOn = (promise: Promise<Outcome | undefined>): void => {
        late = promise;
      };
      const { outcome } = await lab.bring(await raw(image), settings, { watchOn, abandon: abandon.signal });
      await test({ lab, outcome, late, abandon });
      assert.deepEqual(lab.device.patches, [], 'it was restarted');
      assert.equal(lab.device.images.length, 1);
    } finally {
      abandon.abort();
      await lab.close();
    }
  };

  it('is given the time to receive and flash it', () =>
    withSilent({ flashDelay: 150 }, next, { accepted: 300 }, async ({ lab, outcome, late }) => {
      assert.deepEqual(outcome, { state: 'succeeded', reboot: 'proven' });
      assert.ok(lab.device.image.equals(next));
      assert.equal(late, undefined);
    }));

  it('is asked when that time is over, and told to have failed as it says then', () =>
    withSilent(
      { flashDelay: 5_500, misbehavior: { failWriteAt: 8_000 } },
      tiny,
      // We ask the device after 5 s, and it answers when it has flashed a sector.
      { accepted: 3_000 },
      async ({ lab, outcome, late }) => {
        assert.equal(codeOf(outcome), 'FLASH_ERROR');
        assert.equal(lab.isPending, false);
        assert.equal(late, undefined);
      },
    ));

  it('is not restarted while it may be receiving, stays locked, and is told late to run it', () =>
    withSilent({ flashDelay: 800 }, small, { accepted: 300 }, async ({ lab, outcome, late }) => {
      assert.equal(codeOf(outcome), 'NOT_ACCEPTED');
      assert.equal(lab.isPending, true);
      assert.deepEqual(await late, { state: 'succeeded', reboot: 'proven' });
      assert.ok(lab.device.image.equals(small));
      assert.equal(lab.isPending, false);
    }));

  it('is watched no longer when that is abandoned', () =>
    withSilent({ flashDelay: 800 }, small, { accepted: 300 }, async ({ outcome, late, abandon }) => {
      assert.equal(codeOf(outcome), 'NOT_ACCEPTED');
      assert.ok(late);
      abandon.abort();
      assert.equal(await late, undefined);
    }));

  it('is not told late to run it where it comes back with the old firmware', () =>
    withSilent({ flashDelay: 800 }, small, { accepted: 300 }, async ({ lab, outcome, late }) => {
      assert.equal(codeOf(outcome), 'NOT_ACCEPTED');
      await lab.device.restart();
      assert.equal(await late, undefined);
      assert.equal(lab.isPending, false);
    }));
});
