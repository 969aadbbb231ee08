import assert from 'node:assert/strict';
import { connectAsync, type MqttClient } from 'mqtt';
import { HomieBroker } from '../../src/homie/broker';
import { findBaseTopics } from '../../src/homie/find-base-topics';
import { SimulatedDevice } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { running } from '../support/images';
import { untilTrue } from '../support/until-true';

describeWithBrokers('devices of convention 5', (start) => {
  let broker: TestBroker;
  let client: MqttClient;
  let device: SimulatedDevice;
  const homies: HomieBroker[] = [];

  before(async () => {
    broker = await start();
    client = await connectAsync(broker.url);
    device = new SimulatedDevice({ url: broker.url, id: 'lamp', name: 'Lamp', image: running, convention: 5 });
    await device.start();
  });
  afterEach(() => Promise.all(homies.splice(0).map((homie) => homie.close())));
  after(async () => {
    await device?.stop();
    await client?.endAsync();
    await broker?.stop();
  });

  const connect = async (baseTopic: string): Promise<HomieBroker> => {
    const homie = new HomieBroker({
      url: broker.url,
      protocolVersion: 'auto',
      baseTopic,
      reconnect: { min: 20, max: 100 },
    });
    homies.push(homie);
    homie.start();
    await homie.settled();
    return homie;
  };
  const retain = (topic: string, payload: string): Promise<unknown> =>
    client.publishAsync(topic, payload, { qos: 1, retain: true });

  it('are known with the name in their description', async () => {
    const { registry } = await connect('homie/5/');
    const lamp = registry.get('lamp');
    assert.equal(lamp?.name?.value, 'Lamp');
    assert.equal(lamp?.state?.value, 'ready');
    assert.equal(lamp?.homie, undefined);
  });

  it('are found below the base topic of their configuration, and when nothing is known of it', async () => {
    const { connection } = await connect('homie/');
    assert.deepEqual(await findBaseTopics(connection, 'homie/'), { found: ['homie/5/'], isComplete: true });
    const { found } = await findBaseTopics((await connect('empty/')).connection);
    assert.deepEqual(found, ['homie/5/']);
  });

  it('are not taken for those of other firmware, and garbage in a description harms nothing', async () => {
    const garbage = [
      '{',
      '[]',
      'null',
      '"x"',
      '{"name":1}',
      '{"name":{"toString":1},"extensions":[{"toString":1}]}',
      '{"extensions":{"length":1e9}}',
      '{"extensions":["org.other.extension"],"name":"Other"}',
      `{"name":"${'x'.repeat(300)}"}`,
      '['.repeat(30_000),
    ];
    const homie = await connect('other/5/');
    try {
      for (const [index, text] of garbage.entries()) {
        await retain(`other/5/device-${index}/$description`, text);
        await retain(`other/5/device-${index}/$fw/checksum`, '0'.repeat(32));
      }
      await untilTrue(homie.registry, 'event', () => homie.registry.devices.size === garbage.length);
      const names = garbage.map((_text, index) => homie.registry.get(`device-${index}`)?.name?.value);
      assert.deepEqual(
        names.filter((name) => name !== undefined),
        ['Other'],
      );
      assert.deepEqual((await findBaseTopics(homie.connection, 'other/')).found, []);
    } finally {
      for (const index of garbage.keys()) {
        for (const name of ['$description', '$fw/checksum']) await retain(`other/5/device-${index}/${name}`, '');
      }
    }
  });
});
