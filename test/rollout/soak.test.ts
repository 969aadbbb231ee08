import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { HomieBroker } from '../../src/homie/broker';
import { soakDevice, type SoakEnd } from '../../src/rollout/soak';
import { running } from '../ota/lab';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { TestClock } from '../support/clock';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable, startMosquitto } from '../support/mosquitto';
import { untilTrue } from '../support/until-true';
import { Home } from './home';

const MINUTE = 60_000;

describeIf(mosquittoAvailable())('a canary that is watched', () => {
  let home: Home;
  let count = 0;

  before(async () => {
    home = await Home.open();
  });
  after(() => home.close());

  const add = async (options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> => {
    const device = await home.add(`soak-${(count += 1)}`, { image: running, ...options });
    await home.inStep();
    return device;
  };
  const soak = (device: SimulatedDevice, signal = new AbortController().signal): Promise<SoakEnd> =>
    soakDevice({ broker: home.broker, device: device.id, clock: home.clock }, 10 * MINUTE, signal);
  /** Waits until we have received an attribute of a device. */
  const seen = async (device: SimulatedDevice, attribute: string, value?: unknown): Promise<void> => {
    // Several events may arrive at once.
    for await (const [id, event] of on(home.broker.registry, 'event')) {
      if (id === device.id && event.attribute === attribute && (value === undefined || event.value === value)) return;
    }
  };
  const restarted = async (device: SimulatedDevice): Promise<void> => {
    await Promise.all([seen(device, 'uptime', 0), device.restart()]);
  };

  it('counts when it has stayed ready for long enough', async () => {
    const soaking = soak(await add());
    await home.pass(10 * MINUTE);
    assert.equal(await soaking, 'stayed');
  });

  it('does not count when it was restarted meanwhile', async () => {
    const device = await add();
    const soaking = soak(device);
    await home.pass(9 * MINUTE);
    await restarted(device);
    assert.equal(await soaking, 'spoiled');
  });

  it('does not count while our own connection is dead without our knowing it', async () => {
    const device = await add();
    let end: SoakEnd | undefined;
    const soaking = soak(device).then((how) => (end = how));
    home.link.mute();
    await home.clock.pass(10 * MINUTE);
    const settled = once(home.broker, 'settled');
    home.link.cut();
    await settled;
    assert.equal(end, undefined);
    await home.pass(10 * MINUTE);
    await soaking;
    assert.equal(end, 'stayed');
  });

  it('is not taken for away while we are away ourselves', async () => {
    const server = await startMosquitto({ persistence: true });
    const reconnect = { min: 20, max: 100 };
    const broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/', reconnect });
    const { registry } = broker;
    const options = { url: server.url, id: 'soak-outage', image: running, uptime: 3600, statsInterval: 1 };
    const device = new SimulatedDevice(options);
    const hears = async (): Promise<void> => {
      await untilTrue(registry, 'event', () => registry.get(device.id)?.uptime?.live === true);
    };
    const clock = new TestClock();
    broker.start();
    try {
      await Promise.all([hears(), device.start()]);
      let end: SoakEnd | undefined;
      const observed: { until?: number | undefined } = {};
      const ends = (at?: number): void => void (observed.until = at);
      const { signal } = new AbortController();
      const input = { broker, device: device.id, clock, ends };
      const soaking = soakDevice(input, 10 * MINUTE, signal).then((how) => (end = how));
      await Promise.all([once(broker, 'status'), server.kill()]);
      await clock.pass(4 * MINUTE);
      assert.equal(end, undefined);
      const since = performance.now();
      await server.restart();
      // The device and we reconnect in any order, and its reconnect starts the observation again.
      await untilTrue(registry, 'event', () => {
        const { uptime } = registry.get(device.id) ?? {};
        return uptime?.live === true && uptime.at > since;
      });
      do await turn();
      while (observed.until === undefined);
      await clock.pass(10 * MINUTE);
      assert.equal(await soaking, 'stayed');
    } finally {
      await device.stop();
      await broker.close();
      await server.stop();
    }
  });

  it('has its time start again when it merely reconnects', async () => {
    const device = await add();
    let end: SoakEnd | undefined;
    const soaking = soak(device).then((how) => (end = how));
    await home.pass(9 * MINUTE);
    device.dropConnection();
    await seen(device, 'uptime');
    await home.pass(9 * MINUTE);
    assert.equal(end, undefined);
    await home.pass(MINUTE);
    assert.equal(await soaking, 'stayed');
  });

  it('counts when it reconnects just after the boot that has proven it', async () => {
    const device = await add({ uptime: 0 });
    const soaking = soak(device);
    device.dropConnection();
    await seen(device, 'uptime');
    await home.pass(10 * MINUTE);
    assert.equal(await soaking, 'stayed');
  });

  it('may be away for three minutes', async () => {
    const device = await add();
    const soaking = soak(device);
    await device.stop();
    await home.pass(3 * MINUTE - 1);
    await Promise.all([seen(device, 'uptime'), device.start()]);
    await home.pass(10 * MINUTE);
    assert.equal(await soaking, 'stayed');
  });

  it('does not count when it is away for longer', async () => {
    const device = await add();
    const soaking = soak(device);
    await device.stop();
    await home.pass(3 * MINUTE);
    assert.equal(await soaking, 'spoiled');
  });

  it('proves nothing when it goes to sleep', async () => {
    const device = await add();
    const soaking = soak(device);
    device.prepareToSleep();
    assert.equal(await soaking, 'dozed');
  });

  it('counts a reconnect of a device without statistics as a boot', async () => {
    const device = await add({ misbehavior: { noStatistics: true } });
    const soaking = soak(device);
    device.dropConnection();
    assert.equal(await soaking, 'spoiled');
  });

  it('is let go when nobody wants to know any more', async () => {
    const nobody = new AbortController();
    const soaking = soak(await add(), nobody.signal);
    nobody.abort();
    await assert.rejects(soaking, { name: 'AbortError' });
    assert.equal(home.clock.next, Infinity);
  });
});
