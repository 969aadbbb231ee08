/** Every message of a node has a sentence for people, and so has each device in it. */
import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { next, payload, Scene, state } from './scene';
import { TestFlow, type Inbox } from './flow';

/** Returns the texts of the messages in an inbox, and of the devices in them. */
function textsIn({ messages }: Inbox): string[] {
  const told = messages.flatMap(({ payload: said }: NodeMessage): unknown[] => {
    const { devices = [] }: { devices?: unknown } = Object(said);
    assert.ok(Array.isArray(devices));
    return [...(Array.isArray(said) ? said : [said]), ...devices];
  });
  assert.ok(told.length > 0);
  return told.map((each) => {
    const text: unknown = Reflect.get(Object(each), 'text');
    assert.ok(typeof text === 'string', JSON.stringify(each));
    assert.match(text, /^\S.{5,}[.?]$/, JSON.stringify(each));
    assert.doesNotMatch(text, /undefined|\[object|NaN|\n/);
    return text;
  });
}

describe('a sentence for people', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  it('is in everything that homie-ota tells', async () => {
    await scene.device('my-light', { config: { ota: { enabled: true } } });
    await scene.device('other-light', { misbehavior: { neverBack: true } });
    const flow = await scene.flow({ device: 'my-light, other-light, no-light', expires: '1', reboot: '1' });
    flow.send({ payload: next, action: 'check' });
    flow.send({ payload: next, options: { maxFailures: 0 } });
    await flow.result.nth(3);
    flow.send({ action: 'status' });
    flow.send({ action: 'retry', device: 'nobody' });
    flow.send({ payload: 'no firmware' });
    flow.send({ action: 'cancel' });
    await flow.done(6);
    await flow.summary.nth(6);
    const texts = [...textsIn(flow.progress), ...textsIn(flow.result), ...textsIn(flow.summary)];
    for (const expected of [
      'my-light: updated from my-light 1.0.0 to 1.1.0.',
      'my-light: The device would be updated.',
      'my-light: updating to my-light 1.1.0, rebooting.',
      /^other-light: failed: /,
      /^no-light: waiting\. Never seen; did you mean my-light\?$/,
      /^no-light: timed out: no-light was never seen/,
      /^my-light: refused: /,
    ]) {
      const isSaid = texts.some((text) => (typeof expected === 'string' ? text === expected : expected.test(text)));
      assert.ok(isSaid, `${String(expected)} is not in\n${texts.join('\n')}`);
    }
  });

  it('is in everything that homie-config tells', async () => {
    await scene.device('my-light', { config: { settings: { percentage: 20 } } });
    const flow = await scene.config({ device: 'my-light, no-light', expires: '1', received: '2' });
    flow.send({ action: 'check', payload: { settings: { percentage: 30 } } });
    flow.send({ action: 'get' });
    await flow.result.nth(2);
    flow.send({ payload: { settings: { percentage: 30 } }, device: 'my-light' });
    await flow.result.first(state('succeeded'));
    flow.send({ action: 'status' });
    await flow.done(4);
    const texts = [...textsIn(flow.progress), ...textsIn(flow.result), ...textsIn(flow.summary)];
    for (const expected of ['my-light: configuration read.', 'my-light: configuration changed.']) {
      assert.ok(texts.includes(expected), `${expected} is not in\n${texts.join('\n')}`);
    }
  });

  it('is in what homie-devices answers when it forgets', async () => {
    await (await scene.device('old-light')).stop();
    await scene.device('my-light');
    const flow = await TestFlow.start(scene.broker, { type: 'homie-devices', device: '', state: '', firmware: '' });
    await flow.showed('1/2');
    flow.send({ action: 'forget', device: 'old-light, my-light' });
    assert.ok(Array.isArray((await flow.result.first()).payload));
    const [forgotten, kept] = textsIn(flow.result);
    assert.match(kept ?? '', /^my-light: not forgotten\. my-light is ready/);
    assert.match(forgotten ?? '', /^old-light: forgotten, \d+ retained topics cleared\.$/);
  });

  it('has its short form below the node', async () => {
    const device = await scene.device('my-light');
    await device.stop();
    const flow = await scene.flow({ window: '' });
    flow.send({ payload: next });
    const waiting = await flow.progress.first(state('waiting'));
    assert.equal(payload(waiting, 'text'), 'my-light: waiting, the device is offline.');
    assert.equal((await flow.showed('offline, waiting')).shape, 'ring');
  });
});
