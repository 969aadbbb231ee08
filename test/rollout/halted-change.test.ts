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

  beforeEach(async () => {
    server = await startAedes();
    broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/' });
    broker.start();
    device = new SimulatedDevice({ url: server.url, id: `halted-${(count += 1)}`, image: running, uptime: 3600 });
    await device.start();
    [saves, told] = [0, []];
    const save = async (): Promise<boolean> => {
      saves += 1;
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
});
