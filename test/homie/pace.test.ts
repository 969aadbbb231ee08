import assert from 'node:assert/strict';
import { once } from 'node:events';
import mqtt, { type MqttClient } from 'mqtt';
import { HomieBroker } from '../../src/homie/broker';
import { findBaseTopics } from '../../src/homie/find-base-topics';
import { untilReady } from '../../src/homie/presence';
import { retainedBelow } from '../../src/homie/retained';
import { selectDevices, selectKnown } from '../../src/homie/select';
import { listDevices } from '../../src/devices/list';
import { everyDevice } from '../../src/devices/query';
import { startAedes, type AedesBroker } from '../support/aedes';
import { startPace, type Pace } from '../support/pace';

const COUNT = 120;
const md5 = 'd41d8cd98f00b204e9800998ecf8427e';
const never = new AbortController().signal;
const reconnect = { min: 10, max: 50 };

describe('A broker that sends what it has retained at a limited rate', () => {
  let broker: AedesBroker;
  let device: MqttClient;
  let pace: Pace;
  let homie: HomieBroker;

  beforeEach(async () => {
    broker = await startAedes();
    device = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
    const values = { '$fw/name': 'light', '$fw/checksum': md5, $implementation: 'esp8266', $state: 'ready' };
    for (let i = 0; i < COUNT; i++) {
      for (const [topic, value] of Object.entries(values)) {
        await device.publishAsync(`homie/device-${i}/${topic}`, value, { qos: 1, retain: true });
      }
    }
  });
  afterEach(async () => {
    await homie.close();
    await pace.close();
    await device.endAsync();
    await broker.close();
  });

  async function startPaced(batch: number, every: number): Promise<void> {
    pace = await startPace(broker.port, batch, every);
    const url = `mqtt://127.0.0.1:${pace.port}`;
    homie = new HomieBroker({ url, protocolVersion: 4, baseTopic: 'homie', reconnect });
    homie.start();
  }

  const ready = (): number =>
    [...homie.registry.devices.values()].filter(({ state }) => state?.value === 'ready').length;

  it('is waited for beyond 5 s, and is said to be sending still', async () => {
    await startPaced(3, 50);
    const statuses: unknown[] = [];
    homie.on('status', (status) => status.state === 'connected' && statuses.push(status.receiving));
    await homie.settled();
    assert.equal(ready(), COUNT);
    assert.deepEqual(statuses, [undefined, true, undefined]);
    assert.equal(homie.isReceiving, false);
  });

  it('is waited for when it pauses between batches', async () => {
    await startPaced(COUNT, 700);
    await homie.settled();
    assert.equal(ready(), COUNT);
  });

  it('does not make anything conclude that a device is missing', async () => {
    await startPaced(3, 50);
    const last = `device-${COUNT - 1}`;
    const watch = homie.watch(last);
    const [listed, chosen, known, found] = await Promise.all([
      listDevices({ broker: homie }, everyDevice, undefined, never),
      selectDevices(homie, { runningThisFirmware: true }, 'light', never),
      selectKnown(homie, { devices: [`*-${COUNT - 1}`] }, undefined),
      untilReady(homie, watch, last, performance.now(), never),
    ]);
    assert.deepEqual([listed.length, chosen.length, known, found.id], [COUNT, COUNT, [last], last]);
    watch.close();
  });

  it('is looked through to the end for other base topics, and for the topics of a device', async () => {
    pace = await startPace(broker.port, 10, 100);
    for (let i = 0; i < COUNT; i++) {
      await device.publishAsync(`others/device-${i}/$homie`, '3.0.1', { qos: 1, retain: true });
    }
    const url = `mqtt://127.0.0.1:${pace.port}`;
    homie = new HomieBroker({ url, protocolVersion: 4, baseTopic: 'empty', reconnect });
    homie.connection.connect();
    await once(homie.connection, 'subscribed');
    assert.deepEqual(await findBaseTopics(homie.connection), { found: ['others/'], isComplete: true });
    for (let i = 0; i < 600; i++) {
      await device.publishAsync(`homie/large/node-${i}/on`, 'x', { qos: 1, retain: true });
    }
    assert.equal((await retainedBelow(homie, 'homie/large', never)).length, 600);
  });
});
