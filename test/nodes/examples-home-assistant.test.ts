import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { connectAsync, type MqttClient } from 'mqtt';
import helper, { type FlowNode } from 'node-red-node-test-helper';
import { blocksOf } from '../docs/markdown';
import { buildEsp8266Image } from '../support/images';
import { mosquittoAvailable, startMosquitto } from '../support/mosquitto';
import { functionOf, readExample } from './example-files';
import { Stage } from './examples-stage';
import { Inbox } from './flow';
import { assertDocumented, configTopic, HomeAssistant, nextMessage, stateOf } from './home-assistant';
import { next, payload, state } from './scene';

const example = 'Home Assistant update entities';

describe(`the example ${example}`, () => {
  let stage: Stage;
  let homeAssistant: HomeAssistant;
  beforeEach(async () => {
    stage = await Stage.open();
    homeAssistant = await HomeAssistant.start(stage.brokerUrl);
  });
  afterEach(async () => {
    await homeAssistant.stop();
    await stage.close();
  });

  const play = (options: { env?: Record<string, string>; more?: FlowNode[] } = {}): Promise<void> =>
    stage.play(example, {
      ...options,
      env: { FIRMWARE_FOLDER: stage.folder, ...options.env },
      nodes: { 'once a second': { duration: '20', units: 'ms' } },
    });
  const offer = async (image: Buffer, version: string): Promise<void> => {
    await writeFile(stage.file(`${version}.bin`), image);
    stage.press('every hour');
  };

  it('makes an entity for each device, which joins the device of another discovery', async () => {
    await stage.device('kitchen-light', { name: 'Kitchen "light"' });
    await stage.device('attic.light');
    await play({ env: { DISCOVERY_PREFIX: 'homeassistant', DEVICE_IDENTIFIER: `homie:${stage.baseTopic}{device}` } });
    stage.press('every minute');
    const config = await homeAssistant.discovers('kitchen-light');
    assertDocumented(config);
    assert.deepEqual(config, {
      name: 'Firmware',
      unique_id: 'homie_ota_kitchen-light',
      state_topic: 'homie-ota/kitchen-light/state',
      command_topic: 'homie-ota/kitchen-light/install',
      payload_install: 'install',
      device_class: 'firmware',
      entity_category: 'config',
      availability: [{ topic: 'homie-ota/status' }],
      device: { identifiers: [`homie:${stage.baseTopic}kitchen-light`], name: 'Kitchen "light"' },
      origin: { name: 'node-red-homie-ota' },
      qos: 1,
    });
    await homeAssistant.hears('homie-ota/status', (text) => text === 'online');
    assert.deepEqual(await homeAssistant.shows('kitchen-light', () => true), {
      installed_version: '1.0.0',
      latest_version: '1.0.0',
      title: 'my-light',
      release_summary: '',
      in_progress: false,
      update_percentage: null,
    });
    // A dot is not allowed in a discovery topic.
    assert.deepEqual(homeAssistant.texts(configTopic('attic.light')), []);

    const later = await HomeAssistant.start(stage.brokerUrl);
    await later.hears('homie-ota/kitchen-light/state');
    await later.discovers('kitchen-light');
    await later.hears('homie-ota/status');
    assert.deepEqual(
      later.retained().sort(),
      [configTopic('kitchen-light'), 'homie-ota/kitchen-light/state', 'homie-ota/status'].sort(),
    );
    await later.stop();
  });

  it('shows what is on offer, installs it with progress, and shows the new version when it is proven', async () => {
    const device = await stage.device('kitchen-light', { segment: 536, flashDelay: 10 });
    const other = await stage.device('hall-light');
    const image = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 200_000, seed: 3 });
    await play();
    await offer(image, '1.2.0');
    for (const id of ['kitchen-light', 'hall-light']) {
      const shown = await homeAssistant.shows(id, ({ latest_version: latest }) => latest === '1.2.0');
      assert.deepEqual([shown.installed_version, shown.in_progress], ['1.0.0', false]);
    }
    assert.deepEqual([device.received.length, other.received.length], [0, 0]);

    await homeAssistant.install('kitchen-light');
    const early = await homeAssistant.shows('kitchen-light', ({ in_progress: inProgress }) => inProgress);
    assert.deepEqual([early.installed_version, early.latest_version], ['1.0.0', '1.2.0']);
    await homeAssistant.shows('kitchen-light', ({ update_percentage: percentage }) => Number(percentage) > 0);
    await stage.shown('result').first(state('succeeded'));
    const done = await homeAssistant.shows(
      'kitchen-light',
      (each) => each.installed_version === '1.2.0' && !each.in_progress,
    );
    assert.deepEqual([done.latest_version, done.update_percentage], ['1.2.0', null]);
    assert.deepEqual(device.image, image);
    assert.deepEqual([device.received.length, other.received.length], [1, 0]);
  });

  it('shows the notes of a release, as far as Home Assistant takes them', async () => {
    await stage.device('kitchen-light');
    await play();
    const notes = `Dims smoothly. ${'💡'.repeat(300)}`;
    const firmware = { name: 'my-light', version: '1.1.0', notes };
    stage.send('change', 'set action', { payload: next, firmware });
    const shown = await homeAssistant.shows('kitchen-light', (each) => each.release_summary !== '');
    assert.equal(shown.release_summary, `Dims smoothly. ${'💡'.repeat(240)}`);
  });

  it('sends nothing for a retained command, for one that names no single device, and for any other text', async () => {
    const devices = [await stage.device('a'), await stage.device('b')];
    const last = await stage.device('last');
    await homeAssistant.publish('homie-ota/a/install', 'install', true);
    await play();
    await offer(next, '1.1.0');
    for (const id of ['a', 'b', 'last']) {
      await homeAssistant.shows(id, ({ latest_version: latest }) => latest === '1.1.0');
    }
    for (const level of ['*', 'a,b', 'a b', '']) await homeAssistant.publish(`homie-ota/${level}/install`, 'install');
    for (const text of ['', 'INSTALL', 'install ', '{"action":"update"}']) {
      await homeAssistant.publish('homie-ota/b/install', text);
    }
    await homeAssistant.install('last');
    const result = await stage.shown('result').first();
    assert.equal(payload(result, 'device'), 'last');
    assert.equal(payload(result, 'state'), 'succeeded');
    assert.deepEqual(
      [...devices, last].map(({ received }) => received.length),
      [0, 0, 1],
    );
  });

  it('sends nothing to a device for which nothing is on offer', async () => {
    const device = await stage.device('kitchen-light');
    await play();
    stage.press('every minute');
    await homeAssistant.install('kitchen-light');
    const result = await stage.shown('result').first();
    assert.equal(payload(result, 'error.code'), 'NOTHING_ON_OFFER');
    await stage.shown('error').first();
    assert.equal(device.received.length, 0);
  });

  it('removes the entity of a device that is forgotten', async () => {
    const device = await stage.device('kitchen-light');
    await stage.device('hall-light');
    const nodes = readExample(example);
    const devices = nodes.find(({ type }) => type === 'homie-devices');
    const differences = nodes.find(({ name }) => name === 'find changes');
    assert.ok(devices !== undefined && differences !== undefined);
    await play({ more: [{ ...devices, id: 'forget', name: 'forget', wires: [] }] });
    const lists = new Inbox(helper.getNode(differences.id));
    stage.press('every minute');
    await homeAssistant.discovers('kitchen-light');
    await homeAssistant.discovers('hall-light');
    await device.stop();
    await lists.first((list) => payload(list, '1.id') === 'kitchen-light' && payload(list, '1.state') === 'lost');
    stage.send('homie-devices', 'forget', { action: 'forget', device: 'kitchen-light' });
    await homeAssistant.hears(configTopic('kitchen-light'), (text) => text === '');
    await homeAssistant.hears('homie-ota/kitchen-light/state', (text) => text === '');
    assert.ok(!homeAssistant.texts(configTopic('hall-light')).includes(''));
  });

  it('removes the entity of a device that has gone while Node-RED was not running', async () => {
    await stage.device('kitchen-light');
    const old = { installed_version: '1.0.0', latest_version: '1.0.0' };
    await homeAssistant.publish('homie-ota/old-lamp/state', JSON.stringify(old), true);
    await homeAssistant.publish(configTopic('old-lamp'), '{}', true);
    await play();
    await homeAssistant.hears(configTopic('old-lamp'), (text) => text === '');
    await homeAssistant.hears('homie-ota/old-lamp/state', (text) => text === '');
    const { installed_version: installed } = await homeAssistant.shows('kitchen-light', () => true);
    assert.equal(installed, '1.0.0');
  });

  it('publishes everything again after each connection', async () => {
    await stage.device('kitchen-light');
    await play();
    await homeAssistant.discovers('kitchen-light');
    await homeAssistant.publish(configTopic('kitchen-light'), '', true);
    await homeAssistant.hears(configTopic('kitchen-light'), (text) => text === '');
    const count = homeAssistant.texts(configTopic('kitchen-light')).length;
    await homeAssistant.publish('homie-ota/status', 'online', true);
    await homeAssistant.hears(configTopic('kitchen-light'), () => true, count + 1);
    assert.notEqual(homeAssistant.texts(configTopic('kitchen-light'))[count], '');
  });

  describe('compares what it published with a list of devices, and', () => {
    const memory = new Map<string, unknown>();
    const flow = {
      get: (name: string) => memory.get(name),
      set: (name: string, value: unknown) => memory.set(name, value),
    };
    const env = { get: (name: string) => ({ DISCOVERY_PREFIX: 'homeassistant', DEVICE_IDENTIFIER: 'x' })[name] };
    const run = functionOf(example, 'find changes', 'msg', 'flow', 'env');
    const published = (...updates: object[]): { topic: string; payload: string }[] => {
      const firmware = { name: 'my-light', version: '1.1.0', checksum: 'c' };
      return Object(run({ payload: updates.map((update) => ({ id: 'a', firmware, update })) }, flow, env))[0];
    };
    beforeEach(() => memory.clear());

    it('publishes only what has changed', () => {
      const topics = (...updates: object[]): string[] => published(...updates).map(({ topic }) => topic);
      const all = [configTopic('a'), 'homie-ota/a/state'];
      assert.deepEqual(topics({}), all);
      assert.deepEqual(topics({}), []);
      assert.deepEqual(topics({ state: 'available', offered: '1.2.0' }), ['homie-ota/a/state']);
      assert.deepEqual(topics(), all);
      assert.deepEqual(topics(), []);
    });

    it('shows no update that homie-ota would not install', () => {
      const states = ['up_to_date', 'available', 'newer_installed', 'held', 'scheduled', 'updating'];
      const latest = states.map((each) => {
        memory.clear();
        const [, shown] = published({ offered: '1.2.0', state: each });
        return `${each} ${stateOf(shown?.payload ?? '').latest_version}`;
      });
      assert.deepEqual(latest, [
        'up_to_date 1.1.0',
        'available 1.2.0',
        'newer_installed 1.1.0',
        'held 1.1.0',
        'scheduled 1.2.0',
        'updating 1.2.0',
      ]);
    });
  });
});

