import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Client } from 'aedes';
import mqtt, { type MqttClient } from 'mqtt';
import { HomieBroker } from '../../src/homie/broker';
import { untilReady } from '../../src/homie/presence';
import { selectKnown } from '../../src/homie/select';
import { forgetDevices } from '../../src/devices/forget-devices';
import { everyDevice } from '../../src/devices/query';
import { Library } from '../../src/library/library';
import { startAedes, startExactAedes, type AedesBroker } from '../support/aedes';
import { untilTrue } from '../support/until-true';

const md5 = 'd41d8cd98f00b204e9800998ecf8427e';
const never = new AbortController().signal;
const reconnect = { min: 10, max: 50 };

/** What a device has retained. The state comes last. */
const values = {
  $homie: '3.0.1',
  $name: 'Light',
  '$fw/name': 'light',
  '$fw/version': '1.0.0',
  '$fw/checksum': md5,
  $implementation: 'esp8266',
  '$implementation/config': '{"name":"Light"}',
  $state: 'ready',
};

let broker: AedesBroker;
let device: MqttClient;
let homie: HomieBroker;

/** Gives each test a broker, a client that publishes as devices do, and a connection that is not started. */
function setUp(start: () => Promise<AedesBroker>): void {
  beforeEach(async () => {
    broker = await start();
    device = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
    homie = new HomieBroker({ url: broker.url, protocolVersion: 4, baseTopic: 'homie', reconnect });
  });
  afterEach(async () => {
    await homie.close();
    await device.endAsync();
    await broker.close();
  });
}

describe('A broker that delivers what is retained for exact topics only', () => {
  /** SUBSCRIBE and UNSUBSCRIBE packets of our own, without those with wildcards. */
  let asked: string[][];
  let left: string[][];
  let ours: Client | undefined;

  setUp(startExactAedes);
  beforeEach(() => {
    asked = [];
    left = [];
    broker.aedes.on('subscribe', (subscriptions) => {
      const topics = subscriptions.map(({ topic }) => topic);
      if (topics.every((topic) => !topic.includes('+'))) asked.push(topics);
    });
    broker.aedes.on('client', (client) => {
      if (client.id.startsWith('homie-ota-')) ours = client;
    });
    broker.aedes.on('unsubscribe', (topics) => left.push(topics));
  });

  async function retain(id: string, what: Readonly<Record<string, string>> = values): Promise<void> {
    for (const [topic, value] of Object.entries(what)) {
      await device.publishAsync(`homie/${id}/${topic}`, value, { qos: 1, retain: true });
    }
  }

  /** Ids of the devices whose exact topics were subscribed, in their order. */
  const askedFor = (): string[] => [...new Set(asked.flat().map((topic) => topic.split('/')[1] ?? ''))];

  const lacks = (): readonly string[] => (homie.status.state === 'connected' && homie.status.lacks) || [];

  it('shows a device that is named, and is said to do so', async () => {
    await retain('light-1');
    homie.start();
    await homie.settled();
    assert.equal(homie.registry.devices.size, 0);
    assert.deepEqual(lacks(), []);
    const [id] = await selectKnown(homie, { devices: ['light-1'] }, undefined);
    assert.equal(id, 'light-1');
    const known = homie.registry.get('light-1');
    assert.deepEqual(
      [known?.state?.value, known?.checksum?.value, known?.config?.value, known?.state?.live],
      ['ready', md5, '{"name":"Light"}', false],
    );
    assert.deepEqual(lacks(), ['retainedByWildcard']);
  });

  it('shows a device that an exchange waits for', async () => {
    await retain('light-1');
    homie.start();
    const watch = homie.watch('light-1');
    const known = await untilReady(homie, watch, 'light-1', Number.POSITIVE_INFINITY, never);
    watch.close();
    assert.equal(known.checksum?.value, md5);
  });

  it('shows a device that is heard', async () => {
    await retain('light-1');
    homie.start();
    await homie.settled();
    await device.publishAsync('homie/light-1/$stats/uptime', '60', { qos: 1, retain: true });
    await untilTrue(homie.registry, 'event', () => homie.registry.get('light-1')?.state !== undefined);
    assert.equal(homie.registry.get('light-1')?.uptime?.live, true);
    assert.deepEqual(askedFor(), ['light-1']);
  });

  it('is asked once on a connection for each device, and the subscriptions do not stay', async () => {
    await retain('light-1');
    homie.start();
    await selectKnown(homie, { devices: ['light-1', 'light-2'] }, undefined);
    await selectKnown(homie, { devices: ['light-2', 'light-1'] }, undefined);
    await device.publishAsync('homie/light-2/$stats/uptime', '60', { qos: 1 });
    await selectKnown(homie, { devices: ['light-1', 'light-2', 'light-3'] }, undefined);
    assert.deepEqual(askedFor(), ['light-1', 'light-2', 'light-3']);
    assert.equal(asked.length, 2);
    assert.deepEqual(left.flat().sort(), asked.flat().sort());
  });

  it('is asked again after a reconnect, before what is retained has settled', async () => {
    const ids = Array.from({ length: 50 }, (_none, i) => `light-${i}`);
    for (const id of ids) await retain(id);
    homie.start();
    await selectKnown(homie, { devices: ids }, undefined);
    const settled = once(homie, 'settled');
    ours?.close();
    await settled;
    const states = ids.map((id) => homie.registry.get(id)?.state?.value);
    assert.deepEqual(
      states,
      Array.from({ length: 50 }, () => 'ready'),
    );
  });

  it('does not keep a device waiting behind many that were heard', async () => {
    for (let i = 0; i < 200; i++) await retain(`heard-${i}`);
    await retain('light-1');
    homie.start();
    await homie.settled();
    for (let i = 0; i < 200; i++) await device.publishAsync(`homie/heard-${i}/$stats/uptime`, '60', { qos: 1 });
    await selectKnown(homie, { devices: ['light-1'] }, undefined);
    assert.equal(homie.registry.get('light-1')?.state?.value, 'ready');
    assert.ok(askedFor().length < 100, `${askedFor().length}`);
  });

  it('forgets nothing of which it cannot be told what there is', async () => {
    await retain('light-1', { ...values, $state: 'lost' });
    homie.start();
    await homie.settled();
    const [forgetting] = await forgetDevices(
      { broker: homie, library: new Library() },
      { ...everyDevice, device: ['light-1'] },
      undefined,
      never,
    );
    assert.deepEqual([forgetting?.error?.code, forgetting?.cleared], ['NOT_CLEARED', []]);
    assert.match(forgetting?.error?.message ?? '', /exact topics/);
  });
});

