import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import type { Change } from '../../src/update/update';
import type { OtaSettings } from '../../src/ota/settings';
import type { DeviceOptions, SimulatedDevice } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { HANG_LIMIT } from '../support/limits';
import { startProxy } from '../support/proxy';
import { codeOf, Lab, next, raw, type Brought } from './lab';

describeWithBrokers('while a firmware is still on its way to the broker', (start) => {
  let server: TestBroker;
  before(async () => (server = await start()));
  after(() => server?.stop());

  /** Runs a test with the device connected directly, and us over a connection that takes a second for the image. */
  const withSlowLink = async (
    options: Partial<DeviceOptions>,
    test: (lab: Lab, bringSlowly: BringSlowly) => Promise<void>,
  ): Promise<void> => {
    const proxy = await startProxy(Number(new URL(server.url).port));
    const lab = await Lab.open(`mqtt://127.0.0.1:${proxy.port}`, { url: server.url, flashDelay: 20, ...options });
    try {
      proxy.limit(80_000);
      await test(lab, async (meanwhile, settings = {}) => {
        let done: Promise<unknown> | undefined;
        const onChange = ({ phase }: Change): void => {
          if (phase === 'sending') done ??= meanwhile(lab.device);
        };
        const brought = await lab.bring(await raw(next), settings, { onChange });
        await done;
        assert.equal(lab.device.images.length, 1);
        return brought;
      });
    } finally {
      await lab.close();
      await proxy.close();
    }
  };
  type BringSlowly = (
    meanwhile: (device: SimulatedDevice) => Promise<unknown>,
    settings?: Partial<OtaSettings>,
  ) => Promise<Brought>;

  const reconnect = async (device: SimulatedDevice): Promise<void> => {
    device.dropConnection();
    await once(device, 'ready');
  };
  const restart = (device: SimulatedDevice): Promise<void> => device.restart();

  // The uptime of a device that has just booted cannot prove another reboot; the new checksum proves the new firmware.
  const meanwhile = { reconnects: [reconnect, 'proven'], 'is restarted': [restart, 'unproven'] } as const;

  for (const [what, [happens, reboot]] of Object.entries(meanwhile)) {
    it(`a device that ${what} is sent it once, and judged by what comes after that`, () =>
      withSlowLink({}, async (lab, bringSlowly) => {
        const { outcome } = await bringSlowly(happens);
        assert.deepEqual(outcome, { state: 'succeeded', reboot });
        assert.ok(lab.device.image.equals(next));
      }));
  }

  /** Runs a test in which another large message is sent before the image. */
  const withQueue = (test: (lab: Lab, other: Promise<unknown>) => Promise<void>): Promise<void> =>
    withSlowLink({}, async (lab) => {
      const other = lab.broker.connection.publish('other', Buffer.alloc(100_000), { qos: 1, timeout: HANG_LIMIT });
      await test(lab, other);
      await other;
    });

  it('a device that has gone when its turn comes is not sent it, but waited for', () =>
    withQueue(async (lab, other) => {
      let gone: Promise<void> | undefined;
      const onChange = ({ state }: Change): void => {
        if (state === 'running') gone ??= lab.device.stop();
      };
      const bringing = lab.bring(await raw(next), { attempts: 1 }, { onChange });
      await other;
      await gone;
      await lab.device.restart();
      const { outcome, changes } = await bringing;
      assert.equal(codeOf(outcome), 'succeeded');
      assert.equal(changes.filter(({ state }) => state === 'running').length, 2);
      assert.equal(changes.filter(({ phase }) => phase === 'sending').length, 1);
      assert.equal(lab.device.received.length, 1);
    }));

  it('a device that goes to sleep meanwhile is waited for, and sent it when it wakes', () =>
    withSlowLink({ sleep: { awake: Infinity, asleep: Infinity } }, async (lab) => {
      const { device } = lab;
      let begun = false;
      const onChange = ({ phase, state }: Change): void => {
        if (phase === 'sending' && !begun) device.prepareToSleep();
        if (phase === 'sending') begun = true;
        if (state === 'waiting' && device.phase === 'asleep') void device.wake();
      };
      const { outcome, changes } = await lab.bring(await raw(next), { reboot: 2000 }, { onChange });
      assert.equal(codeOf(outcome), 'succeeded');
      assert.equal(changes.filter(({ phase }) => phase === 'sending').length, 2);
      assert.equal(device.received.length, 1);
    }));

  it('what has not gone out yet is not sent any more when the device is watched no longer', () =>
    withQueue(async (lab, other) => {
      const abandon = new AbortController();
      const onChange = ({ state }: Change): void => {
        if (state === 'running') abandon.abort();
      };
      const { outcome } = await lab.bring(await raw(next), {}, { abandon: abandon.signal, onChange });
      assert.equal(outcome.state, 'canceled');
      await other;
      await lab.broker.connection.publish('mark', 'x', { qos: 1, timeout: HANG_LIMIT });
      assert.deepEqual(lab.device.received, []);
      assert.equal(lab.broker.locks.isRebootPending(lab.device.id), false);
    }));

  it('a restart is not taken for the reboot of a busy device into it', () =>
    withSlowLink({ statsInterval: 1, misbehavior: { notIdle: true } }, async (lab, bringSlowly) => {
      const { outcome } = await bringSlowly(restart, { reboot: 500 });
      assert.equal(codeOf(outcome), 'NOT_REBOOTED');
      // Several events may arrive at once.
      for await (const [, { attribute }] of on(lab.broker.registry, 'event')) if (attribute === 'uptime') break;
      assert.equal(lab.broker.locks.isRebootPending(lab.device.id), true);
    }));
});
