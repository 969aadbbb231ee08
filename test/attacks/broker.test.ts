import assert from 'node:assert/strict';
import mqtt, { type MqttClient } from 'mqtt';
import { HomieBroker } from '../../src/homie/broker';
import { findBaseTopics } from '../../src/homie/elsewhere';
import { mosquittoAvailable, startMosquitto, type Mosquitto } from '../support/mosquitto';

describe('On a broker where anybody may publish,', () => {
  let server: Mosquitto;
  let attacker: MqttClient;
  let broker: HomieBroker;

  before(async function () {
    if (!mosquittoAvailable()) return this.skip();
    server = await startMosquitto();
    attacker = await mqtt.connectAsync(server.url, { reconnectPeriod: 0 });
    broker = new HomieBroker({ url: server.url, protocolVersion: 5, baseTopic: 'open' });
    broker.start();
    await broker.settled();
  });
  after(async () => {
    await broker?.close();
    await attacker?.endAsync(true);
    await server?.stop();
  });

  it('a message that is larger than any firmware does not come in', async () => {
    const watch = broker.watch('lamp');
    let largest = 0;
    broker.connection.on('message', (_topic, payload) => (largest = Math.max(largest, payload.length)));
    await attacker.publishAsync('open/lamp/$name', Buffer.alloc(33 * 1024 * 1024), { qos: 1 });
    await attacker.publishAsync('open/lamp/$name', Buffer.alloc(1024 * 1024), { qos: 1 });
    await attacker.publishAsync('open/lamp/$state', 'ready', { qos: 1 });
    const event = await watch.next(performance.now() + 15_000);
    assert.equal(event?.attribute, 'state');
    assert.equal(largest, 1024 * 1024);
    assert.equal(broker.status.state, 'connected');
    watch.close();
  });

  it('base topics that somebody has made up are offered only where they can be used, and few of them', async () => {
    const publish = (base: string, device = 'lamp'): Promise<unknown> =>
      attacker.publishAsync(`${base}/${device}/$homie`, '3.0.1', { retain: true, qos: 1 });
    // What has the most devices is offered first.
    for (const base of ['\u{202E}dnekcab', ' ', '$x'])
      for (const device of ['a', 'b', 'c']) await publish(base, device);
    await Promise.all(Array.from({ length: 1500 }, (_none, index) => publish(`fake-${index}`)));
    const { found } = await findBaseTopics(broker.connection);
    assert.equal(found.length, 5);
    for (const base of found) assert.doesNotMatch(base, /[\p{Cc}\u202A-\u202E]|^\$|^\s/u);
  });
});
