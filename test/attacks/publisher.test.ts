/**
 * Somebody who may publish anything, since the broker has no ACL. See registry.test.ts for the registry, and
 * test/nodes/publisher.test.ts for the nodes.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import mqtt, { type MqttClient } from 'mqtt';
import { md5 } from '../../src/firmware/checksum';
import { HomieBroker } from '../../src/homie/broker';
import { findBaseTopics } from '../../src/homie/find-base-topics';
import { codeOf, Lab, next, raw, running } from '../ota/lab';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { describeIf } from '../support/describe-if';
import { buildEsp8266Image } from '../support/images';
import { resetLocks } from '../support/locks';
import { mosquittoAvailable, startMosquitto, type Mosquitto } from '../support/mosquitto';
import { untilTrue } from '../support/until-true';

describeIf(mosquittoAvailable())('On a broker where anybody may publish,', () => {
  let server: Mosquitto;
  let attacker: MqttClient;
  let broker: HomieBroker;

  before(async () => {
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
    broker.connection.on('message', (_topic, { length }) => (largest = Math.max(largest, length)));
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

describeWithBrokers('Where anybody may publish, somebody', (start) => {
  let server: TestBroker;
  let lab: Lab;
  let attacker: MqttClient;

  beforeEach(async () => {
    server = await start();
    lab = await Lab.open(server.url, { id: 'lamp', statsInterval: 1 });
    attacker = await mqtt.connectAsync(server.url, { protocolVersion: 4, reconnectPeriod: 0 });
  });
  afterEach(async () => {
    await attacker.endAsync(true);
    await lab.close();
    await server.stop();
    resetLocks();
  });
  const say = (topic: string, text: string | Buffer, retain = false): Promise<unknown> =>
    attacker.publishAsync(`homie/lamp/${topic}`, text, { qos: 1, retain });

  it('can put another firmware on a device, change its configuration and erase it, as SECURITY.md says', async () => {
    const { device } = lab;
    const other = buildEsp8266Image({ name: 'other', version: '9.9.9', size: 60_000 });
    const rebooted = once(device, 'ready');
    await say(`$implementation/ota/firmware/${await md5(other)}`, other);
    await rebooted;
    assert.equal(device.checksum, await md5(other));
    const changed = once(device, 'ready');
    await say('$implementation/config/set', '{"name":"taken"}');
    await changed;
    assert.equal(JSON.parse(device.file).name, 'taken');
    const erased = new Promise<void>((resolve) => {
      device.on('phase', (phase) => void (phase === 'off' && resolve()));
    });
    await say('$implementation/reset', 'true');
    await erased;
  });

  it('can make up the success of an update, as SECURITY.md says, and the device stays what it is', async () => {
    const { device } = lab;
    device.misbehavior = { notIdle: true };
    const sum = await md5(next);
    device.on('status', (status) => {
      if (status !== '200') return;
      void (async () => {
        await say('$state', 'init');
        await say('$fw/checksum', sum);
        await say('$state', 'ready');
        await say('$stats/uptime', '1');
      })();
    });
    const { outcome } = await lab.bring(await raw(next), { recoverReboot: false });
    assert.equal(codeOf(outcome), 'succeeded');
    assert.equal(device.checksum, await md5(running));
  });

  it('cannot make up a success by what was retained before the update', async () => {
    const { device } = lab;
    for (const [topic, text] of [
      ['$fw/checksum', await md5(next)],
      ['$stats/uptime', '1'],
      ['$implementation/ota/status', '200'],
    ] as const)
      await say(topic, text, true);
    const later = await lab.later();
    device.misbehavior = { notIdle: true };
    const { outcome } = await later.bring(await raw(next), { reboot: 1000, recoverReboot: false, force: true });
    assert.notEqual(outcome.state, 'succeeded');
    await later.broker.close();
  });

  it('brings no image onto a device by itself: with no job nothing is sent, whatever is claimed', async () => {
    const { device, broker } = lab;
    let sent = 0;
    const images = await mqtt.connectAsync(server.url, { protocolVersion: 4, reconnectPeriod: 0 });
    await images.subscribeAsync([
      'homie/+/$implementation/ota/firmware/+',
      'homie/+/$implementation/config/set',
      'end',
    ]);
    const ended = new Promise<void>((resolve) => {
      images.on('message', (topic) => (topic === 'end' ? resolve() : void (sent += 1)));
    });
    for (const [topic, text] of [
      ['$fw/version', '0.0.1'],
      ['$implementation/ota/status', '400 BAD_CHECKSUM'],
      ['$implementation/ota/status', '202'],
      ['$state', 'init'],
      ['$state', 'ready'],
    ] as const)
      await say(topic, text);
    await untilTrue(broker.registry, 'event', () => broker.registry.get('lamp')?.fwVersion?.value === '0.0.1');
    await attacker.publishAsync('end', '', { qos: 1 });
    await ended;
    assert.deepEqual([sent, device.received, device.patches], [0, [], []]);
    await images.endAsync(true);
  });
});
