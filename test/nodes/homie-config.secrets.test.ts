import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { NodeMessage } from 'node-red';
import { takePatch } from '../../nodes/homie-config/patch-message';
import { SECRET_NAMES } from '../../src/config/secrets';
import type { TestFlow } from './flow';
import { caughtCode, payload, Scene } from './scene';

const planted = {
  wifi: 'pl4nted-wifi',
  user: 'pl4nted-user',
  mqtt: 'pl4nted-mqtt',
  token: 'pl4nted-token',
  pin: 'pl4nted-pin',
  old: 'pl4nted-old',
};

describe('a secret that homie-config is given', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  it('appears nowhere: in no message, status, log or error', async () => {
    const config = { settings: { apiToken: planted.old, percentage: 42 } };
    const device = await scene.device('my-light', { config });
    await scene.device('forgetful', { config, misbehavior: { forgets: 'settings' } });
    await scene.device('deaf', { config, misbehavior: { deaf: true } });
    await scene.device('anywhere', { config, anyNetwork: true });
    const flow = await scene.config({ secretNames: 'token, pin' });
    const secret = { settings: { apiToken: planted.token, pin: planted.pin } };
    const risky = {
      wifi: { ssid: 'test', password: planted.wifi },
      mqtt: { auth: true, username: planted.user, password: planted.mqtt },
    };

    // Each message with the expected error code.
    const messages: [msg: object, code: string | undefined][] = [
      [{ action: 'get' }, undefined],
      [{ action: 'check', payload: { ...secret, ...risky } }, undefined],
      [{ payload: secret }, undefined],
      [{ payload: secret, options: { force: false }, topic: 'again' }, undefined],
      [{ payload: risky }, 'RISK_NOT_ALLOWED'],
      [{ payload: risky, options: { allowRisky: true, received: 0.5 }, device: 'deaf' }, 'NOT_RECEIVED'],
      [{ payload: risky, options: { allowRisky: true }, device: 'anywhere' }, undefined],
      [{ payload: secret, device: 'forgetful' }, 'VALUE_LOST'],
      [{ payload: JSON.stringify({ wifi: { password: planted.wifi.repeat(9) } }) }, 'CONFIG_RULE'],
      [{ payload: `{"wifi":{"password":"${planted.wifi}"` }, 'PATCH_JSON'],
      [{ payload: [planted.wifi] }, 'PATCH_TYPE'],
      [{ payload: { wifi: { password: '•••' } }, options: { allowRisky: true } }, 'PATCH_MASKED'],
      [{ payload: secret, options: { secretBytes: 'many' } }, 'INVALID_SETTING'],
      [{ payload: secret, copy: secret, device: [] }, 'NO_DEVICE'],
      [{ payload: risky, req: { params: { id: 'my-light' }, body: risky } }, 'RISK_NOT_ALLOWED'],
    ];
    for (const [index, [msg]] of messages.entries()) {
      flow.send(structuredClone(msg));
      await flow.done(index + 1);
    }
    assert.deepEqual(
      flow.dones.map(({ code }) => code),
      messages.map(([, code]) => code),
    );
    assert.deepEqual(JSON.parse(device.file).settings, { percentage: 42, ...secret.settings });

    const failed = messages.filter(([, code]) => code !== undefined).length;
    await flow.caught.nth(failed);
    await flow.completed.nth(messages.length - failed);
    // `get` has no summary.
    await flow.summary.nth(messages.length - 1);
    const all = everything(flow);
    for (const text of [JSON.stringify(all), inspected(all)]) {
      for (const shown of ['•••', 'my-light', 'VALUE_LOST']) assert.ok(text.includes(shown), shown);
      for (const secretText of Object.values(planted)) assert.ok(!text.includes(secretText), secretText);
    }
  });

  it('is not in the result that comes late', async () => {
    const device = await scene.device('sleepy-one', {
      statsInterval: 1,
      config: { settings: { apiToken: planted.old } },
      misbehavior: { notIdle: true },
    });
    const flow = await scene.config({ device: device.id, reboot: '0.6' });
    flow.send({ payload: { settings: { apiToken: planted.token } } });
    assert.equal(caughtCode(await flow.caught.first()), 'NOT_APPLIED');
    device.setIdle(true);
    const late = await flow.progress.first((msg) => payload(msg, 'late') === true);
    assert.deepEqual(payload(late, 'config.differences'), [{ path: 'settings.apiToken', from: '•••', to: '•••' }]);
    assert.ok(!inspected(everything(flow)).includes('pl4nted'));
  });

  it('is taken out of the message that catch and complete nodes get, and not masked there: it could be sent again', () => {
    const body = { wifi: { password: planted.wifi } };
    const req = { params: { id: 'a' }, body };
    const msg: NodeMessage = { _msgid: '1', topic: 't', payload: body, copy: body, req };
    const before = { ...msg };
    assert.deepEqual(takePatch(msg, SECRET_NAMES), before);
    assert.deepEqual(Object.keys(msg), ['_msgid', 'topic', 'req']);
    assert.deepEqual(Reflect.get(Object(msg['req']), 'params'), { id: 'a' });
    assert.equal(Reflect.get(Object(msg['req']), 'body'), undefined);
    assert.equal(req.body, body);
  });

  it('is the only reason to take a patch out of the message', () => {
    for (const content of [{ name: 'New' }, '{"name":"New"}', { settings: { apiToken: null } }, 7, undefined]) {
      const msg: NodeMessage = { _msgid: '1', payload: content };
      takePatch(msg, SECRET_NAMES);
      assert.deepEqual(msg, { _msgid: '1', payload: content });
    }
    for (const content of ['no patch', [1], { settings: { token: 'x' } }, { unknown: { key: 1 } }]) {
      const msg: NodeMessage = { _msgid: '1', payload: content };
      takePatch(msg, SECRET_NAMES);
      assert.deepEqual(msg, { _msgid: '1' });
    }
    const msg: NodeMessage = { _msgid: '1', payload: { name: 'New' } };
    takePatch(msg, undefined);
    assert.deepEqual(msg, { _msgid: '1' });
  });
});

/** Returns everything that a flow could see. */
function everything(flow: TestFlow): unknown[] {
  const inboxes = [flow.result, flow.progress, flow.summary, flow.caught, flow.completed];
  return [...inboxes.map(({ messages }) => messages), flow.statuses, flow.log()];
}

/** Formats a value with what JSON does not show, such as causes and stacks of errors. */
function inspected(value: unknown): string {
  return inspect(value, { depth: Infinity, showHidden: true, maxStringLength: Infinity, maxArrayLength: Infinity });
}
