import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { readPatch } from '../../src/config/patch';
import { HomieBroker } from '../../src/homie/broker';
import { ConfigJob } from '../../src/rollout/config-job';
import type { Update } from '../../src/update/update';
import { patient } from '../config/lab';
import { running, sequential } from '../ota/lab';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { untilTrue } from '../support/until-true';

const patch = { settings: { a: 'a'.repeat(100), b: 'b'.repeat(100), c: 'c'.repeat(100) } };
const settings = { ...patient, split: true, secretBytes: 10 };

/** Longer than two of the waits after which a halted change looks whether it may continue. */
const SEVERAL_WAITS = 2_500;

/** Time in which a device that never answers fails, and for which the other one is away in its reboot, in ms. */
const [FAILED, AWAY] = [300, 1_500];

/** Counter for device ids: the process has one table of locks, so no id is used twice. */
let count = 0;

describe('a change in two steps that is paused after the first', () => {
  let server: AedesBroker;
  let broker: HomieBroker;
  let device: SimulatedDevice;
  let job: ConfigJob;
  let saves: number;
  let told: Update[];
  let done: Promise<unknown>;
  /** Resolves when the job may be stored. */
  let stored: Promise<unknown>;

  beforeEach(async () => {
    server = await startAedes();
    broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/' });
    broker.start();
    device = new SimulatedDevice({ url: server.url, id: `halted-${(count += 1)}`, image: running, uptime: 3600 });
    await device.start();
    [saves, told, stored] = [0, [], Promise.resolve()];
    const save = async (): Promise<boolean> => {
      saves += 1;
      await stored;
      return true;
    };
    const input = { broker, patch: readPatch(patch), devices: [device.id], settings };
    job = new ConfigJob(input, sequential, { save });
    job.on('progress', (update) => {
      told.push(update);
      if (update.phase === 'rebooting') job.pause();
    });
    done = job.run();
    await untilTrue(job, 'progress', () => told.at(-1)?.reason === 'paused' && (told.at(-1)?.attempt ?? 0) > 0);
  });
  afterEach(async () => {
    await job.abandon();
    await device.stop();
    await broker.close();
    await server.close();
  });

  it('stores and reports nothing while it waits, and then goes on', async () => {
    const before = { saves, told: told.length };
    await setTimeout(SEVERAL_WAITS);
    assert.deepEqual({ saves, told: told.length }, before);
    const { state, reason, config } = told.at(-1) ?? assert.fail();
    assert.deepEqual([state, reason, config?.taken.length], ['waiting', 'paused', 2]);
    job.resume();
    await done;
    assert.deepEqual([job.devices[0]?.state, device.patches.length], ['succeeded', 2]);
  });

  it('is canceled with what the device has taken when the job is closed', async () => {
    job.cancelUnsent();
    await done;
    const [update] = job.devices;
    assert.deepEqual([update?.state, update?.error, update?.reason], ['canceled', undefined, undefined]);
    assert.deepEqual([update?.config?.taken.length, update?.config?.untaken.length], [2, 1]);
    assert.equal(device.patches.length, 1);
  });

  it('is canceled with what the device has taken when a person cancels it, and the device stays free', async () => {
    assert.deepEqual(job.cancel(), { unsent: [device.id], sent: [] });
    await done;
    const [update] = job.devices;
    assert.deepEqual([update?.state, update?.reason, update?.hint], ['canceled', undefined, undefined]);
    assert.deepEqual([update?.config?.taken.length, update?.config?.untaken.length], [2, 1]);
    assert.equal(device.patches.length, 1);
    assert.equal(broker.locks.refusalOf(device.id, 'image', 'another'), undefined);
  });

  it('is canceled in time while the next step is stored', async () => {
    const [storing, release] = later();
    stored = storing;
    const before = saves;
    job.resume();
    // One save by the command, and another one for the step.
    await untilTrue(job, 'change', () => saves > before + 1);
    job.cancel();
    release();
    await done;
    const [update] = job.devices;
    assert.deepEqual([update?.state, update?.reason, update?.config?.taken.length], ['canceled', undefined, 2]);
    assert.equal(device.patches.length, 1);
  });
});

describe('a change in two steps while another device fails', () => {
  let server: AedesBroker;
  let broker: HomieBroker;
  let device: SimulatedDevice;
  let other: SimulatedDevice;
  let job: ConfigJob;

  beforeEach(async () => {
    server = await startAedes();
    broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/' });
    broker.start();
    const common = { url: server.url, image: running, uptime: 3600 };
    device = new SimulatedDevice({ ...common, id: `halted-${(count += 1)}`, bootDelay: AWAY });
    other = new SimulatedDevice({ ...common, id: `halted-${(count += 1)}`, misbehavior: { deaf: true } });
    await Promise.all([device.start(), other.start()]);
    const devices = [device.id, other.id];
    const input = { broker, patch: readPatch(patch), devices, settings: { ...settings, received: FAILED } };
    job = new ConfigJob(input, { ...sequential, concurrency: 2, maxFailures: 1 });
  });
  afterEach(async () => {
    await job.abandon();
    await Promise.all([device.stop(), other.stop()]);
    await broker.close();
    await server.close();
  });

  it('waits for a person when the failure was one too many, and says so', async () => {
    const { state, error } = await job.run();
    assert.deepEqual([state, error?.code], ['stopped', 'ROLLOUT_STOPPED']);
    const { state: waits, reason, config } = job.updateOf(device.id) ?? assert.fail();
    assert.deepEqual([waits, reason, config?.taken.length], ['waiting', 'stopped', 2]);
    assert.deepEqual([job.updateOf(other.id)?.state, device.patches.length], ['failed', 1]);
    job.resume();
    await job.untilIdle();
    assert.deepEqual([job.updateOf(device.id)?.state, device.patches.length], ['succeeded', 2]);
  });

  it('is canceled with what the device has taken', async () => {
    await job.run();
    job.cancel();
    await job.served(device.id);
    const { state, reason, config } = job.updateOf(device.id) ?? assert.fail();
    assert.deepEqual([state, reason, config?.taken.length, device.patches.length], ['canceled', undefined, 2, 1]);
  });
});

/** Returns a promise and what resolves it. */
function later(): [Promise<void>, () => void] {
  let resolve = (): void => undefined;
  return [new Promise<void>((done) => (resolve = done)), () => resolve()];
}
