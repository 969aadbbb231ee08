import assert from 'node:assert/strict';
import { once } from 'node:events';
import mqtt, { type MqttClient } from 'mqtt';
import { HomieBroker } from '../../src/homie/broker';
import type { DeviceEvent } from '../../src/homie/device';
import type { DeviceWatch } from '../../src/homie/watch';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { describeIf } from '../support/describe-if';
import { HANG_LIMIT } from '../support/limits';
import { mosquittoAvailable, startMosquitto, type Mosquitto } from '../support/mosquitto';
import { startProxy } from '../support/proxy';
import { connected, disconnected } from '../support/statuses';

const reconnect = { min: 10, max: 50 };
const md5 = 'd41d8cd98f00b204e9800998ecf8427e';

/** Publishes retained values of a device, QoS 1. */
async function advertise(client: MqttClient, device: string, values: Record<string, string>): Promise<void> {
  for (const [topic, value] of Object.entries(values)) {
    await client.publishAsync(`homie/${device}/${topic}`, value, { qos: 1, retain: true });
  }
}

/** Reads a watch until an event fulfils the condition. Gives what was read, in short. */
async function readUntil(watch: DeviceWatch, enough: (event: DeviceEvent) => boolean): Promise<string[]> {
  const read: string[] = [];
  for (;;) {
    const event = await watch.next(performance.now() + HANG_LIMIT);
    assert.ok(event, `in time, after ${read.join()}`);
    const live = event.attribute === 'connection' || event.live;
    read.push(`${event.attribute} ${event.value}${live ? '' : ' (retained)'}`);
    if (enough(event)) return read;
  }
}

describeWithBrokers('A homie-broker', (start) => {
  let broker: TestBroker;
  let device: MqttClient;
  let homie: HomieBroker;

  beforeEach(async () => {
    broker = await start();
    device = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
    homie = new HomieBroker({ url: broker.url, protocolVersion: 'auto', baseTopic: 'homie', reconnect });
  });
  afterEach(async () => {
    await homie.close();
    await device.endAsync();
    await broker.stop();
  });

  it('knows what is retained when it has settled', async () => {
    await advertise(device, 'lamp', { $state: 'ready', '$fw/checksum': md5, '$implementation/ota/status': '200' });
    await advertise(device, 'plug', { $online: 'true', $homie: '2.0.0' });
    await device.publishAsync('other/lamp/$state', 'ready', { retain: true });
    homie.start();
    await homie.settled();
    assert.deepEqual([...homie.registry.devices.keys()].sort(), ['lamp', 'plug']);
    assert.equal(homie.registry.get('lamp')?.checksum?.value, md5);
    assert.deepEqual(homie.registry.get('lamp')?.otaStatus?.live, false);
    assert.equal(homie.registry.get('plug')?.state?.value, 'ready');
  });

  it('knows all else of a device when it knows its state', async () => {
    await advertise(device, 'lamp', {
      $state: 'ready',
      '$fw/checksum': md5,
      '$fw/name': 'light',
      '$stats/uptime': '9',
    });
    const watch = homie.watch('lamp');
    homie.start();
    const read = await readUntil(watch, ({ attribute }) => attribute === 'state');
    assert.equal(read.length, 5);
    assert.deepEqual([read[0], read.at(-1)], ['connection restored', 'state ready (retained)']);
  });

  it('tells the events of a device as they happen', async () => {
    homie.start();
    await homie.settled();
    const watch = homie.watch('lamp');
    await advertise(device, 'lamp', { $state: 'init', '$fw/checksum': md5 });
    await device.publishAsync('homie/lamp/$implementation/ota/status', '202', { retain: true });
    await advertise(device, 'lamp', { $state: 'ready', '$stats/uptime': '3' });
    assert.deepEqual(await readUntil(watch, ({ attribute }) => attribute === 'uptime'), [
      'state init',
      `checksum ${md5}`,
      'otaStatus 202',
      'state ready',
      'uptime 3',
    ]);
  });

  it('does not get its own firmware publish back', async () => {
    homie.start();
    await homie.settled();
    const topics: string[] = [];
    homie.connection.on('message', (topic) => topics.push(topic));
    const topic = `homie/lamp/$implementation/ota/firmware/${md5}`;
    await homie.connection.publish(topic, Buffer.alloc(300_000), { qos: 1, timeout: HANG_LIMIT });
    const watch = homie.watch('lamp');
    await advertise(device, 'lamp', { $state: 'ready' });
    await readUntil(watch, ({ attribute }) => attribute === 'state');
    assert.deepEqual(topics, ['homie/lamp/$state']);
  });

  it('tells a watch that its own connection was lost, and restored before what is retained comes', async () => {
    const proxy = await startProxy(broker.port);
    const url = `mqtt://127.0.0.1:${proxy.port}`;
    const cut = new HomieBroker({ url, protocolVersion: 'auto', baseTopic: 'homie/', reconnect });
    await advertise(device, 'lamp', { $state: 'ready', '$fw/checksum': md5 });
    cut.start();
    await cut.settled();
    const watch = cut.watch('lamp');
    proxy.cut();
    assert.deepEqual(await readUntil(watch, ({ attribute }) => attribute === 'state'), [
      'connection lost',
      'connection restored',
      `checksum ${md5} (retained)`,
      'state ready (retained)',
    ]);
    await cut.close();
    await proxy.close();
  });

  it('tells a watch that its connection is restored also where nothing is retained', async () => {
    const watch = homie.watch('lamp');
    homie.start();
    assert.deepEqual(await readUntil(watch, () => true), ['connection restored']);
  });

  it('frees a device whose reboot was pending when it reconnects', async () => {
    homie.start();
    await homie.settled();
    // It sends no statistics.
    await homie.locks.expectReboot('lamp', 'image');
    // What the broker sends from now on, it sends after that.
    await homie.connection.ping();
    const watch = homie.watch('lamp');
    await advertise(device, 'lamp', { $state: 'ready' });
    await readUntil(watch, ({ value }) => value === 'ready');
    assert.equal(homie.locks.isRebootPending('lamp'), true);
    await advertise(device, 'lamp', { $state: 'init' });
    await readUntil(watch, ({ value }) => value === 'init');
    assert.equal(homie.locks.isRebootPending('lamp'), false);
  });

  it('does not wait for what is retained any longer than it is asked to', async () => {
    const controller = new AbortController();
    const waiting = homie.settled(controller.signal);
    controller.abort(new Error('no more'));
    await assert.rejects(waiting, /no more/);
    await assert.rejects(homie.settled(controller.signal), /no more/);
  });

  it('is disconnected, and has settled for nobody, as soon as closing begins', async () => {
    homie.start();
    await homie.settled();
    const closed = homie.close();
    assert.equal(homie.status.state, 'disconnected');
    assert.equal(homie.isSettled, false);
    await assert.rejects(homie.settled(), { code: 'NOT_CONNECTED' });
    await assert.rejects(homie.connection.publish('x', 'x', { qos: 1, timeout: 1000 }), { code: 'NOT_CONNECTED' });
    await closed;
  });

  it('lets nobody wait when it is closed', async () => {
    const waiting = homie.settled();
    await Promise.all([assert.rejects(waiting, { code: 'NOT_CONNECTED' }), homie.close()]);
    await assert.rejects(homie.settled(), { code: 'NOT_CONNECTED' });
  });
});

