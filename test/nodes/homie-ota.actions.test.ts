import assert from 'node:assert/strict';
import { once } from 'node:events';
import { buildEsp32Image, buildEsp8266Image } from '../support/images';
import { TestFlow } from './flow';
import { caughtCode, next, payload, running, Scene, state } from './scene';

describe('homie-ota, asked to', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  describe('check', () => {
    it('tells what would happen to each device and why, and sends nothing', async () => {
      const old = await scene.device('old');
      const fresh = await scene.device('fresh', { image: next });
      const flow = await scene.flow({ device: 'old,fresh,never-seen' });
      flow.send({ payload: next, action: 'check', asked: 'kept' });
      await flow.done();
      assert.deepEqual(flow.dones, [{ code: undefined }]);

      const summary = await flow.summary.first();
      assert.equal(summary['asked'], 'kept');
      assert.deepEqual(payload(summary, 'counts'), { update: 1, up_to_date: 1, unknown: 1 });
      assert.deepEqual(
        [0, 1, 2].map((index) => payload(summary, `devices.${index}.verdict`)),
        ['update', 'up_to_date', 'unknown'],
      );
      assert.match(String(payload(summary, 'devices.1.reason')), /already/);
      assert.equal(
        payload(summary, 'text'),
        '3 devices: 1 update, 1 up to date, 1 unknown. There is no way back for old: the image that runs now is not stored.',
      );
      assert.equal(old.received.length + fresh.received.length, 0);
      assert.equal(flow.result.messages.length + flow.progress.messages.length, 0);
    });

    it('tells what does not fit', async () => {
      await scene.device('my-light');
      const flow = await scene.flow();
      flow.send({ payload: buildEsp32Image({ name: 'my-light' }), action: 'check' });
      const summary = await flow.summary.first();
      assert.equal(payload(summary, 'devices.0.verdict'), 'incompatible');
      assert.match(String(payload(summary, 'text')), /my-light: .*esp32/);
    });

    it('refuses what is no firmware', async () => {
      const flow = await scene.flow();
      flow.send({ payload: 'no firmware', action: 'check' });
      assert.equal(payload(await flow.summary.first(), 'state'), 'rejected');
      assert.equal(flow.result.messages.length, 0);
      await flow.caught.first();
    });

    it('gives the reason when there is no connection', async function () {
      const flow = await TestFlow.start({ host: '127.0.0.1', port: '1' });
      await flow.showedError('BROKER_UNREACHABLE');
      flow.send({ payload: next, action: 'check' });
      assert.equal(caughtCode(await flow.caught.first()), 'BROKER_UNREACHABLE');
    });
  });

  describe('cancel', () => {
    it('cancels what waits, at once', async () => {
      const flow = await scene.flow({ device: 'never-seen' });
      flow.send({ payload: next, asked: 'update' });
      await flow.progress.first(state('waiting'));
      flow.send({ action: 'cancel', asked: 'cancel' });
      await flow.done(2);
      assert.deepEqual(flow.dones, [{ code: undefined }, { code: undefined }]);
      assert.equal(payload(await flow.result.first(), 'state'), 'canceled');
      const answer = await flow.summary.first((msg) => msg['asked'] === 'cancel');
      assert.equal(payload(answer, 'state'), 'canceled');
      assert.equal(payload(answer, 'text'), 'Canceled: never-seen.');
      assert.equal((await flow.showed('canceled')).fill, 'grey');
    });

    it('answers which device the firmware was sent to before, and ends the job at once', async () => {
      await scene.device('my-light', { flashDelay: 20 });
      const flow = await scene.flow();
      flow.send({ payload: next, asked: 'update' });
      await flow.progress.first((msg) => payload(msg, 'phase') === 'accepted');
      flow.send({ action: 'cancel', asked: 'cancel' });
      const answer = await flow.summary.first((msg) => msg['asked'] === 'cancel');
      assert.equal(payload(answer, 'state'), 'canceled');
      assert.match(String(payload(answer, 'text')), /^Already sent.*: my-light\.$/);
      const result = await flow.result.first();
      assert.deepEqual([payload(result, 'state'), payload(result, 'reason')], ['canceled', 'already_sent']);
      await flow.done();
    });

    /** Another image, for a separate job: the same image would join the first job. */
    const other = buildEsp8266Image({ name: 'my-plug', version: '1.0.0', size: 60_000, seed: 3 });

    it('cancels only the device in msg.device', async () => {
      const flow = await scene.flow({ device: 'a,b' });
      flow.send({ payload: next });
      await flow.progress.first((msg) => payload(msg, 'device') === 'b' && payload(msg, 'state') === 'waiting');
      flow.send({ action: 'cancel', device: 'a', asked: 'cancel' });
      const answer = await flow.summary.first((msg) => msg['asked'] === 'cancel');
      assert.deepEqual(payload(answer, 'counts'), { canceled: 1 });
      flow.send({ action: 'status' });
      const status = await flow.summary.nth(2);
      assert.deepEqual(payload(status, 'counts'), { canceled: 1, waiting: 1 });
      flow.send({ action: 'cancel', device: 'a' });
      assert.equal(payload(await flow.summary.nth(3), 'text'), 'There was nothing to cancel.');
    });

    it('cancels only the job in msg.job', async () => {
      const flow = await scene.flow();
      flow.send({ payload: next, device: 'a', asked: 'first' });
      flow.send({ payload: other, device: 'b', asked: 'second' });
      const first = await flow.progress.first((msg) => msg['asked'] === 'first' && payload(msg, 'state') === 'waiting');
      await flow.progress.first((msg) => msg['asked'] === 'second' && payload(msg, 'state') === 'waiting');
      flow.send({ action: 'cancel', job: payload(first, 'job') });
      const result = await flow.result.first();
      assert.equal(result['asked'], 'first');
      flow.send({ action: 'status', asked: 'status' });
      const status = await flow.summary.first((msg) => msg['asked'] === 'status');
      assert.deepEqual(payload(status, 'counts'), { waiting: 1 });
    });

    it('ends a job that still looks for its devices', async () => {
      const flow = await TestFlow.start({ host: '127.0.0.1', port: '1' }, { deviceType: 'all', device: '' });
      flow.send({ payload: next, asked: 'update' });
      await flow.progress.first(state('queued'));
      flow.send({ action: 'cancel', asked: 'cancel' });
      await flow.done(2);
      assert.deepEqual(flow.dones, [{ code: undefined }, { code: undefined }]);
      const [answer, ended] = await Promise.all(
        ['cancel', 'update'].map((asked) => flow.summary.first((msg) => msg['asked'] === asked)),
      );
      assert.equal(answer && payload(answer, 'text'), 'Canceled before any device was found.');
      assert.equal(ended && payload(ended, 'state'), 'canceled');
    });

    it('ends a job that still looks for its devices although it knows one by its id', async () => {
      const flow = await TestFlow.start({ host: '127.0.0.1', port: '1' }, { device: 'kitchen, garden-*' });
      flow.send({ payload: next, asked: 'update' });
      await flow.progress.first(state('queued'));
      flow.send({ action: 'cancel', asked: 'cancel' });
      await flow.done(2);
      const summaries = await Promise.all(
        ['cancel', 'update'].map((asked) => flow.summary.first((msg) => msg['asked'] === asked)),
      );
      assert.deepEqual(
        summaries.map((msg) => payload(msg, 'counts')),
        [{ canceled: 1 }, { canceled: 1 }],
      );
    });
  });

  describe('tell the status', () => {
    it('tells the jobs as they are', async () => {
      await scene.device('my-light', { flashDelay: 20 });
      const flow = await scene.flow();
      flow.send({ payload: next });
      flow.send({ payload: next, device: 'never-seen' });
      await flow.progress.first(state('running'));
      flow.send({ action: 'status', asked: 'status' });
      const answer = await flow.summary.first((msg) => msg['asked'] === 'status');
      assert.equal(payload(answer, 'state'), 'running');
      assert.deepEqual(payload(answer, 'counts'), { running: 1, waiting: 1 });
      assert.equal(payload(answer, 'text'), '2 devices: 1 never seen (never-seen), 1 in progress (my-light).');
      await flow.result.first();
    });

    it('is idle when there is no job', async () => {
      const flow = await scene.flow();
      const texts: Record<string, string> = {
        status: 'No job is in progress.',
        pause: 'No job is in progress.',
        resume: 'No job is in progress.',
        cancel: 'There was nothing to cancel.',
        retry: 'There was nothing to retry.',
      };
      for (const action of Object.keys(texts)) {
        flow.send({ action, asked: action });
        const answer = await flow.summary.first((msg) => msg['asked'] === action);
        assert.equal(payload(answer, 'state'), 'idle');
        assert.equal(payload(answer, 'text'), texts[action]);
      }
      assert.equal(flow.caught.messages.length, 0);
    });

    it('refuses a job that is not there', async () => {
      const flow = await scene.flow();
      flow.send({ action: 'status', job: 'gone' });
      assert.equal(caughtCode(await flow.caught.first()), 'UNKNOWN_JOB');
    });
  });

  it('works on with a device that comes back while it is waited for', async () => {
    const device = await scene.device('my-light', { image: running });
    await device.stop();
    const flow = await scene.flow();
    flow.send({ payload: next });
    await flow.progress.first(state('waiting'));
    const ready = once(device, 'ready');
    await device.restart();
    await ready;
    assert.equal(payload(await flow.result.first(), 'state'), 'succeeded');
  });
});
