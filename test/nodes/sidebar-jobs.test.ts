/** Updates and configuration changes that were started in the sidebar, which are jobs of the homie-broker. */
import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { JsonObject } from '../../src/config/json';
import { configDefaults } from '../../src/config/settings';
import { Firmware } from '../../src/firmware/firmware';
import type { Summary } from '../../src/update/update';
import type { Job } from '../../src/rollout/job';
import { configWork } from '../../src/rollout/config-work';
import { otaWork } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import { buildEsp8266Image } from '../support/images';
import { endOf } from '../support/jobs';
import { stopFlow, TestFlow } from './flow';
import { connected, next, payload, running, Scene, state } from './scene';
import type { SimulatedDevice } from '../simulator/device';
import { untilTrue } from '../support/until-true';

const later = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 80_000, seed: 3 });

/** The id of the homie-broker. */
const BROKER = 'broker';

/** Waits for a job that the sidebar has started. */
async function jobOf(flow: TestFlow): Promise<Job> {
  const queue = Queue.of(flow.broker);
  for (;;) {
    const job = queue.jobs(BROKER).at(-1);
    if (job !== undefined) return job;
    await once(queue, 'job');
  }
}

async function summaryOf(flow: TestFlow): Promise<Summary> {
  return (await jobOf(flow)).untilIdle();
}

/** Waits until a device of a job has accepted the image. */
async function accepted(job: Job): Promise<void> {
  for await (const [{ phase }] of on(job, 'progress')) if (phase === 'accepted') return;
}

/** Waits until a device of a job waits for this reason. */
async function waits(job: Job, device: string, reason: string): Promise<void> {
  const isWaiting = (): boolean => job.devices.some((each) => each.device === device && each.reason === reason);
  await untilTrue(job, 'progress', isWaiting);
}

