/** The user directory that version 0.1.0 left when its process was killed: see test/fixtures/user-dir-0.1.0. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { NodeMessage } from 'node-red';
import type { SimulatedDevice } from '../simulator/device';
import type { DeviceOptions } from '../simulator/options';
import { buildEsp8266Image } from '../support/images';
import { untilTrue } from '../support/until-true';
import { stopFlow, TestFlow } from './flow';
import { configNode, payload, Scene, untilHeard } from './scene';

const fixture = path.join(__dirname, '../fixtures/user-dir-0.1.0');
const baseTopic = 'homie/';
const light = (version: string, seed: number): Buffer =>
  buildEsp8266Image({ name: 'my-light', version, size: 8_000, seed });
const old = light('1.0.0', 1);
const rollout = light('1.1.0', 2);
const inFlight = light('1.2.0', 3);
const jobs = {
  /** Three lights: one is updated, two were never seen. */
  open: '209daa16-ac7e-4f0c-aa45-cd9641c375be',
  /** `attic-light` had been sent its image. */
  killed: '21479979-9e86-43fc-8752-b872bfba7e9b',
};

describe('the user directory of version 0.1.0', () => {
  let scene: Scene;
  let userDir: string;
  let files: string;
  let devices: SimulatedDevice[];

  beforeEach(async () => {
    scene = await Scene.open();
    devices = [];
    userDir = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-0.1.0-'));
    files = path.join(userDir, 'homie-ota');
    await cp(fixture, files, { recursive: true });
  });
  afterEach(async () => {
    await scene.close();
    await rm(userDir, { recursive: true, force: true });
  });

  const open = async (): Promise<TestFlow> => {
    const more = [{ ...configNode, id: 'config', z: 'flow', x: 0, y: 0, broker: 'broker', wires: [['result']] }];
    const settings = { device: '', maxFailures: '0', canary: '0' };
    const flow = await TestFlow.start({ ...scene.broker, baseTopic }, settings, { userDir, more });
    // Answered once the user directory was read.
    flow.send({ action: 'status', asked: 'open' });
    await flow.summary.first((msg) => msg['asked'] === 'open');
    await untilHeard(flow.broker, devices);
    return flow;
  };
  const add = async (id: string, image: Buffer, options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> => {
    const device = await scene.device(id, { baseTopic, image, ...options });
    devices.push(device);
    return device;
  };
  const of =
    (device: string) =>
    (msg: NodeMessage): boolean =>
      payload(msg, 'device') === device;
  const spoil = async (file: string, text: string): Promise<void> => {
    const content = await readFile(path.join(files, file), 'utf8');
    assert.ok(content.includes(text), text);
    await writeFile(path.join(files, file), content.replaceAll(text, text.slice(0, -1)));
  };

  it('has the results that `history` answers', async () => {
    const flow = await open();
    flow.send({ action: 'history', device: '*-light, garden-pump', asked: 'history' });
    const entries: unknown = payload(await flow.summary.first((msg) => msg['asked'] === 'history'), 'entries');
    assert.ok(Array.isArray(entries));
    assert.deepEqual(
      entries.map(({ text }) => text).filter((text) => !text.startsWith('shed-light')),
      [
        'porch-light: updated from my-light 1.0.0 to 1.1.0.',
        'kitchen-light: configuration changed.',
        'cellar-light: failed: The firmware is flashed, but the device has not rebooted.',
        'kitchen-light: updated from my-light 1.0.0 to 1.1.0.',
        'garden-pump: refused: The image is "my-light", but garden-pump runs "my-pump".',
      ],
    );
  });

  it('has a rollout that goes on with the devices that are left, and answers with its message', async () => {
    const flow = await open();
    flow.send({ action: 'status', job: jobs.open, asked: 'status' });
    assert.equal(payload(await flow.summary.first((msg) => msg['asked'] === 'status'), 'state'), 'running');
    await Promise.all(['hall-light', 'stairs-light'].map((id) => add(id, old)));
    const summary = await flow.summary.first((msg) => msg['asked'] === 'rollout');
    assert.deepEqual(payload(summary, 'counts'), { succeeded: 3 });
    assert.equal(payload(summary, 'job'), jobs.open);
    for (const device of devices) assert.ok(device.image.equals(rollout));
    assert.deepEqual(
      flow.result.messages
        .filter((msg) => msg['asked'] === 'rollout')
        .map((msg) => String(msg['device']))
        .sort((a, b) => a.localeCompare(b)),
      ['hall-light', 'stairs-light'],
      'no device has a second result',
    );
  });

  it('has a device that was sent an image, which is judged by what it runs and is sent nothing else', async () => {
    const device = await add('attic-light', inFlight, { uptime: 1 });
    const flow = await open();
    const result = await flow.result.first(of(device.id));
    assert.deepEqual([payload(result, 'state'), payload(result, 'job')], ['succeeded', jobs.killed]);
    assert.equal(result['asked'], 'attic');
    assert.deepEqual(device.images, []);
  });

  it('keeps a device locked that was sent an image and has not restarted', async () => {
    // The files count in seconds since the start of a machine, so this device must have been up for longer than any.
    const device = await add('attic-light', old, { uptime: 40_000_000 });
    const flow = await open();
    flow.send({ payload: rollout, device: device.id, options: { expires: 0 } });
    const first = await flow.result.first(of(device.id));
    assert.equal(payload(first, 'error.code'), 'DEVICE_BUSY', JSON.stringify(first));
    assert.deepEqual(device.images, []);
  });

  it('keeps a device locked that had an image to boot when its job ended, until it has restarted', async () => {
    const device = await add('cellar-light', old);
    const flow = await open();
    flow.send({ payload: rollout, device: device.id, options: { expires: 0 } });
    assert.equal(payload(await flow.result.first(of(device.id)), 'error.code'), 'REBOOT_PENDING');
    const { registry } = flow.broker;
    // A restart so soon after the start of Node-RED cannot be told from a reconnect.
    await untilTrue(registry, 'event', () => Number(registry.get(device.id)?.uptime?.value) >= 3606);
    await device.restart();
    await untilTrue(registry, 'event', () => !flow.broker.locks.isRebootPending(device.id));
    flow.send({ payload: rollout, device: device.id, action: 'update', again: true });
    assert.equal(payload(await flow.result.first((msg) => msg['again'] === true), 'state'), 'succeeded');

    await stopFlow();
    const after = await open();
    assert.ok(!after.broker.locks.isRebootPending(device.id), 'the history is asked once');
    assert.match(await readFile(path.join(files, 'history.jsonl'), 'utf8'), /^{"version":2}\n/);
  });

  it('leaves devices free that were updated or refused', async () => {
    const { locks } = (await open()).broker;
    for (const id of ['kitchen-light', 'garden-pump', 'porch-light', 'hall-light']) {
      assert.equal(locks.isRebootPending(id), false, id);
    }
  });

  it('refuses the rest of a configuration change whose secrets 0.1.0 did not store', async () => {
    const flow = await open();
    const result = await flow.result.first(of('shed-light'));
    assert.equal(payload(result, 'error.code'), 'SECRET_NOT_KEPT');
    assert.equal(result['asked'], 'wifi');
  });

  it('locks more devices if the history is damaged', async () => {
    await spoil('history.jsonl', '"reboot":"proven"');
    const { locks } = (await open()).broker;
    for (const id of ['kitchen-light', 'cellar-light', 'porch-light']) assert.ok(locks.isRebootPending(id), id);
  });

  it('locks the devices of a damaged job, and sets its file aside', async () => {
    const file = `jobs/${jobs.killed}.jsonl`;
    await spoil(file, '"attempt":0');
    const device = await add('attic-light', old);
    const flow = await open();
    assert.ok(flow.broker.locks.isRebootPending(device.id));
    assert.match(flow.log(), /is damaged/);
    assert.ok((await readdir(path.join(files, 'jobs'))).includes(`${jobs.killed}.jsonl.damaged`));
  });

  it('is written as files of this version, which 0.1.0 leaves alone', async () => {
    const flow = await open();
    await add('hall-light', old);
    await flow.result.first(of('hall-light'));
    assert.match(await readFile(path.join(files, `jobs/${jobs.open}.jsonl`), 'utf8'), /^{"version":2}\n/);
  });
});
