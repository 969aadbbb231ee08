import assert from 'node:assert/strict';
import { once } from 'node:events';
import mqtt, { type MqttClient } from 'mqtt';
import { HomieBroker } from '../../src/homie/broker';
import { forgetDevice } from '../../src/devices/forget';
import type { DeviceChange } from '../../src/devices/change';
import { Inventory, type StockReport } from '../../src/devices/inventory';
import { Queue } from '../../src/rollout/queue';
import { SimulatedDevice } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { running as image, next } from '../support/images';
import { startProxy, type Proxy } from '../support/proxy';
import { untilTrue } from '../support/until-true';

type Told = DeviceChange | StockReport;

/** Returns an event without its sentences. */
function bare({ text: _text, ...event }: Told): object {
  return 'changes' in event && event.changes !== undefined ? { ...event, changes: event.changes.map(bare) } : event;
}

const [md5, otherMd5] = ['d41d8cd98f00b204e9800998ecf8427e', '900150983cd24fb0d6963f7d28e17f72'];

describeWithBrokers('The inventory', (start) => {
  let broker: TestBroker;
  let proxy: Proxy;
  let homie: HomieBroker;
  let inventory: Inventory;
  let client: MqttClient;
  let told: Told[];

  beforeEach(async () => {
    broker = await start();
    proxy = await startProxy(broker.port);
    client = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
    homie = new HomieBroker({
      url: `mqtt://127.0.0.1:${proxy.port}`,
      protocolVersion: 'auto',
      baseTopic: 'homie/',
      reconnect: { min: 1000, max: 1000 },
    });
    inventory = new Inventory(homie, Queue.of(homie).updates);
    told = [];
    inventory.on('event', (event) => told.push(event));
  });
  afterEach(async () => {
    inventory.close();
    await homie.close();
    await client.endAsync();
    await proxy.close();
    await broker.stop();
  });

  const say = async (id: string, values: Record<string, string>): Promise<void> => {
    for (const [topic, value] of Object.entries(values)) {
      await client.publishAsync(`homie/${id}/${topic}`, value, { qos: 1, retain: true });
    }
  };
  const advertise = (id: string, state: string, checksum = md5, config = '{}'): Promise<void> =>
    say(id, {
      $state: 'init',
      $homie: '3.0.1',
      '$fw/name': 'light',
      '$fw/version': '1.0',
      '$fw/checksum': checksum,
      '$implementation/config': config,
    }).then(() => say(id, { $state: state }));
  /** The events so far and to come, until one of them fits. */
  const until = async (fits: (event: Told) => boolean): Promise<Told[]> => {
    await untilTrue(inventory, 'event', () => told.some(fits));
    return told;
  };
  const connect = async (): Promise<void> => {
    inventory.start();
    homie.start();
    await until(({ event }) => event === 'inventory');
  };
  const light = (checksum: string): object => ({ name: 'light', version: '1.0', checksum });

  it('begins with one report, however many devices are retained', async () => {
    for (let i = 0; i < 20; i++) await advertise(`lamp-${i}`, i % 4 === 0 ? 'lost' : 'ready');
    await connect();
    // Something live, after which anything else would have come.
    await advertise('new', 'ready');
    await until(({ event }) => event === 'appeared');
    assert.deepEqual(told.map(bare), [
      { event: 'inventory', count: 20, counts: { ready: 15, lost: 5 }, updates: [] },
      { event: 'appeared', device: 'new', state: 'ready', firmware: light(md5) },
    ]);
  });

  it('begins with a report also where the broker has settled before', async () => {
    await advertise('lamp', 'sleeping');
    homie.start();
    await homie.settled();
    inventory.start();
    assert.deepEqual(told.map(bare), [{ event: 'inventory', count: 1, counts: { sleeping: 1 }, updates: [] }]);
  });

  it('tells once what happens to a device: its state, its firmware, its configuration', async () => {
    await advertise('lamp', 'lost', md5, '{"settings":{"pin":"s3cret"}}');
    await connect();
    await advertise('lamp', 'ready', otherMd5, '{"settings":{"pin":"0ther"}}');
    // What is said again is no change.
    await advertise('lamp', 'ready', otherMd5, '{"settings":{"pin":"0ther"}}');
    await say('lamp', { $state: 'lost' });
    await until((event) => event.event === 'state' && event.to === 'lost');
    const state = (from: string, to: string): object => ({ event: 'state', device: 'lamp', from, to });
    assert.deepEqual(told.slice(1).map(bare), [
      state('lost', 'init'),
      state('init', 'ready'),
      { event: 'firmware', device: 'lamp', from: light(md5), to: light(otherMd5) },
      { event: 'config', device: 'lamp' },
      state('ready', 'init'),
      state('init', 'ready'),
      state('ready', 'lost'),
    ]);
    assert.doesNotMatch(JSON.stringify(told), /s3cret|0ther/);
  });

  it('hears of a real reboot with another firmware', async () => {
    const device = new SimulatedDevice({ url: broker.url, id: 'inventory-lamp', image });
    await connect();
    await device.start();
    await until(({ event }) => event === 'appeared');
    await device.stop();
    const flashed = new SimulatedDevice({ url: broker.url, id: 'inventory-lamp', image: next });
    await flashed.start();
    await until(({ event }) => event === 'firmware');
    assert.deepEqual(told.filter(({ event }) => event !== 'state' && event !== 'inventory').map(bare), [
      {
        event: 'appeared',
        device: 'inventory-lamp',
        state: 'ready',
        firmware: { name: 'my-light', version: '1.0.0', checksum: device.checksum },
      },
      {
        event: 'firmware',
        device: 'inventory-lamp',
        from: { name: 'my-light', version: '1.0.0', checksum: device.checksum },
        to: { name: 'my-light', version: '1.1.0', checksum: flashed.checksum },
      },
    ]);
    await flashed.stop();
  });

  it('tells of a device that is forgotten, and of one that appears again', async () => {
    await advertise('inventory-gone', 'lost');
    await connect();
    await forgetDevice(homie, 'inventory-gone', new AbortController().signal);
    await until(({ event }) => event === 'gone');
    await advertise('inventory-gone', 'ready');
    await until(({ event }) => event === 'appeared');
    assert.deepEqual(
      told.slice(1).map(({ event }) => event),
      ['gone', 'appeared'],
    );
  });

  it('sums up in one report what was missed while the connection was lost', async () => {
    for (let i = 0; i < 10; i++) await advertise(`lamp-${i}`, 'ready');
    await connect();
    const lost = once(homie, 'status');
    proxy.cut();
    await lost;
    await advertise('lamp-1', 'ready', otherMd5);
    await advertise('lamp-2', 'lost');
    await advertise('lamp-3', 'ready', md5, '{"name":"x"}');
    await client.publishAsync('homie/lamp-4/$state', '', { qos: 1, retain: true });
    await advertise('lamp-new', 'ready');
    await until(({ event, ...rest }) => event === 'inventory' && 'changes' in rest);
    await say('lamp-5', { $state: 'lost' });
    await until((event) => event.event === 'state');
    const [, report, ...more] = told;
    assert.ok(report?.event === 'inventory');
    assert.deepEqual([report.count, report.counts], [10, { ready: 9, lost: 1 }]);
    assert.deepEqual([...(report.changes ?? [])].sort((a, b) => (a.device < b.device ? -1 : 1)).map(bare), [
      { event: 'firmware', device: 'lamp-1', from: light(md5), to: light(otherMd5) },
      { event: 'state', device: 'lamp-2', from: 'ready', to: 'lost' },
      { event: 'config', device: 'lamp-3' },
      { event: 'gone', device: 'lamp-4' },
      { event: 'appeared', device: 'lamp-new', state: 'ready', firmware: light(md5) },
    ]);
    assert.deepEqual(more.map(bare), [{ event: 'state', device: 'lamp-5', from: 'ready', to: 'lost' }]);
  });

  it('leaves no listener when it is closed', async () => {
    const { updates } = Queue.of(homie);
    const count = (): number[] => [
      homie.registry.listenerCount('event'),
      homie.registry.listenerCount('gone'),
      homie.listenerCount('settled'),
      updates.listenerCount('succeeded'),
      updates.library.listenerCount('changed'),
      updates.library.listenerCount('restored'),
    ];
    const before = count();
    inventory.start();
    assert.notDeepEqual(count(), before);
    inventory.close();
    assert.deepEqual(count(), before);
  });
});
