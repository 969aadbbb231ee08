import assert from 'node:assert/strict';
import { once } from 'node:events';
import mqtt, { type MqttClient } from 'mqtt';
import type { DeviceChange } from '../../src/devices/change';
import { forgetDevice } from '../../src/devices/forget';
import { Inventory, type StockReport } from '../../src/devices/inventory';
import { Firmware } from '../../src/firmware/firmware';
import { HomieBroker } from '../../src/homie/broker';
import type { Library } from '../../src/library/library';
import { otaWork } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import type { OtaSettings } from '../../src/ota/settings';
import type { Summary } from '../../src/update/update';
import { patient, sequential } from '../ota/lab';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { buildEsp8266Image } from '../support/images';
import { resetLocks } from '../support/locks';
import { startProxy, type Proxy } from '../support/proxy';
import { untilTrue } from '../support/until-true';

type Told = DeviceChange | StockReport;

const imageOf = (version: string): Buffer => buildEsp8266Image({ name: 'my-light', version });
const [first, second, third] = [imageOf('1.0.0'), imageOf('1.1.0'), imageOf('1.2.0')];

describeWithBrokers('The events of updates', (start) => {
  let server: TestBroker;
  let proxy: Proxy;
  let broker: HomieBroker;
  let client: MqttClient;
  let inventory: Inventory;
  let library: Library;
  let told: Told[];
  const devices: SimulatedDevice[] = [];

  beforeEach(async () => {
    server = await start();
    proxy = await startProxy(server.port);
    client = await mqtt.connectAsync(server.url, { reconnectPeriod: 0 });
    broker = new HomieBroker({
      url: `mqtt://127.0.0.1:${proxy.port}`,
      protocolVersion: 'auto',
      baseTopic: 'homie/',
      reconnect: { min: 1000, max: 1000 },
    });
    library = Queue.of(broker).library;
    told = [];
    inventory = listening();
  });
  afterEach(async () => {
    inventory.close();
    await Promise.all(devices.splice(0).map((device) => device.stop()));
    await broker.close();
    await client.endAsync();
    await proxy.close();
    await server.stop();
    resetLocks();
  });

  const listening = (): Inventory => {
    const each = new Inventory(broker, Queue.of(broker).updates);
    each.on('event', (event) => told.push(event));
    return each;
  };
  const add = async (id: string, options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> => {
    const device = new SimulatedDevice({ url: server.url, id, image: first, uptime: 3600, ...options });
    devices.push(device);
    await device.start();
    return device;
  };
  const until = async (fits: (event: Told) => boolean): Promise<Told> => {
    for (;;) {
      const found = told.find(fits);
      if (found !== undefined) return found;
      await once(inventory, 'event');
    }
  };
  const connect = async (): Promise<void> => {
    inventory.start();
    broker.start();
    await until(({ event }) => event === 'inventory');
  };
  /** Waits for the uptime of a device: a reboot is proven by one that fell. */
  const heard = async (id: string): Promise<void> => {
    await untilTrue(broker.registry, 'event', () => broker.registry.get(id)?.uptime?.live === true);
  };
  const offer = async (image: Buffer): Promise<void> => {
    await library.offer(broker.locks.scope, await Firmware.from(image));
  };
  /** Waits for a device that appears: what came before it was told before. */
  const passed = async (id: string): Promise<void> => {
    await add(id, { image: buildEsp8266Image({ name: 'other' }) });
    await until((event) => event.event === 'appeared' && event.device === id);
  };
  const available = (): unknown[] =>
    told.flatMap((event) =>
      event.event === 'update_available' ? [`${event.device} ${event.installed} ${event.offered}`] : [],
    );
  const update = async (device: string, image: Buffer, ota: Partial<OtaSettings> = {}): Promise<Summary> => {
    const wish = { choice: { devices: [device] }, settings: { ...patient, ...ota }, rollout: sequential };
    const work = otaWork(await Firmware.from(image), wish, { broker });
    return (await Queue.of(broker).ask({ node: 'node', store: undefined }, work, {})).run();
  };

  it('begin with one report, which names the devices with an update', async () => {
    await add('light-b');
    await add('light-a');
    await add('light-new', { image: second });
    await offer(second);
    await connect();
    await passed('other');
    const [report] = told;
    assert.ok(report?.event === 'inventory');
    assert.deepEqual(report.updates, ['light-a', 'light-b']);
    assert.equal(report.text, '3 devices: 3 ready. 2 updates are available.');
    assert.deepEqual(available(), []);
  });

  it('say once when an image is offered for a device, and again for a newer one', async () => {
    await add('light');
    await connect();
    await offer(second);
    const event = await until((each) => each.event === 'update_available');
    assert.deepEqual(event, {
      event: 'update_available',
      device: 'light',
      installed: '1.0.0',
      offered: '1.1.0',
      text: 'light: update to my-light 1.1.0 is available; version 1.0.0 is installed.',
    });
    // What is on offer is the same, whatever else changes in the library.
    await offer(second);
    await offer(buildEsp8266Image({ name: 'other', version: '2.0.0' }));
    await offer(third);
    await until((each) => each.event === 'update_available' && each.offered === '1.2.0');
    assert.deepEqual(available(), ['light 1.0.0 1.1.0', 'light 1.0.0 1.2.0']);
  });

  it('say nothing of a device that is excluded, and the list shows it as such', async () => {
    await add('light');
    await connect();
    const { updates } = Queue.of(broker);
    const light = broker.registry.get('light') ?? assert.fail();
    await library.exclude(`${broker.locks.scope}light`, true);
    await offer(second);
    await passed('other');
    assert.equal(updates.of([light]).get('light')?.state, 'excluded');
    await library.exclude(`${broker.locks.scope}light`, false);
    await passed('another');
    assert.equal(updates.of([light]).get('light')?.state, 'available');
    assert.deepEqual(available(), []);
  });

  it('say it when a device appears, or comes with another firmware, that is behind', async () => {
    await connect();
    await offer(second);
    const device = await add('light');
    await until((each) => each.event === 'update_available');
    await device.stop();
    const flashed = await add('light', { image: second });
    await until((each) => each.event === 'firmware');
    await flashed.stop();
    await add('light');
    await until((each) => each.event === 'firmware' && each.to.version === '1.0.0');
    await passed('other');
    assert.deepEqual(available(), ['light 1.0.0 1.1.0', 'light 1.0.0 1.1.0']);
    assert.deepEqual(
      told.slice(1, 3).map(({ event }) => event),
      ['appeared', 'update_available'],
    );
  });

  it('do not say it again when a device restarts, or when a job has failed', async () => {
    await add('light', { misbehavior: { comesBackWith: first }, statsInterval: 1 });
    await connect();
    await offer(second);
    await until((each) => each.event === 'update_available');
    await heard('light');
    const { state } = await update('light', second, { attempts: 1 });
    assert.equal(state, 'failed');
    await passed('other');
    assert.deepEqual(available(), ['light 1.0.0 1.1.0']);
    assert.ok(!told.some(({ event }) => event === 'updated'));
  });

  it('say nothing of an update for a device with a newer version, or that was rolled back from the image', async () => {
    await add('light-newer', { image: third });
    const back = await add('light-back');
    await connect();
    const key = `${broker.locks.scope}light-back`;
    const proof = { load: async () => Firmware.from(first), isRollback: true };
    const [old, left] = await Promise.all([first, second].map(async (each) => (await Firmware.from(each)).info.md5));
    await library.proven(key, { ...proof, md5: old ?? '', ...(left !== undefined && { from: left }) });
    await offer(second);
    await passed('other');
    // Not even when the user allows it again: that is known.
    await library.allowAgain(key, left ?? '');
    await passed('another');
    assert.deepEqual(available(), []);
    assert.equal(back.image, first);
  });

  it('are summed up in the report after a lost connection', async () => {
    await add('light');
    await connect();
    const lost = once(broker, 'status');
    proxy.cut();
    await lost;
    await offer(second);
    const report = await until((each) => each.event === 'inventory' && each.changes !== undefined);
    assert.ok(report.event === 'inventory');
    assert.deepEqual(report.updates, ['light']);
    assert.deepEqual(
      report.changes?.flatMap((each) => (each.event === 'update_available' ? [each.device] : [])),
      ['light'],
    );
    await passed('other');
    assert.deepEqual(available(), []);
  });

  it('are no events where a library is read late, but a report', async () => {
    await add('light');
    await connect();
    await offer(second);
    await until((each) => each.event === 'update_available');
    const [{ md5, alternatives, ...image } = assert.fail()] = library.offers(broker.locks.scope);
    const newer = { ...image, md5: 'a'.repeat(32), alternatives, version: '1.3.0' };
    library.restore([
      [`image ${newer.md5}`, newer],
      [
        `offer ${newer.md5} ${broker.locks.scope}`,
        { scope: broker.locks.scope, md5: newer.md5, at: new Date().toISOString() },
      ],
    ]);
    assert.notEqual(md5, newer.md5);
    const report = await until((each) => each.event === 'inventory' && each.changes !== undefined);
    assert.ok(report.event === 'inventory');
    assert.deepEqual([report.updates, report.changes], [['light'], []]);
    await passed('other');
    assert.deepEqual(available(), ['light 1.0.0 1.1.0']);
  });

  it('say it again for a device that was forgotten and comes back, and in the report of another node', async () => {
    const device = await add('light');
    await connect();
    await offer(second);
    await until((each) => each.event === 'update_available');
    await device.stop();
    await until((each) => each.event === 'state' && each.to === 'lost');
    await forgetDevice(broker, 'light', new AbortController().signal);
    await until((each) => each.event === 'gone');
    await add('light');
    await passed('other');
    assert.deepEqual(available(), ['light 1.0.0 1.1.0', 'light 1.0.0 1.1.0']);
    inventory.close();
    told = [];
    inventory = listening();
    inventory.start();
    const [report] = told;
    assert.ok(report?.event === 'inventory');
    assert.deepEqual(report.updates, ['light']);
    await passed('another');
    assert.deepEqual(available(), []);
  });

  it('say when an update is proven', async () => {
    await add('light', { statsInterval: 1 });
    await connect();
    await heard('light');
    const [from, to] = await Promise.all([first, second].map(async (each) => (await Firmware.from(each)).info.md5));
    const { state } = await update('light', second);
    assert.equal(state, 'succeeded');
    await update('light', second);
    const events = told.filter(({ event }) => event === 'updated');
    assert.deepEqual(events, [
      {
        event: 'updated',
        device: 'light',
        from: { name: 'my-light', version: '1.0.0', checksum: from },
        to: { name: 'my-light', version: '1.1.0', checksum: to, size: second.length },
        text: 'light: updated from my-light 1.0.0 to 1.1.0.',
      },
    ]);
  });

  it('say it also when the proof comes after the result', async () => {
    const device = await add('light', { statsInterval: 1, misbehavior: { notIdle: true } });
    await connect();
    await heard('light');
    const { state } = await update('light', second, { reboot: 600 });
    assert.equal(state, 'failed');
    device.setIdle(true);
    const { text } = await until(({ event }) => event === 'updated');
    assert.equal(text, 'light: later updated from my-light 1.0.0 to 1.1.0.');
  });

  it('have a sentence each', async () => {
    const device = await add('light', { image: first });
    await connect();
    await device.stop();
    await until((each) => each.event === 'state');
    await add('light', { image: second });
    await until((each) => each.event === 'firmware');
    await client.publishAsync('homie/bare/$state', 'init', { retain: false });
    await client.publishAsync('homie/bare/$state', 'ready', { retain: false });
    await until((each) => each.event === 'appeared');
    await client.publishAsync('homie/bare/$state', '', { retain: true });
    await until((each) => each.event === 'gone');
    const texts = new Set(told.map(({ text }) => text));
    for (const text of [
      '1 device: 1 ready.',
      'light: state changed from ready to lost.',
      'light: firmware changed from my-light 1.0.0 to 1.1.0.',
      'bare: appeared, state ready.',
      'bare: removed from the broker.',
    ])
      assert.ok(texts.has(text), `${text} ${[...texts].join(' ')}`);
  });
});