describe('A broker that delivers what is retained for any filter', () => {
  setUp(startAedes);

  it('is never asked for exact topics once it has shown a device', async () => {
    const asked: string[] = [];
    broker.aedes.on('subscribe', (subscriptions) => asked.push(...subscriptions.map(({ topic }) => topic)));
    await device.publishAsync('homie/light-1/$state', 'ready', { qos: 1, retain: true });
    homie.start();
    await selectKnown(homie, { devices: ['light-2'] }, undefined);
    assert.deepEqual(
      asked.filter((topic) => !topic.includes('+')),
      [],
    );
  });

  it('is not said to need exact topics where it has retained nothing', async () => {
    homie.start();
    await selectKnown(homie, { devices: ['light-1'] }, undefined);
    assert.deepEqual(homie.status, { state: 'connected', protocolVersion: 4 });
  });

  it('is not said to need them where a device has published all since we are connected', async () => {
    homie.start();
    await homie.settled();
    // A device of Homie 2 has no $state.
    for (const topic of ['$homie', '$name', '$online', '$fw/name']) {
      await device.publishAsync(`homie/light-1/${topic}`, topic === '$online' ? 'true' : '2.0.1', {
        qos: 1,
        retain: true,
      });
    }
    await selectKnown(homie, { devices: ['light-1'] }, undefined);
    assert.equal(homie.registry.get('light-1')?.state?.value, 'ready');
    assert.equal(homie.needsExactTopics, false);
  });

  it('stays connected where it closes the connection at a subscription of exact topics', async () => {
    const closed = new Set<unknown>();
    broker.aedes.authorizeSubscribe = (client, subscription, callback) => {
      if (!subscription.topic.includes('+')) {
        closed.add(client);
        client?.close();
      }
      callback(null, subscription);
    };
    const watch = homie.watch('light-1');
    homie.start();
    await homie.settled();
    assert.equal(closed.size, 2);
    await device.publishAsync('homie/light-2/$stats/uptime', '60', { qos: 1 });
    await selectKnown(homie, { devices: ['light-3'] }, undefined);
    watch.close();
    assert.deepEqual([closed.size, homie.status.state], [2, 'connected']);
  });
});
