import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Queue } from '../../src/rollout/queue';
import type { SimulatedDevice } from '../simulator/device';
import { buildEsp8266Image } from '../support/images';
import { startProxy } from '../support/proxy';
import { stopFlow, TestFlow } from './flow';
import { closedWindow, configNode, connected, next, payload, Scene, state, untilHeard } from './scene';

const secret = 'open-sesame-4711';
const strange = buildEsp8266Image({ name: 'my-light', version: '0.9.0', size: 60_000, seed: 9 });
const later = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 80_000, seed: 3 });

describe('a node with jobs, when it is deployed again in a Node-RED with a user directory', () => {
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

  const files = async (folder: string): Promise<string[]> =>
    readdir(path.join(userDir, 'homie-ota', folder)).catch(() => []);
  const settings = { device: '', expires: '3600', maxFailures: '0' };
  const open = (more: object = {}): Promise<TestFlow> => scene.flow({ ...settings, ...more }, { userDir });
  const again = (flow: TestFlow, more: object = {}): Promise<TestFlow> =>
    flow.deploy(scene.broker, { canary: '0', ...settings, ...more, name: 'changed' }, [], 'full');
  const about =
    (asked: string) =>
    (msg: object): boolean =>
      Reflect.get(msg, 'asked') === asked;
  const lively = (id: string, options = {}): Promise<SimulatedDevice> =>
    scene.device(id, { statsInterval: 1, ...options });

  it('waits on, and answers with the message that began the job', async () => {
    const flow = await open();
    flow.send({ payload: next, device: 'late', asked: 'nightly', when: { hour: 3 }, socket: circular() });
    const queued = await flow.progress.first(state('waiting'));
    const after = await again(flow);
    assert.deepEqual(flow.dones, [], 'the message is not done');
    assert.deepEqual(flow.summary.messages, []);

    await lively('late');
    const result = await after.result.first();
    assert.equal(payload(result, 'state'), 'succeeded');
    assert.equal(payload(result, 'job'), payload(queued, 'job'));
    const { asked, when, socket }: { asked?: unknown; when?: unknown; socket?: unknown } = Object(result);
    assert.deepEqual([asked, when, socket], ['nightly', { hour: 3 }, undefined]);
    assert.equal(result['_msgid'], queued['_msgid']);
    assert.equal(payload(await after.summary.first(), 'counts.succeeded'), 1);
    assert.equal(after.result.messages.length, 1);
  });

  it('judges what was under way by what the device runs, and sends nothing twice', async () => {
    const device = await lively('under-way', { flashDelay: 50 });
    const flow = await open();
    flow.send({ payload: next, device: device.id });
    await flow.progress.first((msg) => payload(msg, 'phase') === 'accepted');
    const after = await again(flow);
    const result = await after.result.first();
    assert.equal(payload(result, 'state'), 'succeeded');
    assert.equal(payload(result, 'reboot'), 'proven');
    assert.ok(device.image.equals(next));
    assert.equal(device.images.length, 1);
  });

  it('does not wait for an upload, and sends nothing before that has ended', async () => {
    const device = await lively('uploading');
    const { port } = Object(scene.broker);
    const link = await startProxy(Number(port));
    try {
      const broker = { ...scene.broker, port: String(link.port) };
      const flow = await TestFlow.start(broker, { canary: '0', ...settings }, { userDir });
      await flow.showed(connected);
      await untilHeard(flow.broker, [device]);
      flow.send({ payload: next, device: device.id, asked: 'update' });
      await flow.progress.first((msg) => payload(msg, 'phase') === 'sending');
      link.stall();
      // Only this node is restarted. The connection, which sends the image, stays open.
      const after = await flow.deploy(broker, { canary: '0', ...settings, name: 'changed' }, [], 'nodes');
      assert.doesNotMatch(after.log(), /timed out/);
      after.send({ payload: next, device: device.id, asked: 'again' });
      await after.progress.first(({ asked }) => asked === 'again');
      link.flow();
      const result = await after.result.first();
      assert.deepEqual([payload(result, 'state'), payload(result, 'reboot')], ['succeeded', 'proven']);
      assert.equal(device.images.length, 1);
    } finally {
      await link.close();
    }
  });

  it('is gone on with by the last node only, when one is closed while it reads what is written down', async () => {
    const flow = await open();
    flow.send({ payload: next, device: 'awaited' });
    await flow.progress.first(state('waiting'));
    // Only this node is restarted. The connection, which could send an image, stays open.
    const between = await flow.deploy(scene.broker, { canary: '0', ...settings, name: 'once' }, [], 'nodes');
    const twice = await between.deploy(scene.broker, { canary: '0', ...settings, name: 'twice' }, [], 'nodes');
    await twice.progress.first(state('waiting'));
    const device = await lively('awaited');
    await twice.summary.first();
    assert.equal(twice.result.messages.length, 1);
    assert.equal(device.images.length, 1);
  });

  it('goes on with several devices, each of which has one result', async () => {
    const devices = await Promise.all(['a', 'b', 'c', 'd'].map((id) => lively(id)));
    let flow = await open();
    flow.send({ payload: next, device: ['a', 'b', 'c', 'd', 'e'] });
    await flow.result.first();
    flow = await again(flow);
    await flow.result.first();
    const after = await again(flow, { force: false });
    devices.push(await lively('e'));
    const summary = await after.summary.first();
    assert.equal(payload(summary, 'counts.succeeded'), 5);
    const told = [...flow.result.messages, ...after.result.messages].map((msg) => payload(msg, 'device'));
    assert.equal(new Set(told).size, told.length, told.join());
    for (const { image, images } of devices) {
      assert.ok(image.equals(next));
      assert.equal(images.length, 1);
    }
  });

  it('does not stop its image again after another job with it was resumed', async () => {
    const broken = await lively('broken', { misbehavior: { failEraseAt: 0 } });
    const late = await lively('late');
    const flow = await open({ device: '*', maxFailures: '1', order: 'id' });
    flow.send({ payload: next, asked: 'first' });
    const stopped = await flow.summary.first(about('first'));
    assert.equal(payload(stopped, 'state'), 'stopped');
    flow.send({ payload: next, device: '*', asked: 'second', options: { window: closedWindow() } });
    const second = await flow.summary.first(about('second'));
    flow.send({ action: 'resume', job: payload(second, 'job'), asked: 'resume' });
    await flow.summary.first(about('resume'));
    const isStopped = ({ broker }: TestFlow): boolean =>
      Queue.of(broker).history.stopOf(broker.locks.scope, String(payload(stopped, 'devices.0.to.checksum'))) !==
      undefined;
    assert.equal(isStopped(flow), false);
    const after = await again(flow, { device: '*', maxFailures: '1', order: 'id' });
    after.send({ action: 'status', job: payload(stopped, 'job'), asked: 'status' });
    assert.equal(payload(await after.summary.first(about('status')), 'state'), 'stopped');
    assert.equal(isStopped(after), false);
    assert.deepEqual(
      [broken.image, late.image].map((image) => image.equals(next)),
      [false, false],
    );
  });

  it('stays paused, and takes part in what else is asked of a job', async () => {
    const flow = await open();
    flow.send({ payload: next, device: 'late' });
    await flow.progress.first(state('waiting'));
    flow.send({ action: 'pause' });
    await flow.summary.first(state('paused'));
    const after = await again(flow);
    after.send({ action: 'status' });
    assert.equal(payload(await after.summary.first(), 'state'), 'paused');
    after.send({ payload: next, device: 'another' });
    await after.progress.first((msg) => payload(msg, 'device') === 'another' && state('waiting')(msg));
    after.send({ action: 'cancel' });
    const summary = await after.summary.first(state('canceled'));
    assert.equal(payload(summary, 'counts.canceled'), 2, 'it was one job');
  });

  it('gives whoever joined a summary, too, and but one', async () => {
    const flow = await open();
    flow.send({ payload: next, device: 'late', asked: 'first' });
    await flow.progress.first(state('waiting'));
    flow.send({ payload: next, device: 'later', asked: 'second' });
    await flow.progress.first((msg) => payload(msg, 'device') === 'later' && state('waiting')(msg));
    const after = await again(flow);
    await Promise.all([lively('late'), lively('later')]);
    await Promise.all(['first', 'second'].map((asked) => after.summary.first((msg) => msg['asked'] === asked)));
    assert.equal((await after.result.first((msg) => payload(msg, 'device') === 'later'))['asked'], 'second');
    assert.equal(after.summary.messages.length, 2);
  });

  it('knows after that, too, what asks for the same', async () => {
    const flow = await open();
    flow.send({ payload: next, device: 'late', options: { allowDowngrade: true } });
    const waiting = await flow.progress.first(state('waiting'));
    const after = await again(flow);
    const device = await lively('here');
    after.send({ payload: next, device: 'here' });
    const own = await after.result.first();
    assert.notEqual(payload(own, 'job'), payload(waiting, 'job'));
    assert.equal(device.received.length, 1);
    after.send({ payload: next, device: 'late', options: { allowDowngrade: true }, asked: 'same' });
    after.send({ action: 'cancel', device: 'late', asked: 'cancel' });
    const same = await after.summary.first((msg) => msg['asked'] === 'same');
    assert.equal(payload(same, 'job'), payload(waiting, 'job'));
  });

  it('keeps what failed for a retry, and its firmware with it', async () => {
    const device = await lively('stubborn', { misbehavior: { comesBackWith: strange } });
    const flow = await open();
    flow.send({ payload: next, device: device.id });
    const failed = await flow.result.first();
    assert.equal(payload(failed, 'error.code'), 'OTHER_FIRMWARE');
    await flow.summary.first();
    const after = await again(flow);
    assert.deepEqual(await files('firmware'), [`${String(payload(failed, 'to.checksum'))}.bin`]);
    after.send({ payload: next, device: device.id });
    assert.equal(payload(await after.result.first(), 'reason'), 'held');
    assert.equal(device.received.length, 1);
    // The uptime, in whole seconds, could not prove a reboot directly after another one.
    await upForASecond(device);
    after.send({ action: 'retry' });
    assert.equal(payload(await after.result.nth(2), 'error.code'), 'OLD_FIRMWARE');
    assert.equal(device.received.length, 2);
  });

  it('leaves no file of a job that has ended well but the image that runs now, and lets only the owner read the others', async () => {
    await lively('quick');
    const flow = await open();
    flow.send({ payload: next, device: ['quick', 'late'] });
    await flow.result.first();
    const [job] = await files('jobs');
    const [firmware] = await files('firmware');
    for (const file of [`jobs/${job}`, `firmware/${firmware}`, 'history.jsonl']) {
      assert.equal((await stat(path.join(userDir, 'homie-ota', file))).mode & 0o777, 0o600, file);
    }
    await lively('late');
    await flow.summary.first();
    await stopFlow();
    assert.deepEqual(await files('jobs'), []);
    assert.deepEqual(await files('firmware'), [firmware]);
  });

  it('writes down nothing with persist off, and cancels what waits', async () => {
    const flow = await open({ persist: 'false' });
    flow.send({ payload: next, device: 'late' });
    await flow.progress.first(state('waiting'));
    await flow.deploy(scene.broker, { canary: '0', ...settings, name: 'changed' }, [], 'nodes');
    assert.equal(payload(await flow.result.first(), 'state'), 'canceled');
    assert.deepEqual(flow.dones, [{ code: undefined }]);
    assert.deepEqual(await files('jobs'), []);
  });

  it('tells of a damaged file once, sets it aside, and goes on with the others', async () => {
    const flow = await open();
    flow.send({ payload: next, device: 'late' });
    await flow.progress.first(state('waiting'));
    flow.send({ payload: later, device: 'other' });
    await flow.progress.first((msg) => payload(msg, 'device') === 'other' && state('waiting')(msg));
    await stopFlow();
    const [first = '', second = ''] = await files('jobs');
    const file = path.join(userDir, 'homie-ota', 'jobs', first);
    await writeFile(file, (await readFile(file, 'utf8')).replace('"late"', '"late').replace('"other"', '"other'));
    const after = await TestFlow.start(scene.broker, { canary: '0', ...settings }, { userDir });
    after.send({ action: 'status' });
    assert.equal(payload(await after.summary.first(), 'job'), second.replace('.jsonl', ''));
    assert.equal(after.log().match(/is damaged/g)?.length, 1, after.log());
    assert.deepEqual((await files('jobs')).sort(), [`${first}.damaged`, second].sort());
  });

  it('leaves the file of a later version alone, and says so', async () => {
    const job = '3b241101-e2bb-4255-8caf-4136c566a962.jsonl';
    await mkdir(path.join(userDir, 'homie-ota', 'jobs'), { recursive: true });
    await writeFile(path.join(userDir, 'homie-ota', 'jobs', job), '{"version":3}\n');
    const flow = await open();
    flow.send({ action: 'status' });
    assert.equal(payload(await flow.summary.first(), 'state'), 'idle');
    assert.match(flow.log(), /written by a newer version/);
    assert.deepEqual(await files('jobs'), [job]);
  });

  it('tells once that a job cannot be written, and does it all the same', async () => {
    const device = await lively('kept-nowhere');
    // A file in place of the folder: even root cannot write below it.
    await writeFile(path.join(userDir, 'homie-ota'), '');
    const flow = await open();
    flow.send({ payload: next, device: device.id });
    assert.equal(payload(await flow.result.first(), 'state'), 'succeeded');
    assert.match(flow.log(), /jobs.*\.jsonl cannot be written \(ENOTDIR\)/);
  });

  it('locks a device that was under way until its node is there again', async () => {
    const device = await lively('in-limbo', { flashDelay: 100, misbehavior: { notIdle: true } });
    const flow = await open();
    flow.send({ payload: next, device: device.id });
    await flow.progress.first((msg) => payload(msg, 'phase') === 'accepted');
    await stopFlow();
    const folder = path.join(userDir, 'homie-ota', 'jobs');
    const [job = ''] = await readdir(folder);
    // Files that an earlier process has left, of a node that no longer exists.
    const elsewhere = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-user-'));
    await mkdir(path.join(elsewhere, 'homie-ota', 'jobs'), { recursive: true });
    const text = (await readFile(path.join(folder, job), 'utf8')).replaceAll('"node":"ota"', '"node":"gone"');
    await writeFile(path.join(elsewhere, 'homie-ota', 'jobs', job), text.replaceAll('in-limbo', 'in-limbo-2'));
    const other = await lively('in-limbo-2', { misbehavior: { notIdle: true } });
    const after = await scene.flow({ ...settings, expires: '0' }, { userDir: elsewhere });
    after.send({ payload: next, device: other.id });
    assert.equal(payload(await after.result.first(), 'error.code'), 'REBOOT_PENDING');
    await rm(elsewhere, { recursive: true });
  });

  it('tells of a firmware that is damaged, and sends it to nobody', async () => {
    const flow = await open();
    flow.send({ payload: next, device: 'late' });
    await flow.progress.first(state('waiting'));
    await stopFlow();
    const [firmware = ''] = await files('firmware');
    await truncate(path.join(userDir, 'homie-ota', 'firmware', firmware), 1000);
    const after = await open();
    after.send({ action: 'status' });
    assert.equal(payload(await after.summary.first(), 'state'), 'idle');
    assert.match(after.log(), /firmware.*\.bin is damaged/);
  });

  it('tells that a job cannot go on at another broker', async () => {
    const flow = await open();
    flow.send({ payload: next, device: 'late' });
    await flow.progress.first(state('waiting'));
    const after = await flow.deploy({ ...scene.broker, baseTopic: 'elsewhere/' }, { canary: '0', ...settings }, []);
    after.send({ action: 'status' });
    assert.equal(payload(await after.summary.first(), 'state'), 'idle');
    assert.match(after.log(), /base topic of a node was changed/);
  });

  it('never writes a secret of a patch down, and says that it must be sent once more', async () => {
    const config = { ...configNode, ...settings, allowRisky: true };
    const flow = await scene.flow(config, { userDir });
    await flow.showed(connected);
    flow.send({ payload: { wifi: { password: secret } }, device: 'late' });
    await flow.progress.first(state('waiting'));
    const after = await flow.deploy(scene.broker, { canary: '0', ...config, name: 'changed' });
    for (const folder of ['.', 'jobs']) {
      for (const name of await files(folder)) {
        const file = path.join(userDir, 'homie-ota', folder, name);
        if ((await stat(file)).isFile()) assert.ok(!(await readFile(file, 'utf8')).includes(secret), name);
      }
    }
    const result = await after.result.first();
    assert.equal(payload(result, 'state'), 'rejected');
    assert.equal(payload(result, 'error.code'), 'SECRET_NOT_KEPT');
  });

  /** Returns the contents of all stored files as text. */
  const written = async (): Promise<string> => {
    const texts: string[] = [];
    for (const folder of ['.', 'jobs']) {
      for (const name of await files(folder)) {
        const file = path.join(userDir, 'homie-ota', folder, name);
        if ((await stat(file)).isFile()) texts.push(await readFile(file, 'utf8'));
      }
    }
    return texts.join('\n');
  };

  it('writes down of a message what the flow knows it by, and nothing that HTTP brought or that is secret', async () => {
    const flow = await open();
    flow.send({
      payload: next,
      device: 'late',
      options: { attempts: 3 },
      asked: 'nightly',
      build: { number: 7, apiKey: secret, by: { Authorization: `Bearer ${secret}` } },
      req: { headers: { authorization: secret } },
      headers: { authorization: secret },
      cookies: { sid: secret },
      url: `/update?token=${secret}`,
      query: { t: secret },
      params: { t: secret },
      session: { id: secret },
      password: secret,
      link: `https://builds.example.com/image.bin?access_token=${secret}`,
    });
    await flow.progress.first(state('waiting'));
    const after = await again(flow);
    const text = await written();
    assert.match(text, /nightly/);
    assert.match(text, /"attempts":3/);
    assert.ok(!text.includes('"options"'));
    assert.ok(!text.includes(secret));

    await lively('late');
    const result = await after.result.first();
    assert.equal(payload(result, 'state'), 'succeeded');
    assert.equal(result['asked'], 'nightly');
    assert.equal(Reflect.get(Object(result['build']), 'number'), 7);
    assert.ok(!JSON.stringify(result).includes(secret));
    for (const name of ['req', 'headers', 'cookies', 'url', 'query', 'params', 'session']) {
      assert.ok(!(name in result), name);
    }
  });

  it('writes down no copy of a patch, nor a secret of it, under any other name', async () => {
    const config = { ...configNode, ...settings, secretNames: 'sesame', allowRisky: true };
    const patch = { settings: { sesame: secret, colour: 'ultramarine' } };
    const flow = await scene.flow(config, { userDir });
    flow.send({
      payload: patch,
      device: 'late',
      asked: 'nightly',
      copy: structuredClone(patch),
      text: JSON.stringify(patch, undefined, 2),
      before: { id: 7, payload: structuredClone(patch) },
      word: secret,
    });
    await flow.progress.first(state('waiting'));
    flow.send({ payload: { name: 'Hall' }, device: 'late', asked: 'first', copy: { name: 'Hall' } });
    await flow.progress.first(({ asked }) => asked === 'first');
    flow.send({ payload: { name: 'Hall' }, device: 'later', asked: 'joined', copy: { name: 'Hall' }, token: secret });
    await flow.progress.first(({ asked }) => asked === 'joined');
    const after = await flow.deploy(scene.broker, { canary: '0', ...config, name: 'changed' });
    const text = await written();
    assert.match(text, /nightly/);
    assert.match(text, /joined/);
    assert.ok(!text.includes(secret));
    const jobs = text.split('\n').filter((line) => line.includes('"copy"') || line.includes('"text"'));
    assert.deepEqual(jobs, []);
    const result = await after.result.first(({ asked }) => asked === 'nightly');
    assert.equal(payload(result, 'error.code'), 'SECRET_NOT_KEPT');
    assert.deepEqual(result['before'], { id: 7 });
  });

  it('goes on with a patch without secrets', async () => {
    const config = { ...configNode, ...settings };
    const flow = await scene.flow(config, { userDir });
    flow.send({ payload: { name: 'Hall' }, device: 'late' });
    await flow.progress.first(state('waiting'));
    const after = await flow.deploy(scene.broker, { canary: '0', ...config, name: 'changed' });
    const device = await lively('late');
    assert.equal(payload(await after.result.first(), 'state'), 'succeeded');
    assert.equal(JSON.parse(device.file).name, 'Hall');
  });
});

function upForASecond(device: SimulatedDevice): Promise<void> {
  return new Promise((resolve) => {
    device.on('publish', (topic, value) => {
      if (topic === '$stats/uptime' && value !== '0') resolve();
    });
  });
}

function circular(): object {
  const socket: Record<string, unknown> = {};
  socket['self'] = socket;
  return socket;
}
