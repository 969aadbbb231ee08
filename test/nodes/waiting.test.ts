/** Every waiting device has its reason in the progress, in the answer to `status`, and in the status of the node. */
import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { caughtCode, closedWindow, next, payload, Scene, state } from './scene';
import type { TestFlow } from './flow';

type Fits = (msg: NodeMessage) => boolean;

function waits(device: string, reason: string): Fits {
  return (msg) => state('waiting')(msg) && payload(msg, 'device') === device && payload(msg, 'reason') === reason;
}

describe('a device that waits says', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  /** Returns state and reason of each device from the answer to `status`. */
  async function asked(flow: TestFlow): Promise<unknown> {
    const before = flow.summary.messages.length;
    flow.send({ action: 'status' });
    const { devices }: { devices?: unknown } = Object((await flow.summary.nth(before + 1)).payload);
    assert.ok(Array.isArray(devices));
    return Object.fromEntries(devices.map(({ device, state: is, reason }) => [device, [is, reason]]));
  }

  it('that it is offline, then that the window is closed, once it is there', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.flow({ window: closedWindow() });
    const offline = waits('my-light', 'offline');
    await device.stop();
    flow.send({ payload: next });
    assert.equal(payload(await flow.progress.first(offline), 'hint'), undefined);
    await flow.showed('offline, waiting');
    assert.deepEqual(await asked(flow), { 'my-light': ['waiting', 'offline'] });
    await device.start();
    await flow.progress.first(waits('my-light', 'window'));
    await flow.showed('waiting for window');
    assert.deepEqual(await asked(flow), { 'my-light': ['waiting', 'window'] });
  });

  it('that the window is closed, that the job is paused, and that the window is still closed', async () => {
    await scene.device('my-light');
    const flow = await scene.flow({ window: closedWindow() });
    const window = waits('my-light', 'window');
    flow.send({ payload: next });
    await flow.progress.first(window);
    flow.send({ action: 'pause', asked: 'pause' });
    const answer = await flow.summary.first();
    assert.deepEqual([payload(answer, 'devices.0.state'), payload(answer, 'devices.0.reason')], ['waiting', 'paused']);
    await flow.progress.first(waits('my-light', 'paused'));
    flow.send({ action: 'resume' });
    await flow.progress.nth(2, window);
    assert.deepEqual(await asked(flow), { 'my-light': ['waiting', 'window'] });
  });

  it('that a canary is still to be proven, and no more than that it is queued when it has been', async () => {
    for (const id of ['a', 'b', 'c']) await scene.device(id);
    const flow = await scene.flow({ device: 'a, b, c', canary: '1', soak: '1' });
    flow.send({ payload: next });
    for (const id of ['b', 'c']) await flow.progress.first(waits(id, 'canary'));
    await flow.result.nth(3);
    const told = flow.progress.messages.filter((msg) => msg['device'] === 'c');
    const steps = told.map((msg) => [payload(msg, 'state'), payload(msg, 'reason')].join(' ').trim());
    assert.deepEqual([...new Set(steps)], ['queued', 'waiting canary', 'running', 'succeeded']);
    assert.ok(steps.lastIndexOf('queued') > steps.lastIndexOf('waiting canary'));
  });

  it('that another job has it, and is not waited for with expires 0', async () => {
    for (const id of ['a', 'b']) await scene.device(id);
    const flow = await scene.flow({ device: 'a, b', canary: '1', soak: '600', order: 'id' });
    flow.send({ payload: next });
    await flow.progress.first(waits('b', 'canary'));
    flow.send({ payload: next, device: 'a', asked: 'later' });
    const waiting = await flow.progress.first(waits('a', 'busy'));
    assert.equal(waiting['asked'], 'later');
    assert.match(String(payload(waiting, 'hint')), /^a is busy with another job/);
    flow.send({ payload: next, device: 'a', asked: 'now', options: { expires: 0 } });
    const ended = await flow.result.first((msg) => msg['asked'] === 'now');
    assert.deepEqual([payload(ended, 'state'), payload(ended, 'error.code')], ['timed_out', 'DEVICE_BUSY']);
    assert.equal(caughtCode(await flow.caught.first()), 'DEVICE_BUSY');
  });

  it('that failures have stopped the job', async () => {
    await scene.device('a', { misbehavior: { crashAt: 20_000, times: 9 } });
    const other = await scene.device('b');
    const flow = await scene.flow({ device: 'a, b', attempts: '1', maxFailures: '1' });
    flow.send({ payload: next });
    await flow.progress.first(waits('b', 'stopped'));
    const summary = await flow.summary.first(state('stopped'));
    assert.deepEqual(payload(summary, 'counts'), { failed: 1, waiting: 1 });
    assert.deepEqual(other.received, []);
  });
});
