import assert from 'node:assert/strict';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { stopFlow, TestFlow } from './flow';
import { caughtCode, configNode, next, running } from './scene';

const devicesNode = { type: 'homie-devices', device: '', state: '', firmware: '', outdated: false, events: false };

describe('A broker that refuses subscriptions', () => {
  let broker: AedesBroker;

  beforeEach(async () => {
    broker = await startAedes();
  });
  afterEach(async () => {
    await stopFlow();
    await broker.close();
  });

  const refuse = (topics: readonly string[]): void => {
    broker.aedes.authorizeSubscribe = (_client, subscription, done) =>
      done(null, topics.some((topic) => subscription.topic.endsWith(topic)) ? null : subscription);
  };
  const settings = (): object => ({ host: '127.0.0.1', port: String(broker.port), baseTopic: 'homie/' });

  it('is shown by the nodes, and told in the log with the ACL as the cause', async () => {
    refuse(['$state', '$mac']);
    const flow = await TestFlow.start(settings());
    const status = await flow.showedError('SUBSCRIBE_REFUSED');
    assert.deepEqual(status, { ...status, fill: 'red', shape: 'ring' });
    assert.match(flow.log(), /does not allow this user to subscribe to homie\/\+\/\$mac, homie\/\+\/\$state\..* ACL/);
  });

  it('is the error of a list, and of an update of devices that cannot be seen', async () => {
    refuse(['$state', '$fw/name', '$implementation/config']);
    const list = await TestFlow.start(settings(), devicesNode);
    list.send({});
    assert.equal(caughtCode(await list.caught.first()), 'SUBSCRIBE_REFUSED');
    await stopFlow();
    const pattern = await TestFlow.start(settings(), { device: 'my-*' });
    pattern.send({ payload: next });
    assert.equal(caughtCode(await pattern.caught.first()), 'SUBSCRIBE_REFUSED');
    await stopFlow();
    const waiting = await TestFlow.start(settings(), { expires: '1' });
    waiting.send({ payload: next });
    assert.equal(caughtCode(await waiting.caught.first()), 'SUBSCRIBE_REFUSED');
    await stopFlow();
    const config = await TestFlow.start(settings(), { ...configNode, received: '1' });
    config.send({ action: 'get' });
    assert.equal(caughtCode(await config.caught.first()), 'SUBSCRIBE_REFUSED');
  });

  it('is the error of an update and a change of a device that lacks a topic for that reason', async () => {
    refuse(['$fw/checksum']);
    const device = new SimulatedDevice({ url: broker.url, id: 'my-light', image: running, uptime: 3600 });
    await device.start();
    try {
      for (const [node, payload] of [
        [{ device: 'my-light' }, next],
        [{ ...configNode, device: 'my-light' }, { name: 'Hall' }],
      ] as const) {
        const flow = await TestFlow.start(settings(), node);
        flow.send({ payload });
        assert.equal(caughtCode(await flow.caught.first()), 'SUBSCRIBE_REFUSED');
        await stopFlow();
      }
      assert.deepEqual([device.received.length, device.patches.length], [0, 0]);
    } finally {
      await device.stop();
    }
  });

  it('is told by the test, which does not say then that there is no device anywhere', async () => {
    refuse(['$state']);
    const flow = await TestFlow.start(settings());
    assert.deepEqual(await flow.test(settings()), {
      connected: true,
      baseTopic: 'homie/',
      devices: 0,
      list: [],
      ready: 0,
      elsewhere: [],
      searched: true,
      lacks: [],
      plainPassword: false,
      receiving: false,
      refused: ['+/$state'],
    });
    refuse(['+/$homie']);
    const answer = await flow.test(settings());
    assert.deepEqual(Reflect.get(answer, 'refused'), ['+/$homie']);
    assert.equal(Reflect.get(answer, 'searched'), false);
  });

  it('is told, though it refuses all', async () => {
    refuse(['']);
    const flow = await TestFlow.start(settings(), devicesNode);
    await flow.showedError('SUBSCRIBE_REFUSED');
    const { refused }: { refused?: unknown } = await flow.test(settings());
    assert.ok(Array.isArray(refused));
    assert.equal(refused.length, 18);
  });
});
