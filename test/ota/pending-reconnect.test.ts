import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import type { DeviceOptions } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { startProxy, type Proxy } from '../support/proxy';
import { codeOf, expiring, Lab, large, next, raw, running } from './lab';

describe('a reboot that may be pending when our connection is lost', () => {
  let server: AedesBroker;

  before(async () => {
    server = await startAedes();
  });
  after(() => server.close());

  /** Runs a test with the device connected to the broker directly, and us through a proxy. */
  const withProxy = async (
    options: Partial<DeviceOptions>,
    test: (lab: Lab, proxy: Proxy) => Promise<void>,
    { pause = 20, keepalive = 60 } = {},
  ): Promise<void> => {
    const proxy = await startProxy(server.port);
    const reconnect = { min: pause, max: pause };
    const connection = { reconnect, keepalive };
    const lab = await Lab.open(`mqtt://127.0.0.1:${proxy.port}`, { url: server.url, ...options }, connection);
    try {
      await test(lab, proxy);
    } finally {
      await lab.close();
      await proxy.close();
    }
  };
  const busy = { notIdle: true };

  it('is not taken for the old firmware when our own connection was lost and statistics are rare', () =>
    withProxy({ statsInterval: 600, misbehavior: busy }, async (lab, proxy) => {
      const { outcome } = await lab.bring(
        await raw(next),
        { reboot: 800 },
        { onChange: ({ phase }) => phase === 'rebooting' && proxy.cut() },
      );
      assert.equal(codeOf(outcome), 'REBOOT_UNPROVEN');
      assert.equal(lab.isPending, true);
    }));

  for (const homie of [3, 2] as const)
    it(`is not taken for the old firmware of Homie ${homie} when a mere reconnect reaches us late, because our own link had stalled`, () =>
      withProxy({ homie, misbehavior: busy }, async (lab, proxy) => {
        const stalled = async (): Promise<void> => {
          proxy.stall();
          const ready = once(lab.device, 'ready');
          lab.device.dropConnection();
          await ready;
          // Longer than a device may take to tell the broker that it has connected.
          await setTimeout(6_000);
          proxy.flow();
        };
        let stall: Promise<void> | undefined;
        const { outcome } = await lab.bring(
          await raw(next),
          { reboot: 10_000 },
          {
            onChange: ({ phase }) => {
              if (phase === 'rebooting') stall ??= stalled();
            },
          },
        );
        await stall;
        assert.match(codeOf(outcome), /^(?:NOT_REBOOTED|REBOOT_UNPROVEN)$/);
        assert.deepEqual([lab.device.hasToBoot, lab.isPending], [true, true]);
      }));

  it('is possible when the device was last seen to connect, before our own connection was lost', () =>
    withProxy({ statsInterval: 600, misbehavior: busy }, async (lab, proxy) => {
      const stranger = await connectAsync(server.url);
      const connects = async (): Promise<void> => {
        await stranger.publishAsync(`homie/${lab.device.id}/$state`, 'init', { qos: 1, retain: true });
        proxy.cut();
      };
      const { outcome } = await lab.bring(
        await raw(next),
        { reboot: 800 },
        { onChange: ({ phase }) => phase === 'rebooting' && void connects() },
      );
      await stranger.endAsync();
      assert.equal(codeOf(outcome), 'REBOOT_UNPROVEN');
      assert.equal(lab.isPending, true);
    }));

  it('is not ruled out by a connection that tells nothing, and is not known to be lost yet', () =>
    withProxy(
      { statsInterval: 1, misbehavior: busy },
      async (lab, proxy) => {
        const { outcome } = await lab.bring(
          await raw(next),
          { reboot: 6500 },
          {
            onChange: ({ phase }) => {
              if (phase !== 'rebooting') return;
              proxy.mute();
              lab.device.setIdle(true);
            },
          },
        );
        assert.deepEqual(outcome, { state: 'succeeded', reboot: 'proven' });
        assert.equal(lab.isPending, false);
      },
      { keepalive: 6 },
    ));

  it('is possible when all was lost while we were away', () =>
    withProxy({ statsInterval: 1, misbehavior: busy }, async (lab, proxy) => {
      lab.device.on('status', (status) => status === '200' && proxy.cut());
      const { outcome } = await lab.bring(
        await raw(next),
        { ...expiring, accepted: 300 },
        { onChange: ({ phase }) => phase === 'sending' && proxy.mute() },
      );
      assert.equal(codeOf(outcome), 'CLOSED_AT_PUBLISH');
      await lab.live('uptime');
      assert.equal(lab.isPending, true);
    }));

  it('is ruled out for a device that was lost in the middle while we were away, and it is sent the image once more', () =>
    withProxy({ misbehavior: { dropAt: 30_000 } }, async (lab, proxy) => {
      lab.device.once('disconnected', () => lab.device.once('ready', () => proxy.cut()));
      const { outcome } = await lab.bring(
        await raw(next),
        { accepted: 1000 },
        { onChange: ({ phase, attempt }) => phase === 'sending' && attempt === 1 && proxy.mute() },
      );
      assert.deepEqual(outcome, { state: 'succeeded', reboot: 'proven' });
      assert.equal(lab.device.images.length, 2);
      assert.equal(lab.isPending, false);
    }));

  it('is not taken for a failure of a forced reinstallation when our own connection was lost', () =>
    withProxy({ statsInterval: 1, misbehavior: busy }, async (lab, proxy) => {
      const { outcome } = await lab.bring(
        await raw(running),
        { force: true },
        {
          onChange: ({ phase }) => {
            if (phase !== 'rebooting') return;
            proxy.cut();
            void lab.live('uptime').then(() => lab.device.setIdle(true));
          },
        },
      );
      assert.deepEqual(outcome, { state: 'succeeded', reboot: 'proven' });
    }));

  it('ends as never back when the device was lost while we were away', () =>
    withProxy(
      { misbehavior: { neverBack: true } },
      async (lab, proxy) => {
        const { outcome } = await lab.bring(
          await raw(next),
          { reboot: 1200 },
          { onChange: ({ phase }) => phase === 'rebooting' && proxy.cut() },
        );
        assert.equal(codeOf(outcome), 'NOT_BACK');
      },
      { pause: 400 },
    ));

  it('lets nothing of an image arrive after its deadline', () =>
    withProxy({ statsInterval: 1 }, async (lab, proxy) => {
      proxy.limit(8_000);
      // The exchange adds 1 s for each 20 kB to the deadline.
      const { outcome } = await lab.bring(await raw(large), { sending: 300 - large.length / 20, accepted: 300 });
      assert.equal(codeOf(outcome), 'PUBLISH_TIMEOUT');
      proxy.limit(Number.POSITIVE_INFINITY);
      await lab.live('uptime');
      assert.deepEqual(lab.device.images, []);
    }));
});
