import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Firmware } from '../../src/firmware/firmware';
import { otaWork } from '../../src/rollout/ota-work';
import { FolderLock } from '../../src/rollout/store/folder-lock';
import { LockProcess } from '../support/lock-process';
import { stopFlow, TestFlow } from './flow';
import { next, payload, Scene, state } from './scene';

describe('a node with jobs, whose user directory another Node-RED uses', () => {
  let scene: Scene;
  let userDir: string;
  let folder: string;
  let other: LockProcess | undefined;

  beforeEach(async () => {
    scene = await Scene.open();
    userDir = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-user-'));
    folder = path.join(userDir, 'homie-ota');
  });
  afterEach(async () => {
    await scene.close();
    await other?.end('SIGKILL');
    other = undefined;
    await rm(userDir, { recursive: true, force: true });
  });

  const settings = { device: '', expires: '3600', maxFailures: '0' };
  const jobs = async (): Promise<string[]> => {
    const names = (await readdir(path.join(folder, 'jobs'))).sort();
    return Promise.all(names.map((name) => readFile(path.join(folder, 'jobs', name), 'utf8')));
  };

  it('sends nothing and leaves the jobs as they are, until the other one has ended', async () => {
    const before = await scene.flow(settings, { userDir });
    before.send({ payload: next, device: 'late', asked: 'nightly' });
    await before.progress.first(state('waiting'));
    await stopFlow();
    const kept = await jobs();
    other = new LockProcess(folder, { beat: 100, look: 20, silence: 600_000, trust: 300_000 });
    assert.equal((await other.told('decided')).isOwner, true);

    const flow = await TestFlow.start(scene.broker, { canary: '0', ...settings }, { userDir });
    const [late, lamp] = await Promise.all(['late', 'lamp'].map((id) => scene.device(id, { statsInterval: 1 })));
    flow.send({ payload: next, device: 'lamp' });
    const refused = await flow.result.first();
    assert.deepEqual([payload(refused, 'state'), payload(refused, 'error.code')], ['rejected', 'USER_DIR_IN_USE']);
    assert.match(String(payload(refused, 'error.message')), new RegExp(`process ${other.pid} on`));
    const firmware = await Firmware.from(next);
    const { sidebar } = flow;
    const { ota, rollout } = sidebar.settings;
    const work = otaWork(firmware, { choice: { devices: ['lamp'] }, settings: ota, rollout }, sidebar.around);
    await assert.rejects(sidebar.begin(work), { code: 'USER_DIR_IN_USE' }, 'from the sidebar');
    flow.send({ action: 'status', asked: 'what is up' });
    assert.equal(payload(await flow.summary.first(({ asked }) => asked === 'what is up'), 'state'), 'idle');
    assert.deepEqual([late?.received, lamp?.received], [[], []]);
    assert.deepEqual(await jobs(), kept);
    assert.equal(flow.log().match(/Another Node-RED/g)?.length, 1, flow.log());

    await other.end('exit');
    const result = await flow.result.first((msg) => payload(msg, 'device') === 'late');
    assert.deepEqual([payload(result, 'state'), result['asked']], ['succeeded', 'nightly']);
    flow.send({ payload: next, device: 'lamp', asked: 'again' });
    assert.equal(payload(await flow.result.first(({ asked }) => asked === 'again'), 'state'), 'succeeded');
  });

  it('gives its jobs up as soon as the other one takes the directory, and goes on when that is over', async () => {
    const flow = await scene.flow(settings, { userDir });
    flow.send({ payload: next, device: 'late' });
    await flow.progress.first(state('waiting'));
    let kept: string[];
    // The last line may not be on disk yet.
    do kept = await jobs();
    while (!kept.every((file) => /"admitted":true.*\n$/.test(file)));
    const theirs = { token: 'theirs', host: 'another-host', space: '', pid: 1 };
    const file = path.join(folder, 'owner.2.json');
    const lock = FolderLock.of(folder);
    const lost = once(lock, 'lost');
    await writeFile(file, JSON.stringify({ ...theirs, released: false }));
    flow.send({ payload: next, device: 'lamp' });
    assert.equal(payload(await flow.result.first(), 'error.code'), 'USER_DIR_IN_USE');
    await lost;
    const late = await scene.device('late', { statsInterval: 1 });
    flow.send({ action: 'status', asked: 'what is up' });
    assert.equal(payload(await flow.summary.first(({ asked }) => asked === 'what is up'), 'state'), 'idle');
    assert.deepEqual(late.received, []);
    assert.deepEqual(await jobs(), kept);

    await writeFile(file, JSON.stringify({ ...theirs, released: true }));
    const result = await flow.result.first((msg) => payload(msg, 'device') === 'late');
    assert.equal(payload(result, 'state'), 'succeeded');
    assert.equal(late.received.filter(({ total }) => total > 1).length, 1);
  });

  it('can be closed while it is not known yet whether the directory is in use', async () => {
    const before = await scene.flow(settings, { userDir });
    before.send({ payload: next, device: 'late' });
    await before.progress.first(state('waiting'));
    await stopFlow();
    const theirs = { token: 'theirs', host: 'another-host', space: '', pid: 1, released: false };
    await writeFile(path.join(folder, 'owner.9.json'), JSON.stringify(theirs));
    const kept = await jobs();
    const flow = await TestFlow.start(scene.broker, { canary: '0', ...settings }, { userDir });
    flow.send({ payload: next, device: 'lamp' });
    const begun = performance.now();
    await stopFlow();
    assert.ok(performance.now() - begun < 10_000);
    assert.deepEqual(await jobs(), kept);
  });
});
