/** The action `history`: the latest results of devices and images. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { caughtCode, configNode, next, payload, running, Scene } from './scene';
import type { TestFlow } from './flow';
import { md5 } from '../support/md5';

interface Entry {
  readonly [name: string]: unknown;
}

const first = { name: 'my-light', version: '1.0.0', checksum: md5(running) };
const second = { name: 'my-light', version: '1.1.0', checksum: md5(next), size: next.length };

describe('the action history', () => {
  let scene: Scene;
  let userDir: string;

  beforeEach(async () => {
    scene = await Scene.open();
    userDir = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-user-'));
  });
  afterEach(async () => {
    await scene.close();
    await rm(userDir, { recursive: true, force: true });
  });

  /** Returns the answer of a node. */
  async function ask(flow: TestFlow, msg: object = {}): Promise<{ entries: Entry[]; text: unknown; counts: unknown }> {
    const before = flow.summary.messages.length;
    flow.send({ action: 'history', ...msg });
    const { entries, text, counts }: { entries?: unknown; text?: unknown; counts?: unknown } = Object(
      (await flow.summary.nth(before + 1)).payload,
    );
    assert.ok(Array.isArray(entries));
    return { entries, text, counts };
  }

  const devicesOf = ({ entries }: { entries: Entry[] }): unknown[] => entries.map(({ device }) => device);

  it('tells from and to what a device was updated, how it ended, when, and by which node, also after a restart', async () => {
    await scene.device('my-light');
    const flow = await scene.flow({ device: 'my-light', name: 'Nightly' }, { userDir });
    const begun = Date.now();
    flow.send({ payload: next });
    const job = payload(await flow.summary.first(), 'job');
    const told = await ask(flow);
    const [entry] = told.entries;
    const { at, duration, ...lasting } = entry ?? {};
    assert.deepEqual(lasting, {
      job,
      device: 'my-light',
      change: 'firmware',
      state: 'succeeded',
      from: first,
      to: second,
      node: { id: 'ota', name: 'Nightly' },
      text: 'my-light: updated from my-light 1.0.0 to 1.1.0.',
    });
    const end = new Date(String(at));
    assert.equal(end.toISOString(), at);
    assert.ok(end.getTime() >= begun - 1000 && end.getTime() <= Date.now() + 1000, String(at));
    assert.ok(Number(duration) > 0);
    assert.deepEqual(told.counts, { succeeded: 1 });
    assert.equal(told.text, '1 result of 1 device. Latest: my-light: updated from my-light 1.0.0 to 1.1.0.');

    const after = await flow.deploy(scene.broker, { canary: '0', device: 'my-light', name: 'changed' });
    assert.deepEqual((await ask(after)).entries, told.entries);
  });

  it('tells of all nodes of the broker and of both kinds of change, the newest first, with the errors', async () => {
    await scene.device('my-light');
    await scene.device('lost-light', { misbehavior: { neverBack: true } });
    const config = { id: 'config', type: 'homie-config', z: 'flow', x: 0, y: 0, broker: 'broker', canary: '0' };
    const flow = await scene.flow(
      { device: 'lost-light', reboot: '1' },
      {
        userDir,
        more: [{ ...configNode, ...config, device: 'my-light', deviceType: 'str', wires: [[], [], ['summary']] }],
      },
    );
    flow.send({ payload: next });
    await flow.summary.first();
    flow.sendTo('config', { payload: { name: 'My light' } });
    await flow.summary.nth(2);
    const { entries } = await ask(flow);
    assert.deepEqual(
      entries.map(({ device, change, state, error, node }) => [device, change, state, Object(error).code, node]),
      [
        ['my-light', 'configuration', 'succeeded', undefined, { id: 'config' }],
        ['lost-light', 'firmware', 'failed', 'NOT_BACK', { id: 'ota' }],
      ],
    );
    assert.equal(entries[0]?.['to'], undefined);
    assert.equal(entries[0]?.['text'], 'my-light: configuration changed.');
  });

  it('is narrowed down by device, pattern, job and the checksum of an image', async () => {
    for (const id of ['kitchen-light', 'kitchen-lamp', 'hall-light']) await scene.device(id);
    const flow = await scene.flow({ device: 'kitchen-*' }, { userDir });
    flow.send({ payload: next });
    const job = payload(await flow.summary.first(), 'job');
    flow.send({ payload: running, device: 'hall-light' });
    await flow.summary.nth(2);
    const kitchen = new Set(['kitchen-light', 'kitchen-lamp']);
    assert.deepEqual(devicesOf(await ask(flow))[0], 'hall-light', 'the device of the node does not count');
    assert.deepEqual(devicesOf(await ask(flow, { device: 'kitchen-lamp' })), ['kitchen-lamp']);
    assert.deepEqual(new Set(devicesOf(await ask(flow, { device: 'kitchen-*' }))), kitchen);
    assert.deepEqual(new Set(devicesOf(await ask(flow, { job }))), kitchen);
    assert.deepEqual(new Set(devicesOf(await ask(flow, { checksum: md5(next).toUpperCase() }))), kitchen);
    assert.deepEqual(devicesOf(await ask(flow, { checksum: md5(running), device: ['hall-light'] })), ['hall-light']);
  });

  it('tells what a device that was given up showed later, also after a restart', async () => {
    const device = await scene.device('my-light', { statsInterval: 1, misbehavior: { notIdle: true } });
    const flow = await scene.flow({ device: 'my-light', reboot: '1' }, { userDir });
    flow.send({ payload: next });
    assert.equal(payload(await flow.summary.first(), 'state'), 'failed');
    const [early] = (await ask(flow)).entries;
    assert.deepEqual([early?.['state'], early?.['late']], ['failed', undefined]);
    device.setIdle(true);
    await flow.progress.first((msg) => payload(msg, 'late') === true);
    const told = await ask(flow);
    const [entry] = told.entries;
    assert.deepEqual([entry?.['job'], entry?.['state'], entry?.['late']], [early?.['job'], 'succeeded', true]);
    assert.equal(entry?.['error'], undefined);
    assert.equal(entry?.['text'], 'my-light: later updated from my-light 1.0.0 to 1.1.0.');
    assert.deepEqual(told.counts, { succeeded: 1 });
    const after = await flow.deploy(scene.broker, { canary: '0', device: 'my-light', name: 'changed' });
    assert.deepEqual((await ask(after)).entries, told.entries);
  });

  it('tells that nothing is remembered, and refuses what chooses nothing', async () => {
    const flow = await scene.flow({}, { userDir });
    const { entries, text } = await ask(flow);
    assert.deepEqual([entries, text], [[], 'No update or configuration change is recorded.']);
    for (const [index, [wrong, code]] of (
      [
        [{ checksum: 'x' }, 'INVALID_SETTING'],
        [{ device: '' }, 'NO_DEVICE'],
        [{ device: '+' }, 'INVALID_DEVICE_ID'],
      ] as const
    ).entries()) {
      flow.send({ action: 'history', ...wrong });
      assert.equal(caughtCode(await flow.caught.nth(index + 1)), code);
    }
  });

  it('is remembered of jobs that do not survive a restart, too', async () => {
    await scene.device('my-light');
    const flow = await scene.flow({ device: 'my-light', persist: false }, { userDir });
    flow.send({ payload: next });
    await flow.summary.first();
    const told = await ask(flow);
    assert.equal(told.entries.length, 1);
    assert.equal(existsSync(path.join(userDir, 'homie-ota', 'jobs')), false);
    const after = await flow.deploy(scene.broker, { canary: '0', device: 'my-light', persist: false, name: 'changed' });
    assert.deepEqual((await ask(after)).entries, told.entries);
  });

  it('remembers that failures have stopped an image, also of a job that does not survive a restart', async () => {
    await scene.device('a-light', { misbehavior: { neverBack: true } });
    await scene.device('b-light');
    const node = { device: '*-light', persist: false, order: 'id', reboot: '1' };
    const flow = await scene.flow(node, { userDir });
    flow.send({ payload: next });
    assert.equal(payload(await flow.summary.first(), 'state'), 'stopped');
    const after = await flow.deploy(scene.broker, { ...node, canary: '0', name: 'changed' });
    after.send({ action: 'check', payload: next, device: ['b-*'] });
    assert.equal(payload(await after.summary.first(), 'devices.0.verdict'), 'stopped');
  });
});
