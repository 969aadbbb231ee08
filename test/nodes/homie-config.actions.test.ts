import assert from 'node:assert/strict';
import fc from 'fast-check';
import helper from 'node-red-node-test-helper';
import { TestFlow } from './flow';
import { caughtCode, configNode, connected, payload, Scene, state } from './scene';
import { untilTrue } from '../support/until-true';

const patch = { settings: { percentage: 7 } };

describe('homie-config, asked to', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  describe('get', () => {
    it('gives the configuration, and what the device strips', async () => {
      await scene.device('my-light', { config: { settings: { percentage: 42 } } });
      const flow = await scene.config();
      flow.send({ action: 'get', asked: 'kept' });
      const result = await flow.result.first();
      assert.equal(result['asked'], 'kept');
      assert.equal(payload(result, 'device'), 'my-light');
      assert.deepEqual(payload(result, 'config.settings'), { percentage: 42 });
      assert.equal(payload(result, 'config.wifi.password'), undefined);
      assert.deepEqual(payload(result, 'stripped'), ['wifi.password', 'mqtt.username', 'mqtt.password']);
      await flow.done();
      assert.deepEqual(flow.dones, [{ code: undefined }]);
      assert.equal(flow.summary.messages.length + flow.progress.messages.length, 0);
    });

    it('has a result for each device, also for one whose configuration is not known, and an error that names those', async () => {
      await scene.device('my-light');
      const flow = await scene.config({ device: 'my-light, never-seen', received: '0.3' });
      flow.send({ action: 'get' });
      const known = await flow.result.first((msg) => payload(msg, 'device') === 'my-light');
      assert.equal(payload(known, 'config.name'), 'my-light');
      const unknown = await flow.result.first((msg) => payload(msg, 'device') === 'never-seen');
      assert.equal(payload(unknown, 'error.code'), 'DEVICE_UNKNOWN');
      const caught = await flow.caught.first();
      assert.equal(caughtCode(caught), 'DEVICE_UNKNOWN');
      assert.match(String(Reflect.get(Object(caught['error']), 'message')), /^never-seen: /);
      await flow.showedError('DEVICE_UNKNOWN');
      assert.equal(flow.dones.length, 1);
    });

    it('gives those of all that a pattern means, and refuses one that means none', async () => {
      for (const id of ['kitchen-a', 'kitchen-b', 'hall']) await scene.device(id);
      const flow = await scene.config({ device: 'kitchen-*' });
      flow.send({ action: 'get' });
      await flow.result.nth(2);
      assert.deepEqual(
        flow.result.messages.map((msg) => [payload(msg, 'device'), payload(msg, 'config.name')]),
        [
          ['kitchen-a', 'kitchen-a'],
          ['kitchen-b', 'kitchen-b'],
        ],
      );
      flow.send({ action: 'get', device: 'cellar-*' });
      assert.equal(caughtCode(await flow.caught.first()), 'NO_MATCH');
      assert.equal(flow.result.messages.length, 2);
    });

    it('gives the reason when there is no connection', async () => {
      const flow = await TestFlow.start({ host: '127.0.0.1', port: '1' }, configNode);
      await flow.showedError('BROKER_UNREACHABLE');
      flow.send({ action: 'get' });
      assert.equal(caughtCode(await flow.caught.first()), 'BROKER_UNREACHABLE');
      assert.equal(payload(await flow.summary.first(), 'state'), 'rejected');
    });
  });

  describe('check', () => {
    it('tells what would change, what it takes, and sends nothing', async () => {
      const device = await scene.device('my-light', { config: { settings: { apiToken: 'old' } } });
      const flow = await scene.config();
      flow.send({ action: 'check', payload: { name: 'New', settings: { apiToken: 'x' } }, topic: 'kept' });
      const summary = await flow.summary.first();
      assert.equal(summary['topic'], 'kept');
      assert.deepEqual(payload(summary, 'counts'), { unknown: 1 });
      assert.equal(payload(summary, 'devices.0.before.name'), 'my-light');
      assert.equal(payload(summary, 'devices.0.after.name'), 'New');
      assert.deepEqual(payload(summary, 'devices.0.differences'), [
        { path: 'name', from: 'my-light', to: 'New' },
        { path: 'settings.apiToken', from: '•••', to: '•••' },
      ]);
      assert.equal(payload(summary, 'devices.0.reboots'), 1);
      assert.match(
        String(payload(summary, 'text')),
        /^my-light: The patch would be set in one message and one reboot, if/,
      );
      await flow.done();
      assert.deepEqual(flow.dones, [{ code: undefined }]);
      assert.deepEqual(device.patches, []);
      assert.equal(flow.result.messages.length + flow.progress.messages.length, 0);
    });

    it('says that the device does not know a key, also below the node, until the next check', async () => {
      const device = await scene.device('my-light', { config: { settings: { percentage: 42 } } });
      const flow = await scene.config();
      flow.send({ action: 'check', payload: { percentage: 5 } });
      assert.equal(
        payload(await flow.summary.first(), 'text'),
        'my-light: The patch would be set in one message and one reboot. Homie does not know percentage and ignores it; did you mean settings.percentage?',
      );
      const status = await flow.showed('unknown key');
      assert.deepEqual([status.fill, status.shape], ['yellow', 'dot']);
      flow.send({ action: 'check', payload: { settings: { percentage: 5 } } });
      await flow.summary.nth(2);
      await untilTrue(helper.getNode('ota'), 'call:status', () => flow.statuses.at(-1)?.text === connected);
      assert.deepEqual(device.patches, []);
    });

    it('tells it of all that a pattern means, and which of them are excluded', async () => {
      for (const id of ['kitchen-a', 'kitchen-b', 'hall']) await scene.device(id);
      const flow = await scene.config({ device: 'kitchen-*', exclude: 'kitchen-b' });
      flow.send({ action: 'check', payload: { name: 'New' } });
      const summary = await flow.summary.first();
      assert.equal(payload(summary, 'devices.0.device'), 'kitchen-a');
      assert.equal(payload(summary, 'devices.0.verdict'), 'set');
      assert.equal(payload(summary, 'devices.1.device'), 'kitchen-b');
      assert.equal(payload(summary, 'devices.1.verdict'), 'excluded');
      assert.equal(payload(summary, 'text'), '2 devices: 1 set, 1 excluded.');
    });

    it('tells the problems of a patch that would be refused', async () => {
      await scene.device('my-light');
      const flow = await scene.config({ device: 'my-light, never-seen' });
      flow.send({ action: 'check', payload: { device_stats_interval: 0 } });
      const summary = await flow.summary.first();
      assert.deepEqual(payload(summary, 'counts'), { rejected: 1, unseen: 1 });
      assert.equal(payload(summary, 'devices.0.problems.0.code'), 'CONFIG_HARM');
      assert.equal(payload(summary, 'text'), '2 devices: 1 rejected, 1 unseen.');
    });
  });

  describe('cancel and tell the status', () => {
    it('cancels what waits, at once', async () => {
      const flow = await scene.config({ device: 'never-seen' });
      flow.send({ payload: patch, topic: 'set' });
      const waiting = await flow.progress.first(state('waiting'));
      flow.send({ action: 'status', topic: 'status' });
      const status = await flow.summary.first((msg) => msg['topic'] === 'status');
      assert.deepEqual(payload(status, 'counts'), { waiting: 1 });
      flow.send({ action: 'cancel', job: payload(waiting, 'job'), topic: 'cancel' });
      const answer = await flow.summary.first((msg) => msg['topic'] === 'cancel');
      assert.equal(payload(answer, 'text'), 'Canceled: never-seen.');
      assert.equal(payload(await flow.result.first(), 'state'), 'canceled');
      await flow.showed('canceled');
    });

    it('answers which device the patch was sent to before, and ends the job at once', async () => {
      const device = await scene.device('late', { misbehavior: { notIdle: true } });
      const flow = await scene.config({ device: device.id });
      flow.send({ payload: patch });
      await flow.progress.first((msg) => payload(msg, 'phase') === 'rebooting');
      flow.send({ action: 'cancel', topic: 'cancel' });
      const answer = await flow.summary.first((msg) => msg['topic'] === 'cancel');
      assert.match(String(payload(answer, 'text')), /^Already sent and .*: late\.$/);
      const result = await flow.result.first();
      assert.deepEqual([payload(result, 'state'), payload(result, 'reason')], ['canceled', 'already_sent']);
    });

    it('is idle when there is no job', async () => {
      const flow = await scene.config();
      flow.send({ action: 'status' });
      assert.equal(payload(await flow.summary.first(), 'state'), 'idle');
      assert.equal(flow.caught.messages.length, 0);
    });
  });

  it('do what it does not know, refuses, and lists what it knows', async () => {
    const flow = await scene.config();
    flow.send({ action: 'update' });
    const caught = await flow.caught.first();
    assert.equal(caughtCode(caught), 'UNKNOWN_ACTION');
    assert.match(
      String(Reflect.get(Object(caught['error']), 'message')),
      /"update".*set, get, check, cancel, pause, resume, retry, status/,
    );
  });

  for (const [title, wrong, code] of [
    ['text that is no JSON', '{"name": New}', 'PATCH_JSON'],
    ['an array', [1], 'PATCH_TYPE'],
    ['a Buffer', Buffer.from('{}'), 'PATCH_TYPE'],
    ['nothing', undefined, 'PATCH_TYPE'],
  ] as const) {
    it(`set ${title}, refuses, with a result for each device that was meant`, async () => {
      const flow = await scene.config({ device: 'a,b' });
      flow.send({ payload: wrong });
      assert.equal(caughtCode(await flow.caught.first()), code);
      assert.deepEqual(
        flow.result.messages.map((msg) => [payload(msg, 'device'), payload(msg, 'state'), payload(msg, 'error.code')]),
        [
          ['a', 'rejected', code],
          ['b', 'rejected', code],
        ],
      );
      assert.equal(flow.summary.messages.length, 1);
    });
  }

  it('set, refuses without a device: nothing empty means all', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.config({ device: '' });
    flow.send({ payload: patch });
    assert.equal(caughtCode(await flow.caught.first()), 'NO_DEVICE');
    assert.deepEqual(device.patches, []);
  });

  it('work with a setting that makes no sense, says so when it is deployed, and refuses every message', async () => {
    const flow = await TestFlow.start(scene.broker, { ...configNode, segment: '100' });
    await flow.showedError('INVALID_SETTING');
    assert.match(flow.log(), /segment must be 536 or 1460/);
    flow.send({ payload: patch });
    assert.equal(caughtCode(await flow.caught.first()), 'INVALID_SETTING');
  });

  it('do anything, is done once, whatever is in the message', async () => {
    const flow = await scene.config({ expires: '0', received: '0' });
    const anything = fc.oneof(
      fc.anything(),
      fc.constantFrom('', 'set', 'check', 'cancel', 'status', 'get', 'my-light'),
    );
    const any = (names: string[]): Record<string, fc.Arbitrary<unknown>> =>
      Object.fromEntries(names.map((name) => [name, anything]));
    const options = fc.record(any(['split', 'expires', 'secretNames', 'secretBytes']), { requiredKeys: [] });
    const msg = fc.record(
      { ...any(['action', 'device', 'payload', 'job', 'req']), options: fc.oneof(options, anything) },
      { requiredKeys: [] },
    );
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(msg, async (generated) => {
        flow.send({ ...generated });
        sent += 1;
        await flow.done(sent);
      }),
      { numRuns: 200 },
    );
    assert.equal(flow.dones.length, sent);
  });
});
