import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connectAsync } from 'mqtt';
import type { Change } from '../../src/update/update';
import type { DeviceOptions, SimulatedDevice } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { buildEsp8266Image } from '../support/images';
import { HANG_LIMIT } from '../support/limits';
import { startProxy, type Proxy } from '../support/proxy';
import { codeOf, Lab, large, next, raw } from './lab';

const phases = ['sending', 'accepted', 'flashing', 'rebooting', 'verifying'] as const;

const mishaps: Record<string, (device: SimulatedDevice) => void> = {
  'loses its connection': (device) => device.dropConnection(),
  // A restart in the middle of a reboot may reject: nothing can become ready then.
  'is restarted': (device) => void device.restart().catch(() => undefined),
};

/** Runs a test with us connected through a proxy. */
async function withProxy(
  port: number,
  options: Partial<DeviceOptions>,
  test: (lab: Lab, proxy: Proxy) => Promise<void>,
): Promise<void> {
  const proxy = await startProxy(port);
  const lab = await Lab.open(`mqtt://127.0.0.1:${proxy.port}`, { url: `mqtt://127.0.0.1:${port}`, ...options });
  try {
    await test(lab, proxy);
  } finally {
    await lab.close();
    await proxy.close();
  }
}

describeWithBrokers('a device to which something happens meanwhile', (start) => {
  let broker: TestBroker;
  before(async () => (broker = await start()));
  after(() => broker?.stop());

  it('stays locked when it restarted before the broker had the image, and receives the image without a status', () =>
    withProxy(broker.port, { mqttClient: '0.9.0', settling: HANG_LIMIT, flashDelay: 1_000 }, async (lab, proxy) => {
      const restart = async (): Promise<void> => {
        proxy.stall();
        const ready = once(lab.device, 'ready');
        await lab.device.restart();
        await ready;
        proxy.flow();
      };
      let restarted: Promise<void> | undefined;
      const { outcome } = await lab.bring(
        await raw(buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 40_000, seed: 4 })),
        { accepted: 300, recoverReboot: false, reboot: 9_000 },
        {
          onChange: ({ phase }) => {
            if (phase === 'sending') restarted ??= restart();
          },
        },
      );
      await restarted;
      assert.equal(codeOf(outcome), 'NOT_ACCEPTED');
      assert.deepEqual([lab.device.images.length, lab.isPending], [1, true]);
    }));

  it('is sent an image once, although the rest of its answer to a question is late', async () => {
    const lab = await Lab.open(broker.url, { segment: 536, flashDelay: 100, misbehavior: { dropAt: 30_000 } });
    const client = await connectAsync(broker.url);
    try {
      await lab.cutOff(large);
      let late: string | undefined;
      const loseStatuses = (status: string): boolean => {
        if (late !== undefined || !status.startsWith('500 INTERNAL_ERROR 0')) return false;
        late = status;
        return true;
      };
      lab.device.misbehavior = { loseStatuses };
      const topic = `homie/${lab.device.id}/$implementation/ota/status`;
      const onChange = ({ phase }: Change): void => {
        if (phase === 'sending') void client.publishAsync(topic, String(late), { retain: true });
      };
      const { outcome } = await lab.bring(await raw(next), {}, { onChange });
      assert.ok(late !== undefined);
      assert.equal(codeOf(outcome), 'succeeded');
      assert.deepEqual([lab.device.patches.length, lab.isPending], [0, false]);
    } finally {
      await client.endAsync();
      await lab.close();
    }
  });

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
