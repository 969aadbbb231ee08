import assert from 'node:assert/strict';
import fc from 'fast-check';
import helper from 'node-red-node-test-helper';
import { buildEsp8266Image } from '../support/images';
import { TestFlow } from './flow';
import { caughtCode, next, payload, Scene } from './scene';

describe('homie-ota, of what comes in', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  describe('takes the device', () => {
    it('from its own field, with commas between several', async () => {
      assert.deepEqual(await typed(scene, 'str', 'a, b'), ['a', 'b']);
    });
    it('from any property of the message', async () => {
      assert.deepEqual(await typed(scene, 'msg', 'target.id', { target: { id: 'from-msg' } }), ['from-msg']);
    });
    it('from the context of the flow', async () => {
      assert.deepEqual(await typed(scene, 'flow', 'lights'), ['from-flow', 'also-from-flow']);
    });
    it('from the global context', async () => {
      assert.deepEqual(await typed(scene, 'global', 'light.id'), ['from-global']);
    });
    it('from an environment variable', async () => {
      process.env['TEST_LIGHT'] = 'from-env';
      assert.deepEqual(await typed(scene, 'env', 'TEST_LIGHT'), ['from-env']);
      delete process.env['TEST_LIGHT'];
    });
    it('from msg.device before all others', async () => {
      assert.deepEqual(await typed(scene, 'str', 'a', { device: 'b' }), ['b']);
    });
    it('from msg.device even where all devices are chosen', async () => {
      assert.deepEqual(await typed(scene, 'all', '', { device: ['b', 'c'] }), ['b', 'c']);
    });
  });

  it('refuses a message without a device: nothing empty means all', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.flow({ device: '' });
    flow.send({ payload: next });
    flow.send({ payload: next, device: [] });
    const caught = await flow.caught.nth(2);
    assert.equal(caughtCode(caught), 'NO_DEVICE');
    assert.equal(device.received.length, 0);
    assert.equal(flow.result.messages.length, 0);
    const summary = await flow.summary.first();
    assert.equal(payload(summary, 'state'), 'rejected');
    assert.equal(payload(summary, 'error.code'), 'NO_DEVICE');
  });

  it('refuses what is no firmware, with a result for each device that was meant, and sends nothing', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.flow();
    flow.send({ payload: Buffer.from('<!DOCTYPE html><title>Not found</title>'), device: 'my-light,other' });
    const caught = await flow.caught.first();
    assert.equal(caughtCode(caught), 'FIRMWARE_IS_HTML');
    // The message is the sentence alone, without the name of a class in front of it.
    assert.match(String(Reflect.get(Object(caught['error']), 'message')), /^my-light, other: This is an HTML page/);
    assert.deepEqual(
      flow.result.messages.map((msg) => [payload(msg, 'device'), payload(msg, 'state'), payload(msg, 'error.code')]),
      [
        ['my-light', 'rejected', 'FIRMWARE_IS_HTML'],
        ['other', 'rejected', 'FIRMWARE_IS_HTML'],
      ],
    );
    const summary = await flow.summary.first();
    assert.deepEqual(payload(summary, 'counts'), { rejected: 2 });
    assert.equal(flow.summary.messages.length, 1);
    assert.equal(flow.completed.messages.length, 0);
    assert.equal(device.received.length, 0);
  });

  it('refuses a firmware that has another checksum than the message says', async () => {
    const flow = await scene.flow();
    flow.send({ payload: next, checksum: 'd41d8cd98f00b204e9800998ecf8427e' });
    assert.equal(caughtCode(await flow.caught.first()), 'CHECKSUM_MISMATCH');
    await flow.showedError('CHECKSUM_MISMATCH');
  });

  it('refuses a device id that is none, under the job that it has told of', async () => {
    const flow = await scene.flow();
    flow.send({ payload: next, device: '+' });
    assert.equal(caughtCode(await flow.caught.first()), 'INVALID_DEVICE_ID');
    const result = await flow.result.first();
    assert.equal(payload(result, 'state'), 'rejected');
    const [queued, rejected] = flow.progress.messages;
    assert.deepEqual(rejected?.payload, result.payload);
    assert.equal(queued && payload(queued, 'job'), payload(result, 'job'));
  });

  it('refuses a firmware that no device runs, where all devices that run it are selected', async () => {
    await scene.device('my-light');
    const flow = await scene.flow({ deviceType: 'all' });
    flow.send({ payload: buildEsp8266Image({ name: 'nobody', seed: 5 }) });
    assert.equal(caughtCode(await flow.caught.first()), 'NO_MATCH');
    const summary = await flow.summary.first();
    const queued = await flow.progress.first();
    assert.equal(payload(summary, 'job'), payload(queued, 'job'));
    assert.equal(payload(summary, 'state'), 'rejected');
  });

  it('refuses an action that it does not know, and lists those that it knows', async () => {
    const flow = await scene.flow();
    flow.send({ action: 'stop' });
    const { error, ...rest } = await flow.caught.first();
    assert.equal(caughtCode({ error, ...rest }), 'UNKNOWN_ACTION');
    assert.match(
      String(Reflect.get(Object(error), 'message')),
      /"stop".*update, check, offer, withdraw, rollback, cancel, pause, resume, retry, status/,
    );
  });

  it('takes settings from the message before its own', async () => {
    const device = await scene.device('my-light', { image: next });
    const flow = await scene.flow({ force: false });
    flow.send({ payload: next, options: { force: true } });
    assert.equal(payload(await flow.result.first(), 'state'), 'succeeded');
    assert.equal(device.received.length, 1);
  });

  it('refuses a setting of the message that makes no sense, and names it', async () => {
    const flow = await scene.flow();
    flow.send({ payload: next, options: { attempts: 'many' } });
    const caught = await flow.caught.first();
    assert.equal(caughtCode(caught), 'INVALID_SETTING');
    assert.match(String(Reflect.get(Object(caught['error']), 'message')), /attempts must be/);
  });

  it('tells of an own setting that makes no sense when it is deployed, and refuses every message', async () => {
    const flow = await TestFlow.start(scene.broker, { stall: 'for ever' });
    await flow.showedError('INVALID_SETTING');
    assert.match(flow.log(), /stall must be/);
    flow.send({ payload: next });
    assert.equal(caughtCode(await flow.caught.first()), 'INVALID_SETTING');
  });

  it('refuses everything without a homie-broker', async () => {
    const flow = await TestFlow.start(scene.broker, { broker: 'gone' });
    await flow.showedError('NO_BROKER');
    flow.send({ payload: next });
    assert.equal(caughtCode(await flow.caught.first()), 'NO_BROKER');
  });

  it('answers any message with one summary, and is done once, whatever is in it', async () => {
    const flow = await scene.flow({ expires: '0' });
    const anything = fc.oneof(fc.anything(), fc.constantFrom('', 'update', 'check', 'cancel', 'status', 'my-light'));
    const any = (names: string[]): Record<string, fc.Arbitrary<unknown>> =>
      Object.fromEntries(names.map((name) => [name, anything]));
    const options = fc.record(any(['matchFirmware', 'attempts', 'expires', 'encoding']), { requiredKeys: [] });
    const msg = fc.record(
      { ...any(['action', 'device', 'payload', 'job', 'checksum']), options: fc.oneof(options, anything) },
      { requiredKeys: [] },
    );
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(msg, async (generated) => {
        flow.send({ ...generated });
        sent += 1;
        const summary = await flow.summary.nth(sent);
        assert.equal(typeof payload(summary, 'text'), 'string');
        await flow.done(sent);
      }),
      { numRuns: 200 },
    );
    assert.equal(flow.summary.messages.length, sent);
    assert.equal(flow.dones.length, sent);
  });

  it('keeps the password of the broker out of messages and the log', async () => {
    const password = 'correct horse battery staple';
    await scene.device('my-light');
    const flow = await scene.flow({}, { credentials: { broker: { user: 'anna', password } } });
    flow.send({ payload: next });
    flow.send({ payload: 'no firmware', device: 'other' });
    await flow.completed.first();
    await flow.caught.first();
    const boxes = [flow.result, flow.progress, flow.summary, flow.caught, flow.completed];
    const all = `${JSON.stringify(boxes.map(({ messages }) => messages))} ${JSON.stringify(flow.statuses)} ${flow.log()}`;
    assert.ok(!all.includes(password));
    assert.ok(all.includes('my-light'));
  });
});

function flowContext(type: 'flow' | 'global'): { set(name: string, value: unknown): void } {
  return helper.getNode('ota').context()[type];
}

/** Returns the devices with a result when a homie-ota with this device field gets this message. */
async function typed(scene: Scene, deviceType: string, device: string, msg: object = {}): Promise<unknown> {
  const flow = await scene.flow({ deviceType, device, expires: '0' });
  flowContext('flow').set('lights', ['from-flow', 'also-from-flow']);
  flowContext('global').set('light', { id: 'from-global' });
  flow.send({ payload: next, ...msg });
  await flow.summary.first();
  return flow.result.messages.map((result) => payload(result, 'device'));
}
