import assert from 'node:assert/strict';
import type { Change } from '../../src/update/update';
import type { SimulatedDevice } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { codeOf, Lab, next, raw } from './lab';

const phases = ['sending', 'accepted', 'flashing', 'rebooting', 'verifying'] as const;

const mishaps: Record<string, (device: SimulatedDevice) => void> = {
  'loses its connection': (device) => device.dropConnection(),
  // A restart in the middle of a reboot may reject: nothing can become ready then.
  'is restarted': (device) => void device.restart().catch(() => undefined),
};

describeWithBrokers('a device to which something happens meanwhile', (start) => {
  let broker: TestBroker;
  before(async () => (broker = await start()));
  after(() => broker?.stop());

  for (const [mishap, strike] of Object.entries(mishaps)) {
    for (const moment of phases) {
      it(`runs the image in the end when it ${mishap} while ${moment}`, async () => {
        const lab = await Lab.open(broker.url, { flashDelay: 10, bootDelay: 200, segment: 536 });
        try {
          let struck = false;
          const onChange = ({ phase }: Change): void => {
            if (phase !== moment || struck) return;
            struck = true;
            strike(lab.device);
          };
          const { outcome, changes } = await lab.bring(await raw(next), {}, { onChange });
          assert.ok(struck);
          assert.equal(codeOf(outcome), 'succeeded');
          assert.ok(lab.device.image.equals(next));
          const transfers = new Set(changes.flatMap(({ attempt }) => attempt ?? [])).size;
          assert.ok(lab.device.images.length <= transfers);
          assert.equal(lab.broker.locks.isRebootPending(lab.device.id), false);
        } finally {
          await lab.close();
        }
      });
    }
  }
});