describeIf(mosquittoAvailable())('A homie-broker whose broker restarts', () => {
  let broker: Mosquitto;
  let homie: HomieBroker;

  afterEach(async () => {
    await homie.close();
    await broker.stop();
  });

  async function restartWith(persistence: boolean): Promise<void> {
    broker = await startMosquitto({ persistence });
    const device = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
    await advertise(device, 'lamp', { $state: 'ready', '$fw/name': 'light' });
    await device.endAsync();
    homie = new HomieBroker({ url: broker.url, protocolVersion: 'auto', baseTopic: 'homie/', reconnect });
    homie.start();
    await homie.settled();
    const lost = disconnected(homie);
    await broker.restart();
    await lost;
    assert.equal(homie.registry.get('lamp')?.state?.value, 'ready');
    await connected(homie);
    await homie.settled();
  }

  it('takes no device for present that the broker has forgotten', async () => {
    await restartWith(false);
    assert.equal(homie.registry.get('lamp')?.state, undefined);
    assert.equal(homie.registry.get('lamp')?.fwName?.value, 'light');
  });

  it('knows again what the broker has kept', async () => {
    await restartWith(true);
    assert.equal(homie.registry.get('lamp')?.state?.value, 'ready');
  });
});

describe('A homie-broker with very many devices', () => {
  it('misses nothing that is retained, though it reads slowly', async function () {
    if (!mosquittoAvailable()) return this.skip();
    const broker = await startMosquitto();
    const device = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
    const COUNT = 3000;
    const values = { $state: 'ready', '$fw/checksum': md5, '$implementation/config': 'x'.repeat(700), $name: 'Lamp' };
    for (let i = 0; i < COUNT; i += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, j) => advertise(device, `device${i + j}`, values)));
    }

    const homie = new HomieBroker({ url: broker.url, protocolVersion: 5, baseTopic: 'homie/', reconnect });
    homie.connection.once('message', () => {
      const until = performance.now() + 500;
      while (performance.now() < until);
    });
    homie.start();
    await once(homie.connection, 'subscribed');
    await homie.settled();
    const devices = [...homie.registry.devices.values()];
    assert.equal(devices.length, COUNT);
    assert.ok(devices.every(({ state, checksum, config, name }) => state && checksum && config && name));
    await homie.close();
    await device.endAsync();
    await broker.stop();
  });
});
