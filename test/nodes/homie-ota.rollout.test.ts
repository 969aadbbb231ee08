import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { jobCommands } from '../../src/rollout/job-commands';
import { Queue } from '../../src/rollout/queue';
import { buildEsp8266Image } from '../support/images';
import { TestFlow } from './flow';
import { caughtCode, closedWindow, next, payload, running, Scene, state } from './scene';
import { untilTrue } from '../support/until-true';

/** Returns a predicate for messages about this device. */
function of(device: string, fits: (msg: NodeMessage) => boolean = () => true): (msg: NodeMessage) => boolean {
  return (msg) => payload(msg, 'device') === device && fits(msg);
}

function about(asked: string): (msg: NodeMessage) => boolean {
  return (msg) => msg['asked'] === asked;
}

describe('homie-ota, updating several devices,', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  it('means by a pattern all devices that match it', async () => {
    const [a, b, hall] = [await scene.device('kitchen-a'), await scene.device('kitchen-b'), await scene.device('hall')];
    const flow = await scene.flow({ device: 'kitchen-*' });
    flow.send({ payload: next });
    await flow.summary.first();
    assert.deepEqual(
      flow.result.messages.map((msg) => [payload(msg, 'device'), payload(msg, 'state')]),
      [
        ['kitchen-a', 'succeeded'],
        ['kitchen-b', 'succeeded'],
      ],
    );
    assert.deepEqual([a.received.length, b.received.length, hall.received.length], [1, 1, 0]);
  });

  it('has no result for a pattern when a message is refused as a whole', async () => {
    const flow = await scene.flow({ device: 'kitchen-*, hall' });
    flow.send({ payload: 'no firmware' });
    assert.equal(payload(await flow.summary.first(), 'state'), 'rejected');
    assert.deepEqual(
      flow.result.messages.map((msg) => payload(msg, 'device')),
      ['hall'],
    );
  });

  it('skips excluded devices with a reason', async () => {
    const [a, b] = [await scene.device('a'), await scene.device('b')];
    const flow = await scene.flow({ device: 'a, b', exclude: 'b*' });
    flow.send({ action: 'check', payload: next, asked: 'check' });
    const check = await flow.summary.first(about('check'));
    assert.deepEqual(payload(check, 'counts'), { update: 1, excluded: 1 });
    flow.send({ payload: next });
    const result = await flow.result.first(of('b'));
    assert.equal(payload(result, 'state'), 'skipped');
    assert.equal(payload(result, 'reason'), 'excluded');
    await flow.result.first(of('a', state('succeeded')));
    assert.deepEqual([a.received.length, b.received.length], [1, 0]);

    flow.send({ payload: next, asked: 'other', options: { exclude: ['a'] } });
    await flow.result.first((msg) => of('b', state('succeeded'))(msg) && msg['asked'] === 'other');
    assert.equal(a.received.length, 1);
  });

  it('says when it is deployed that what is excluded makes no sense', async () => {
    const flow = await TestFlow.start(scene.broker, { exclude: 'a/b' });
    await flow.showedError('INVALID_SETTING');
    assert.match(flow.log(), /exclude must be device IDs/);
  });

  it('serves several at once where it may', async () => {
    for (const id of ['a', 'b']) await scene.device(id, { flashDelay: 20 });
    const flow = await scene.flow({ device: 'a, b', concurrency: '2' });
    flow.send({ payload: next });
    await Promise.all(['a', 'b'].map((id) => flow.progress.first(of(id, state('running')))));
    assert.equal(flow.result.messages.length, 0);
    await flow.result.nth(2, state('succeeded'));
  });

  it('updates devices by ID with order: id', async () => {
    for (const id of ['a', 'b']) await scene.device(id);
    const flow = await scene.flow({ device: 'b, a', order: 'id' });
    flow.send({ payload: next });
    await flow.summary.first();
    assert.deepEqual(
      flow.result.messages.map((msg) => payload(msg, 'device')),
      ['a', 'b'],
    );
  });

  it('lets the others wait until the canary has stayed well', async () => {
    for (const id of ['a', 'b']) await scene.device(id);
    const flow = await scene.flow({ device: 'a, b', concurrency: '2', canary: '1', soak: '1' });
    flow.send({ payload: next });
    await flow.result.first(of('a', state('succeeded')));
    flow.send({ action: 'status', asked: 'status' });
    const status = await flow.summary.first(about('status'));
    assert.equal(payload(status, 'state'), 'running');
    assert.equal(payload(status, 'stage'), 'soaking');
    assert.equal(flow.progress.messages.filter(of('b', state('running'))).length, 0);
    await flow.result.first(of('b', state('succeeded')));
  });

  it('begins nothing while the window is closed, and says when it opens', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.flow({ window: closedWindow() });
    flow.send({ payload: next });
    await flow.progress.first();
    flow.send({ action: 'status', asked: 'status' });
    const status = await flow.summary.first(about('status'));
    assert.equal(payload(status, 'stage'), 'window');
    const opens = new Date(String(payload(status, 'opensAt'))).getTime() - Date.now();
    assert.ok(opens > 3 * 3_600_000 && opens < 6 * 3_600_000, `${opens} ms`);
    flow.send({ action: 'cancel' });
    assert.equal(payload(await flow.result.first(), 'state'), 'canceled');
    assert.equal(device.received.length, 0);
  });

  it('waits for the window as long as it is told to', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.flow({ window: closedWindow(), expires: '0.3' });
    flow.send({ payload: next });
    const result = await flow.result.first();
    assert.equal(payload(result, 'state'), 'timed_out');
    assert.equal(payload(result, 'error.code'), 'WINDOW_CLOSED');
    assert.equal(device.received.length, 0);
    flow.send({ payload: next, options: { window: '00:00-24:00' } });
    assert.equal(payload(await flow.result.nth(2), 'state'), 'succeeded');
  });

  it('stops after a failure, answers at once, and goes on when it is resumed', async () => {
    await scene.device('a', { misbehavior: { comesBackWith: running } });
    const b = await scene.device('b');
    const flow = await scene.flow({ device: 'a, b' });
    flow.send({ payload: next, asked: 'night' });
    const summary = await flow.summary.first();
    assert.equal(payload(summary, 'state'), 'stopped');
    assert.equal(payload(summary, 'error.code'), 'ROLLOUT_STOPPED');
    assert.match(String(payload(summary, 'text')), /^Too many devices failed/);
    assert.equal(caughtCode(await flow.caught.first()), 'ROLLOUT_STOPPED');
    await flow.showed('stopped by failures');

    flow.send({ payload: next, asked: 'next night' });
    assert.equal(payload(await flow.summary.first(about('next night')), 'state'), 'stopped');
    assert.equal(b.received.length, 0);

    flow.send({ action: 'resume', asked: 'resume' });
    assert.equal(payload(await flow.summary.first(about('resume')), 'state'), 'running');
    await flow.result.first(of('b', state('succeeded')));
  });

  it('holds back an image that a device did not take, until it is told to retry', async () => {
    const device = await scene.device('my-light', { misbehavior: { comesBackWith: running } });
    const flow = await scene.flow();
    flow.send({ payload: next });
    assert.equal(payload(await flow.result.first(), 'error.code'), 'OLD_FIRMWARE');
    flow.send({ payload: next });
    const held = await flow.result.nth(2);
    assert.equal(payload(held, 'reason'), 'held');
    await flow.showed('held back');
    flow.send({ payload: next, action: 'check', asked: 'check' });
    assert.deepEqual(payload(await flow.summary.first(about('check')), 'counts'), { held: 1 });
    assert.equal(device.received.length, 1);

    device.misbehavior = {};
    flow.send({ action: 'retry', device: 'my-*', asked: 'retry' });
    const answer = await flow.summary.first(about('retry'));
    assert.equal(payload(answer, 'text'), 'Retrying: my-light.');
    await flow.result.first(state('succeeded'));
    assert.equal(device.received.length, 2);
  });

  it('starts nothing more while it is paused', async () => {
    for (const id of ['a', 'b']) await scene.device(id, { flashDelay: 20 });
    const flow = await scene.flow({ device: 'a, b' });
    flow.send({ payload: next });
    await flow.progress.first(of('a', state('running')));
    flow.send({ action: 'pause', asked: 'pause' });
    assert.equal(payload(await flow.summary.first(about('pause')), 'state'), 'paused');
    await flow.result.first(of('a', state('succeeded')));
    await flow.showed('paused');
    flow.send({ action: 'status', asked: 'status' });
    const status = await flow.summary.first(about('status'));
    assert.equal(payload(status, 'state'), 'paused');
    assert.equal(flow.progress.messages.filter(of('b', state('running'))).length, 0);
    flow.send({ action: 'resume', asked: 'resume' });
    await flow.result.first(of('b', state('succeeded')));
  });

  it('shows in its status that something else has paused its job, or lets it go on', async () => {
    const flow = await scene.flow({ device: 'a' });
    flow.send({ payload: next });
    await flow.progress.first(of('a', state('waiting')));
    const queue = Queue.of(flow.broker);
    jobCommands.pause(queue, undefined, {});
    await flow.showed('paused');
    jobCommands.resume(queue, undefined, {});
    await scene.device('a');
    await flow.result.first(of('a', state('succeeded')));
  });

  it('cancels the devices that a pattern means', async () => {
    const flow = await scene.flow({ device: 'a-1, a-2, b-1' });
    flow.send({ payload: next });
    await flow.progress.first(of('b-1', state('waiting')));
    flow.send({ action: 'cancel', device: 'a-*', asked: 'cancel' });
    const answer = await flow.summary.first(about('cancel'));
    assert.equal(payload(answer, 'text'), 'Canceled: a-1, a-2.');
    flow.send({ action: 'status', asked: 'status' });
    assert.deepEqual(payload(await flow.summary.first(about('status')), 'counts'), { canceled: 2, waiting: 1 });
  });

  it('does each message by its own settings, and says in its summary only how its own devices ended', async () => {
    const gone = await scene.device('a', { misbehavior: { neverBack: true } });
    await scene.device('b');
    await scene.device('c');
    const flow = await scene.flow({ reboot: '1', maxFailures: '1' });
    flow.send({ payload: next, asked: 'a', device: 'a' });
    await untilTrue(gone, 'status', () => gone.received.length !== 0);
    flow.send({ payload: next, asked: 'b', device: 'b', options: { maxFailures: 0 } });
    flow.send({ payload: next, asked: 'c', device: 'c' });
    const states = new Map<string, unknown>();
    for (const asked of ['a', 'b', 'c']) {
      const summary = await flow.summary.first(about(asked));
      states.set(asked, [
        payload(summary, 'state'),
        Object(payload(summary, 'devices')).map(({ device }: { device: string }) => device),
      ]);
    }
    assert.deepEqual(
      [...states],
      [
        ['a', ['failed', ['a']]],
        ['b', ['succeeded', ['b']]],
        ['c', ['succeeded', ['c']]],
      ],
    );
  });

  it('lets what one message allows count for no other', async () => {
    const foreign = buildEsp8266Image({ name: 'my-plug', version: '1.0.0', size: 60_000, seed: 3 });
    const plug = await scene.device('plug', { image: foreign });
    const flow = await scene.flow({ device: 'late' });
    flow.send({ payload: next, asked: 'first', options: { allowIncompatible: true, allowDowngrade: true } });
    await flow.progress.first(of('late', state('waiting')));
    flow.send({ payload: next, asked: 'second', device: 'plug' });
    const refused = await flow.result.first(about('second'));
    assert.deepEqual([payload(refused, 'state'), payload(refused, 'error.code')], ['rejected', 'WRONG_FIRMWARE']);
    assert.equal(caughtCode(await flow.caught.first()), 'WRONG_FIRMWARE');
    assert.deepEqual(plug.received, []);
    flow.send({ action: 'status', device: 'late', asked: 'status' });
    assert.deepEqual(payload(await flow.summary.first(about('status')), 'counts'), { waiting: 1 });
  });

  it('obeys what a message excludes, and how long it waits, while one with the same image is open', async () => {
    const device = await scene.device('a');
    const flow = await scene.flow({ device: 'late' });
    flow.send({ payload: next });
    await flow.progress.first(of('late', state('waiting')));
    flow.send({ payload: next, device: 'a', asked: 'exclude', options: { exclude: 'a' } });
    assert.equal(payload(await flow.result.first(about('exclude')), 'reason'), 'excluded');
    flow.send({ payload: next, device: 'late', asked: 'expires', options: { expires: 0 } });
    assert.equal(payload(await flow.result.first(about('expires')), 'state'), 'timed_out');
    flow.send({ payload: next, device: 'a', asked: 'window', options: { window: closedWindow() } });
    await flow.progress.first(about('window'));
    flow.send({ payload: next, device: 'a', asked: 'attempts', options: { attempts: 1 } });
    assert.equal(payload(await flow.result.first(about('attempts')), 'state'), 'succeeded');
    assert.equal(device.received.length, 1);
  });

  it('does the same message once, and each has a summary that says which job answers', async () => {
    const device = await scene.device('a', { flashDelay: 20 });
    const flow = await scene.flow({ device: 'a', attempts: '3', exclude: 'b*' });
    flow.send({ payload: next, asked: 'first' });
    flow.send({ payload: next, asked: 'second', options: { attempts: 3, exclude: ['b*'] } });
    const [first, second] = [await flow.summary.first(about('first')), await flow.summary.first(about('second'))];
    const job = String(payload(first, 'job'));
    assert.deepEqual(payload(second, 'job'), job);
    const { text, ...told } = Object((await flow.progress.first(about('second'))).payload);
    assert.deepEqual(told, { job, state: 'running' });
    assert.match(String(text), new RegExp(`^The same request was made before, in job ${job}: a: `));
    assert.equal(
      payload(second, 'text'),
      `The same request was made before, in job ${job}: ${String(payload(first, 'text'))}`,
    );
    assert.deepEqual(
      flow.result.messages.map((msg) => msg['asked']),
      ['first'],
    );
    assert.equal(device.received.length, 1);
  });

  it('is green after a retry that has succeeded, and grey after a cancel', async () => {
    await scene.device('a', { misbehavior: { crashAt: 30_000 } });
    await scene.device('b');
    const flow = await scene.flow({ device: 'a, b', attempts: '1' });
    flow.send({ payload: next });
    await flow.result.first(of('a', state('failed')));
    await flow.summary.first();
    flow.send({ action: 'retry' });
    await flow.result.first(of('a', state('succeeded')));
    await flow.showed('✓2');
    assert.equal(flow.statuses.at(-1)?.fill, 'green');
    flow.send({ payload: next, device: 'late, later' });
    await flow.progress.first(of('later', state('waiting')));
    flow.send({ action: 'cancel' });
    await flow.showed('✓0 –2');
    assert.equal(flow.statuses.at(-1)?.fill, 'grey');
  });

  it('sends nothing to all devices after a stop, says how to go on, and updates one that is named', async () => {
    const bad = await scene.device('a', { misbehavior: { failEraseAt: 0 } });
    const devices = [await scene.device('b'), await scene.device('c')];
    const flow = await scene.flow({ deviceType: 'all', maxFailures: '1', order: 'id' });
    flow.send({ payload: next, asked: 'first' });
    assert.equal(payload(await flow.summary.first(about('first')), 'state'), 'stopped');
    flow.send({ action: 'cancel', asked: 'cancel' });
    await flow.summary.first(about('cancel'));
    flow.send({ payload: next, asked: 'nightly', options: { maxFailures: 0 } });
    const nightly = await flow.summary.first(about('nightly'));
    assert.equal(payload(nightly, 'state'), 'skipped');
    assert.match(
      String(payload(nightly, 'text')),
      /use Resume or Retry \(in a flow, the action resume or retry\), or update this device alone/,
    );
    flow.send({ action: 'check', payload: next, asked: 'check' });
    const check = await flow.summary.first(about('check'));
    assert.deepEqual(payload(check, 'counts'), { stopped: 3 });
    assert.match(
      String(payload(check, 'text')),
      /use Resume or Retry \(in a flow, the action resume or retry\), or update this device alone/,
    );
    flow.send({ payload: next, device: 'b', asked: 'named' });
    assert.equal(payload(await flow.summary.first(about('named')), 'state'), 'succeeded');
    flow.send({ action: 'resume', asked: 'resume' });
    assert.equal(payload(await flow.result.first(of('c', state('succeeded'))), 'device'), 'c');
    assert.deepEqual(
      [bad, ...devices].map(({ received }) => received.length),
      [2, 1, 1],
    );
  });

  it('stays open for devices that appear later, where it is continuous', async () => {
    await scene.device('a');
    const flow = await scene.flow({ device: '*', continuous: true });
    flow.send({ payload: next, asked: 'update' });
    await flow.summary.first();
    await scene.device('b');
    const later = await flow.result.first(of('b', state('succeeded')));
    assert.equal(later['asked'], 'update');
    assert.equal(payload(await flow.summary.nth(2), 'state'), 'succeeded');
  });

  it('stays open for the first device, too', async () => {
    const flow = await scene.flow({ device: 'c-*', continuous: true });
    flow.send({ payload: next });
    assert.deepEqual(payload(await flow.summary.first(), 'devices'), []);
    await scene.device('c-1');
    await flow.result.first(of('c-1', state('succeeded')));
  });

  it('tells of several jobs, and of some devices of one, that they are paused', async () => {
    const later = buildEsp8266Image({ name: 'another', version: '1.1.0', size: 80_000, seed: 3 });
    const flow = await scene.flow({ device: 'a, b' });
    flow.send({ payload: next, asked: 'first' });
    await flow.progress.nth(2, state('waiting'));
    flow.send({ payload: later, device: 'c', asked: 'second' });
    await flow.progress.nth(3, state('waiting'));
    flow.send({ action: 'pause', asked: 'pause' });
    await flow.summary.first(about('pause'));
    flow.send({ action: 'status', asked: 'all' });
    assert.equal(payload(await flow.summary.first(about('all')), 'state'), 'paused');
    flow.send({ action: 'status', device: 'b', asked: 'one' });
    const one = await flow.summary.first(about('one'));
    assert.equal(payload(one, 'state'), 'paused');
    assert.deepEqual(payload(one, 'counts'), { waiting: 1 });
    flow.send({ action: 'resume', device: 'c' });
    flow.send({ action: 'status', asked: 'some' });
    assert.equal(payload(await flow.summary.first(about('some')), 'state'), 'running');
  });
});