describe('the ACL for Home Assistant', () => {
  it('lets Home Assistant start an update, and no other user', async function () {
    if (!mosquittoAvailable()) this.skip();
    const acl = ['docs/brokers.md', 'docs/home-assistant.md']
      .flatMap(blocksOf)
      .filter(({ about }) => about === 'acl')
      .flatMap(({ text }) => text.split('\n'));
    // Without passwords, mosquitto takes any username, and the ACL applies to it.
    const mosquitto = await startMosquitto({ acl });
    const clients: MqttClient[] = [];
    const connect = async (username: string): Promise<MqttClient> => {
      const client = await connectAsync(mosquitto.url, { username, password: 'any' });
      clients.push(client);
      return client;
    };
    const nodeRed = await connect('node-red');
    const heard: string[] = [];
    nodeRed.on('message', (topic, text) => heard.push(`${topic} ${text.toString()}`));
    await nodeRed.subscribeAsync(['homie-ota/+/install', 'homie-ota/+/state', 'homie-ota/status'], { qos: 1 });
    for (const user of ['dashboard', 'kitchen-light', 'stranger', 'home-assistant']) {
      const client = await connect(user);
      await client.publishAsync('homie-ota/my-light/state', 'forged', { qos: 1 });
      await client.publishAsync('homie-ota/my-light/install', user, { qos: 1 });
    }
    while (heard.length === 0) await nextMessage(nodeRed);
    assert.deepEqual(heard, ['homie-ota/my-light/install home-assistant']);

    const [, , , , homeAssistant] = clients;
    assert.ok(homeAssistant !== undefined);
    const read: string[] = [];
    homeAssistant.on('message', (topic) => read.push(topic));
    await homeAssistant.subscribeAsync(['homeassistant/#', 'homie-ota/#'], { qos: 1 });
    const topics = [configTopic('my-light'), 'homie-ota/my-light/state', 'homie-ota/status'];
    for (const topic of topics) await nodeRed.publishAsync(topic, 'text', { qos: 1, retain: true });
    while (read.length < topics.length) await nextMessage(homeAssistant);
    assert.deepEqual(read, topics);
    for (const client of clients) await client.endAsync();
    await mosquitto.stop();
  });
});
