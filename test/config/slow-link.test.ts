import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ConfigSettings } from '../../src/config/settings';
import type { Change, Outcome } from '../../src/update/update';
import { codeOf, Lab } from '../ota/lab';
import type { SimulatedDevice } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { HANG_LIMIT } from '../support/limits';
import { startProxy, type Proxy } from '../support/proxy';
import { bring, quick } from './lab';

describeWithBrokers('while a patch waits for its turn behind a firmware', (start) => {
  let server: TestBroker;
  before(async () => (server = await start()));
  after(() => server?.stop());

  const withLab = async (
    test: (lab: Lab, bringSlowly: BringSlowly) => Promise<void>,
    statsInterval = 60,
  ): Promise<void> => {
    const proxy = await startProxy(Number(new URL(server.url).port));
    const lab = await Lab.open(`mqtt://127.0.0.1:${proxy.port}`, { url: server.url, statsInterval });
    try {
      await test(lab, async (patch, meanwhile, { queue = 3, ...settings } = {}) => {
        proxy.limit(80_000);
        const other = lab.broker.connection.publish('other', Buffer.alloc(queue * 80_000), {
          qos: 1,
          timeout: HANG_LIMIT,
        });
        let done: Promise<unknown> | undefined;
        const onChange = ({ state }: Change): void => {
          if (state === 'running') done ??= meanwhile(lab.device, proxy);
        };
        const abandon = new AbortController();
        const { outcome, late } = await bring(lab, patch, settings, { abandon: abandon.signal, onChange });
        abandon.abort();
        await Promise.all([other, done, late]);
        return outcome;
      });
    } finally {
      await lab.close();
      await proxy.close();
    }
  };
  type BringSlowly = (
    patch: object,
    meanwhile: (device: SimulatedDevice, proxy: Proxy) => Promise<unknown>,
    /** `queue`: how long the firmware takes, in s. */
    settings?: Partial<ConfigSettings> & { queue?: number },
  ) => Promise<Outcome>;

  it('a restart of the device is not taken for the reboot after it', () =>
    withLab(async (lab, bringSlowly) => {
      const outcome = await bringSlowly({ name: 'New' }, (device) => device.restart(), {
        // Long enough for the device to restart, and for its next reboot to be told from that.
        queue: 8,
        sending: 20_000,
      });
      assert.equal(codeOf(outcome), 'succeeded');
      assert.deepEqual(lab.device.patches, ['{"name":"New"}']);
    }));

  it('a restart right before the one after it does not hide that, since the patch goes out in between', () =>
    withLab(async (lab, bringSlowly) => {
      const outcome = await bringSlowly(
        { name: 'New' },
        async (device, proxy) => {
          await device.restart();
          proxy.limit(10_000_000);
        },
        { ...quick, reboot: 2000 },
      );
      assert.equal(JSON.parse(lab.device.file).name, 'New');
      assert.equal(codeOf(outcome), 'succeeded');
    }));

  it('a reconnect of the device does not hide that it refuses the patch', () =>
    withLab(async (_lab, bringSlowly) => {
      const outcome = await bringSlowly(
        { settings: { percentage: 101 } },
        async (device) => {
          device.dropConnection();
          await once(device, 'ready');
        },
        { ...quick, received: 4000 },
      );
      assert.equal(codeOf(outcome), 'NOT_APPLIED');
    }, 1));
});