describe('a job from the sidebar', () => {
  let scene: Scene;
  let userDir: string;
  let broker: object;

  beforeEach(async () => {
    scene = await Scene.open();
    userDir = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-user-'));
    broker = { ...scene.broker, canary: '0', expires: '3600' };
  });
  afterEach(async () => {
    await scene.close();
    await rm(userDir, { recursive: true, force: true });
  });

  const open = (settings: object = {}, ota: object = {}): Promise<TestFlow> =>
    scene.flow({ canary: '0', ...ota }, { userDir, broker: { ...broker, ...settings } });
  const start = async (flow: TestFlow, devices: readonly string[], image = next): Promise<string> => {
    const { sidebar } = flow;
    const { ota: settings, rollout } = sidebar.settings;
    return sidebar.begin(
      otaWork(await Firmware.from(image), { choice: { devices }, settings, rollout }, sidebar.around),
    );
  };
  const change = async ({ sidebar }: TestFlow, devices: readonly string[], patch: JsonObject): Promise<string> => {
    const { rollout } = sidebar.settings;
    return sidebar.begin(configWork({ patch, devices, settings: configDefaults, rollout }, sidebar.around));
  };
  const images = (device: SimulatedDevice): number => device.images.length;

  it('needs no homie-ota node, and is in the history as one of the sidebar', async () => {
    const device = await scene.device('lamp');
    const flow = await open({ continuous: 'true' }, { type: 'homie-devices' });
    await start(flow, ['lamp']);
    const { state: ended, devices } = await summaryOf(flow);
    assert.deepEqual([ended, devices[0]?.reboot], ['succeeded', 'proven']);
    assert.ok(device.image.equals(next));
    assert.ok((await jobOf(flow)).isEnded, 'it is for no other device, nor for later');

    const after = await flow.deploy(broker);
    after.send({ action: 'history' });
    const told = payload(await after.summary.first(), 'entries');
    const [entry] = Array.isArray(told) ? told : [];
    assert.deepEqual([entry?.device, entry?.node], ['lamp', { id: BROKER, name: 'Homie sidebar' }]);
  });

  it('goes on after a full deploy, and after a restart', async () => {
    const flow = await open();
    await start(flow, ['late', 'later']);
    const { id } = await jobOf(flow);
    const deployed = await flow.deploy(broker, { name: 'changed' });
    const late = await scene.device('late');
    const again = await jobOf(deployed);
    assert.equal(again.id, id);
    const result = await endOf(again, 'late');
    assert.equal(result, 'succeeded');

    await stopFlow();
    const restarted = await TestFlow.start(broker, {}, { userDir });
    await restarted.showed(connected);
    const lateToo = await scene.device('later');
    const summary = await summaryOf(restarted);
    assert.deepEqual([summary.job, summary.counts], [id, { succeeded: 2 }]);
    assert.deepEqual([images(late), images(lateToo)], [1, 1]);
  });

  it('judges what was under way when Node-RED was restarted, and sends nothing twice', async () => {
    const device = await scene.device('lamp', { flashDelay: 50 });
    const flow = await open();
    await start(flow, ['lamp']);
    const job = await jobOf(flow);
    await accepted(job);
    await stopFlow();
    const restarted = await TestFlow.start(broker, {}, { userDir });
    const { state: ended } = await summaryOf(restarted);
    assert.equal(ended, 'succeeded');
    assert.equal(images(device), 1);
  });

  it('goes on undisturbed when only a homie-ota node is deployed', async () => {
    const flow = await open();
    await start(flow, ['late']);
    const job = await jobOf(flow);
    const deployed = await flow.deploy(broker, { canary: '0', name: 'changed' }, [], 'nodes');
    assert.equal(await jobOf(deployed), job);
    await scene.device('late');
    assert.equal((await job.untilIdle()).state, 'succeeded');
  });

  it('ends when the homie-broker is deleted', async () => {
    const flow = await open();
    await start(flow, ['late']);
    const job = await jobOf(flow);
    await flow.deploy({ ...broker, id: 'another' });
    assert.equal((await job.untilIdle()).state, 'canceled');
    await stopFlow();
    const restarted = await TestFlow.start(broker, {}, { userDir });
    restarted.send({ action: 'status' });
    await restarted.summary.first();
    assert.deepEqual(Queue.of(restarted.broker).jobs(BROKER), []);
  });

  it('is no job of a homie-ota node, which can neither see nor cancel it', async () => {
    const flow = await open();
    await start(flow, ['late']);
    for (const action of ['status', 'cancel', 'pause', 'retry']) {
      flow.send({ action, asked: action });
      const answer = await flow.summary.first(({ asked }) => asked === action);
      assert.deepEqual([payload(answer, 'state'), payload(answer, 'devices')], ['idle', []], action);
    }
    const { id } = await jobOf(flow);
    flow.send({ action: 'cancel', job: id });
    assert.equal(Reflect.get(Object((await flow.caught.first())['error']), 'code'), 'UNKNOWN_JOB');
    const job = await jobOf(flow);
    assert.deepEqual([job.isEnded, job.devices.map(({ device }) => device)], [false, ['late']]);
  });

  it('uses the settings of the homie-broker', async () => {
    await Promise.all(['a', 'b', 'c'].map((id) => scene.device(id)));
    const flow = await open({ exclude: 'c', canary: '1', soak: '3600' });
    await start(flow, ['a', 'b', 'c']);
    const job = await jobOf(flow);
    await waits(job, 'b', 'canary');
    const states = job.devices.map(({ device, state: is, reason }) => `${device} ${is} ${reason ?? ''}`.trim());
    assert.deepEqual(states.slice(1), ['b waiting canary', 'c skipped excluded']);
  });

  it('is refused while something is wrong with the settings, which do not keep the homie-broker from connecting', async () => {
    const flow = await open({ attempts: '0' });
    await assert.rejects(start(flow, ['lamp']), { code: 'INVALID_SETTING' });
    assert.match(flow.log(), /attempts must be a whole number/);
  });

  it('has a device to itself: an update by a node waits for it', async () => {
    const device = await scene.device('lamp', { flashDelay: 20 });
    const flow = await open();
    await start(flow, ['lamp']);
    const job = await jobOf(flow);
    await accepted(job);
    flow.send({ payload: next, device: 'lamp' });
    await flow.progress.first((msg) => payload(msg, 'reason') === 'busy');
    const result = await flow.result.first();
    assert.deepEqual([payload(result, 'state'), payload(result, 'reason')], ['skipped', 'up_to_date']);
    assert.equal((await job.untilIdle()).state, 'succeeded');
    assert.equal(images(device), 1);
  });

  it('leaves a device that waits to a newer image from a node', async () => {
    const flow = await open();
    await start(flow, ['late']);
    flow.send({ payload: later, device: 'late' });
    const { devices } = await summaryOf(flow);
    assert.deepEqual([devices[0]?.state, devices[0]?.reason], ['canceled', 'superseded']);
    const device = await scene.device('late');
    assert.equal(payload(await flow.result.first(), 'state'), 'succeeded');
    assert.ok(device.image.equals(later));
  });

  it('takes a device that waits from an older image of a node', async () => {
    const flow = await open();
    flow.send({ payload: next, device: 'late' });
    await flow.progress.first(state('waiting'));
    await start(flow, ['late'], later);
    assert.equal(payload(await flow.result.first(), 'reason'), 'superseded');
    const device = await scene.device('late');
    assert.equal((await summaryOf(flow)).state, 'succeeded');
    assert.ok(device.image.equals(later));
  });

  it('is in the log once when it has failed, and not when it has succeeded', async () => {
    await scene.device('good');
    await scene.device('bad', { misbehavior: { comesBackWith: running } });
    const flow = await open();
    await start(flow, ['good']);
    await summaryOf(flow);
    await start(flow, ['bad']);
    const { text } = await summaryOf(flow);
    const lines = flow
      .log()
      .split('\n')
      .filter((line) => line.includes('from the sidebar'));
    assert.deepEqual(lines, [`Update from the sidebar: ${text}`]);
  });

  it('leaves an update that failures have stopped to the user, who can retry it', async () => {
    const bad = await scene.device('bad', { misbehavior: { comesBackWith: running } });
    const other = await scene.device('other');
    const flow = await open();
    await start(flow, ['bad', 'other']);
    const stopped = await jobOf(flow);
    assert.equal((await stopped.untilIdle()).state, 'stopped');
    await start(flow, ['never-seen']);
    assert.deepEqual([stopped.isEnded, images(other)], [false, 0]);

    bad.misbehavior = {};
    await flow.sidebar.command('retry', { job: stopped.id });
    const { counts } = await stopped.untilIdle();
    assert.deepEqual(counts, { succeeded: 2 });
  });

  it('steers the jobs of nodes, too', async () => {
    const flow = await open();
    flow.send({ payload: next, device: 'late' });
    await flow.progress.first(state('waiting'));
    await flow.sidebar.command('cancel', { devices: ['late'] });
    assert.equal(payload(await flow.result.first(), 'state'), 'canceled');
  });

  it('changes a configuration, and goes on after a full deploy and a restart', async () => {
    const flow = await open();
    const id = await change(flow, ['late', 'later'], { name: 'Hall' });
    const deployed = await flow.deploy(broker, { name: 'changed' });
    const late = await scene.device('late');
    assert.equal(await endOf(await jobOf(deployed), 'late'), 'succeeded');

    await stopFlow();
    const restarted = await TestFlow.start(broker, {}, { userDir });
    await restarted.showed(connected);
    const lateToo = await scene.device('later');
    const summary = await summaryOf(restarted);
    assert.deepEqual([summary.job, summary.counts], [id, { succeeded: 2 }]);
    assert.deepEqual([late.patches.length, lateToo.patches.length], [1, 1]);
    const [result] = restarted.sidebar.resultsOf('later');
    assert.deepEqual([result?.job, result?.to, result?.node?.name], [id, undefined, 'Homie sidebar']);
  });

  it('writes no secret to the disk, and sends no patch without it after a restart', async () => {
    const secret = 'pl4nted-secret';
    const flow = await open();
    await change(flow, ['late'], { wifi: { password: secret } });
    await stopFlow();
    const folder = path.join(userDir, 'homie-ota');
    const files = await readdir(folder, { recursive: true, withFileTypes: true });
    const texts = await Promise.all(
      files.filter((each) => each.isFile()).map((each) => readFile(path.join(each.parentPath, each.name), 'utf8')),
    );
    assert.ok(texts.some((text) => text.includes('"password"')));
    assert.ok(!texts.join('').includes(secret));
    const restarted = await TestFlow.start(broker, {}, { userDir });
    await restarted.showed(connected);
    const late = await scene.device('late');
    assert.equal(await endOf(await jobOf(restarted), 'late'), 'SECRET_NOT_KEPT');
    assert.deepEqual(late.patches, []);
  });

  it('names a configuration change in the log when it has failed', async () => {
    const flow = await open();
    await scene.device('lamp');
    await change(flow, ['lamp'], { wifi: { ssid: 'other' } });
    const { text } = await summaryOf(flow);
    assert.ok(flow.log().includes(`Configuration change from the sidebar: ${text}`), flow.log());
  });
});
