import assert from 'node:assert/strict';
import helper from 'node-red-node-test-helper';
import { stopFlow } from './flow';
import { caughtCode, configNode, next, payload, Scene, state } from './scene';
import { untilTrue } from '../support/until-true';

const patch = { settings: { percentage: 7 } };
const texts = { a: 'a'.repeat(100), b: 'b'.repeat(100), c: 'c'.repeat(100) };

describe('homie-config, when it changes a configuration', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  it('tells the job at once, then the progress, then result and summary, and is done', async () => {
    const device = await scene.device('my-light', { config: { settings: { percentage: 42 } } });
    const flow = await scene.config();
    flow.send({ payload: patch });
    const queued = await flow.progress.first();
    assert.equal(payload(queued, 'state'), 'queued');
    const job = payload(queued, 'job');

    const result = await flow.result.first();
    assert.equal(payload(result, 'job'), job);
    assert.equal(payload(result, 'state'), 'succeeded');
    assert.equal(payload(result, 'reboot'), 'proven');
    assert.deepEqual(payload(result, 'config.taken'), ['settings.percentage']);
    assert.deepEqual(payload(result, 'config.differences'), [{ path: 'settings.percentage', from: 42, to: 7 }]);
    const summary = await flow.summary.first();
    assert.deepEqual(payload(summary, 'counts'), { succeeded: 1 });
    await flow.done();
    assert.deepEqual(flow.dones, [{ code: undefined }]);

    const phases = flow.progress.messages.map((msg) => payload(msg, 'phase')).filter((phase) => phase !== undefined);
    assert.deepEqual([...new Set(phases)], ['sending', 'received', 'rebooting', 'verifying']);
    assert.deepEqual(JSON.parse(device.file).settings, { percentage: 7 });
    assert.equal(device.patches.length, 1);
    await flow.showed('changed');
  });

  it('says of a key that the device does not know that nothing came of it, and which one was probably meant', async () => {
    const device = await scene.device('my-light', { config: { settings: { percentage: 42 } } });
    const flow = await scene.config();
    flow.send({ payload: { percentage: 5 } });
    const result = await flow.result.first();
    assert.equal(payload(result, 'state'), 'succeeded');
    const sentence = 'Homie does not know percentage and ignores it; did you mean settings.percentage?';
    assert.equal(payload(result, 'hint'), sentence);
    assert.equal(payload(await flow.summary.first(), 'text'), `my-light: configuration changed. ${sentence}`);
    const status = await flow.showed('unknown key');
    assert.equal(status.fill, 'yellow');
    assert.equal(JSON.parse(device.file).percentage, 5);
  });

  it('names each unknown key once for all devices of a job', async () => {
    for (const id of ['a', 'b']) await scene.device(id);
    const flow = await scene.config({ device: 'a,b' });
    flow.send({ payload: { colour: 5 } });
    assert.equal(
      payload(await flow.summary.first(), 'text'),
      '2 devices: 2 changed (a, b). Homie does not know colour and ignores it; values of the sketch belong in settings.',
    );
    assert.equal((await flow.showed('✓2 ⚠2')).fill, 'yellow');
  });

  it('takes JSON text as well', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.config();
    flow.send({ payload: '{"name": "Kitchen light"}' });
    assert.equal(payload(await flow.result.first(), 'state'), 'succeeded');
    assert.equal(JSON.parse(device.file).name, 'Kitchen light');
  });

  it('keeps the properties of the message, and neither changes the patch nor sends it on', async () => {
    await scene.device('my-light');
    const flow = await scene.config();
    const mine = structuredClone(patch);
    flow.send({ payload: mine, copy: mine, asked: 'kept', nested: { a: 1 } });
    await flow.summary.first();
    for (const { messages } of [flow.result, flow.progress, flow.summary]) {
      assert.ok(messages.length > 0);
      for (const msg of messages) {
        assert.equal(msg['asked'], 'kept');
        assert.deepEqual(msg['nested'], { a: 1 });
        assert.equal('copy' in msg, false);
      }
    }
    assert.deepEqual(mine, patch);
  });

  it('skips a device that has all of it already, unless it is forced', async () => {
    const device = await scene.device('my-light', { config: { settings: { percentage: 7 } } });
    const flow = await scene.config();
    flow.send({ payload: patch });
    assert.equal(payload(await flow.result.first(), 'reason'), 'no_change');
    await flow.completed.first();
    await flow.showed('nothing to change');
    assert.deepEqual(device.patches, []);
    flow.send({ payload: patch, options: { force: true } });
    assert.equal(payload(await flow.result.nth(2), 'state'), 'succeeded');
    assert.equal(device.patches.length, 1);
  });

  it('refuses what the device would refuse, with the path and the rule, and sends nothing', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.config();
    flow.send({ payload: { name: '', mqtt: { port: 'x' } } });
    const caught = await flow.caught.first();
    assert.equal(caughtCode(caught), 'CONFIG_RULE');
    assert.match(String(Reflect.get(Object(caught['error']), 'message')), /my-light: refused: name: .*and \d more/);
    const result = await flow.result.first();
    assert.equal(payload(result, 'state'), 'rejected');
    assert.deepEqual(
      ['config.problems.0.path', 'config.problems.0.code'].map((path) => payload(result, path)),
      ['name', 'CONFIG_RULE'],
    );
    await flow.showedError('CONFIG_RULE');
    assert.deepEqual(device.patches, []);
  });

  it('refuses what could make a device unreachable, tells what could happen, and sends it where that is allowed', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.config();
    flow.send({ payload: { ota: { enabled: false } } });
    const result = await flow.result.first();
    assert.equal(payload(result, 'error.code'), 'RISK_NOT_ALLOWED');
    assert.equal(payload(result, 'config.risks.0.path'), 'ota.enabled');
    assert.match(String(payload(result, 'config.risks.0.message')), /accepts no firmware/);
    assert.deepEqual(device.patches, []);
    flow.send({ payload: { ota: { enabled: false } }, options: { allowRisky: true } });
    assert.equal(payload(await flow.result.nth(2), 'state'), 'succeeded');
  });

  it('splits what is too much at once, where that is wanted, with a reboot after each patch', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.config({ split: true, secretBytes: '10' });
    flow.send({ payload: { settings: texts }, options: { split: false } });
    const refused = await flow.result.first();
    assert.equal(payload(refused, 'error.code'), 'MERGE_TOO_LARGE');
    assert.match(String(payload(refused, 'error.hint')), /split: true to send it as \d patches/);
    flow.send({ payload: { settings: texts } });
    const result = await flow.result.nth(2);
    assert.equal(payload(result, 'state'), 'succeeded');
    assert.ok(device.patches.length > 1);
    assert.equal(payload(result, 'config.reboots'), device.patches.length);
    assert.deepEqual(JSON.parse(device.file).settings, texts);
  });

  it('lets a risk that one message allows count for no other', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.config({ device: 'late', expires: '3600' });
    const risky = { ota: { enabled: false } };
    flow.send({ payload: risky, options: { allowRisky: true } });
    await flow.progress.first(state('waiting'));
    flow.send({ payload: risky, device: 'my-light' });
    const refused = await flow.result.first();
    assert.deepEqual([payload(refused, 'device'), payload(refused, 'state')], ['my-light', 'rejected']);
    assert.equal(payload(refused, 'error.code'), 'RISK_NOT_ALLOWED');
    assert.deepEqual(device.patches, []);
  });

  it('changes several devices, with a result for each and one summary', async () => {
    await scene.device('a');
    await scene.device('b');
    const flow = await scene.config({ expires: '0', device: 'a, b, never-seen' });
    flow.send({ payload: patch });
    const summary = await flow.summary.first();
    assert.deepEqual(payload(summary, 'counts'), { succeeded: 2, timed_out: 1 });
    assert.deepEqual(
      new Set(flow.result.messages.map((msg) => payload(msg, 'device'))),
      new Set(['a', 'b', 'never-seen']),
    );
    const caught = await flow.caught.first();
    assert.equal(caughtCode(caught), 'DEVICE_UNKNOWN');
    assert.equal(flow.summary.messages.length, 1);
    await flow.showed('✓2 ✗1');
  });

  it('reports the late result of a device that reboots too late, below the node too', async () => {
    const device = await scene.device('sleepy', { statsInterval: 1, misbehavior: { notIdle: true } });
    const flow = await scene.config({ device: device.id, reboot: '0.6' });
    flow.send({ payload: patch, asked: 'kept' });
    assert.equal(caughtCode(await flow.caught.first()), 'NOT_APPLIED');
    await flow.showedError('NOT_APPLIED');
    device.setIdle(true);
    const late = await flow.progress.first((msg) => payload(msg, 'late') === true);
    assert.equal(payload(late, 'state'), 'succeeded');
    assert.equal(late['asked'], 'kept');
    await flow.showed('changed');
    assert.equal(flow.result.messages.length, 1);
    assert.equal(flow.summary.messages.length, 1);
    assert.deepEqual(flow.dones, [{ code: 'NOT_APPLIED' }]);
  });

  it('sends a patch to a device that is awake for a moment only at its next wake', async () => {
    const sleep = { awake: 1_000, asleep: Infinity };
    const device = await scene.device('sleeper', { sleep });
    await untilTrue(device, 'phase', () => device.phase === 'asleep');
    const flow = await scene.config({ device: device.id });
    flow.send({ payload: patch });
    await flow.progress.first(state('waiting'));
    await device.wake();
    await untilTrue(device, 'phase', () => device.phase === 'asleep');
    assert.equal(device.patches.length, 1);
    const result = await flow.result.first();
    assert.deepEqual([payload(result, 'state'), payload(result, 'reboot')], ['succeeded', 'unproven']);
    await flow.showed('changed');
  });

  it('takes a corrected patch at once after a typo that the sketch refused, and a check says so', async () => {
    const device = await scene.device('typo', { config: { settings: { percentage: 42 } } });
    const ota = { id: 'other', type: 'homie-ota', z: 'flow', x: 0, y: 0, wires: [[], [], ['summary']] };
    const flow = await scene.config(
      { device: device.id, reboot: '0.6' },
      { more: [{ ...ota, broker: 'broker', device: device.id, deviceType: 'str', expires: '0' }] },
    );
    flow.send({ payload: { settings: { percentage: 101 } } });
    assert.equal(caughtCode(await flow.caught.first()), 'NOT_APPLIED');

    helper.getNode('other').receive({ payload: next });
    const locked = await flow.summary.first((msg) => payload(msg, 'devices.0.error.code') === 'REBOOT_PENDING');
    assert.equal(payload(locked, 'devices.0.state'), 'timed_out');
    assert.match(String(payload(locked, 'devices.0.error.message')), /may still reboot for a configuration change/);
    assert.match(String(payload(locked, 'devices.0.error.hint')), /Power-cycle the device.*corrected configuration/);

    flow.send({ action: 'check', payload: { settings: { percentage: 10 } } });
    const check = await flow.summary.first((msg) => payload(msg, 'devices.0.verdict') !== undefined);
    assert.equal(payload(check, 'devices.0.verdict'), 'unknown');

    flow.send({ payload: { settings: { percentage: 10 } }, options: { reboot: 8 } });
    assert.equal(payload(await flow.result.nth(2), 'state'), 'succeeded');
    assert.deepEqual(JSON.parse(device.file).settings, { percentage: 10 });
    assert.equal(flow.progress.messages.filter((msg) => payload(msg, 'late') === true).length, 0);
  });

  it('takes turns with homie-ota: one job for a device at a time', async () => {
    const device = await scene.device('shared', { misbehavior: { notIdle: true } });
    const ota = { id: 'other', type: 'homie-ota', z: 'flow', x: 0, y: 0, wires: [[], ['progress'], ['summary']] };
    const flow = await scene.config(
      { device: 'shared' },
      { more: [{ ...ota, broker: 'broker', device: 'shared', deviceType: 'str' }] },
    );
    flow.send({ payload: patch });
    await flow.progress.first((msg) => payload(msg, 'phase') === 'rebooting');
    helper.getNode('other').receive({ payload: next });
    await flow.progress.first((msg) => payload(msg, 'reason') === 'busy');
    assert.equal(device.images.length, 0);
    device.setIdle(true);
    const done = await flow.summary.first((msg) => payload(msg, 'devices.0.to.checksum') !== undefined);
    assert.equal(payload(done, 'state'), 'succeeded');
  });

  describe('and is deployed again', () => {
    it('cancels what waits, and is done with the message', async () => {
      const flow = await scene.config({ device: 'never-seen' });
      flow.send({ payload: patch });
      await flow.progress.first(state('waiting'));
      await flow.deploy(scene.broker, { ...configNode, device: 'another' }, [], 'nodes');
      assert.equal(payload(await flow.result.first(), 'state'), 'canceled');
      assert.deepEqual(flow.dones, [{ code: undefined }]);
    });

    it('says that it watches no longer, and keeps the device locked until it has restarted', async () => {
      const device = await scene.device('left-alone', { misbehavior: { notIdle: true } });
      const flow = await scene.config({ device: device.id });
      flow.send({ payload: patch });
      await flow.progress.first((msg) => payload(msg, 'phase') === 'rebooting');
      const after = await flow.deploy(scene.broker, { ...configNode, device: device.id, name: 'changed' }, [], 'nodes');
      assert.deepEqual(flow.dones, [{ code: 'ABANDONED' }]);
      assert.match(
        after.log(),
        /left-alone: failed: The node was stopped or redeployed and no longer observed the device/,
      );
      after.send({ payload: patch });
      assert.equal(caughtCode(await after.caught.first()), 'REBOOT_PENDING');
      assert.equal(device.patches.length, 1);
    });

    it('stops at once with jobs in every state, also one that is watched on, and leaves nothing behind', async () => {
      const sleepy = await scene.device('sleepy-too', { statsInterval: 1, misbehavior: { notIdle: true } });
      const busy = await scene.device('busy', { misbehavior: { notIdle: true } });
      const flow = await scene.config();
      flow.send({ payload: patch, device: sleepy.id, options: { reboot: 0.6 } });
      await flow.caught.first();
      flow.send({ payload: patch, device: busy.id });
      flow.send({ payload: patch, device: ['waits', 'too'] });
      flow.send({ action: 'get', device: 'never-seen' });
      await flow.progress.first((msg) => payload(msg, 'device') === busy.id && payload(msg, 'phase') === 'rebooting');
      const begun = performance.now();
      await stopFlow();
      assert.ok(performance.now() - begun < 2000);
      assert.equal(flow.dones.length, 4);
      assert.equal(scene.clients(), 2);
    });
  });
});
