import assert from 'node:assert/strict';
import { readPatch } from '../../src/config/patch';
import { HomieBroker } from '../../src/homie/broker';
import { configWork } from '../../src/rollout/config-work';
import type { Job } from '../../src/rollout/job';
import { Queue } from '../../src/rollout/queue';
import { patient, quick } from '../config/lab';
import { running, sequential } from '../ota/lab';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { untilTrue } from '../support/until-true';

const NODE = 'node';

/** Counter for device ids: the process has one table of locks, so no id is used twice. */
let count = 0;

describe('the second connection for a device that did not move in time', () => {
  let server: AedesBroker;
  let broker: HomieBroker;
  let device: SimulatedDevice;
  let queue: Queue;
  let moving: Job;

  const run = async (patch: object, settings: object = {}): Promise<Job> => {
    const wish = { devices: [device.id], settings: { ...patient, ...settings }, rollout: sequential };
    const work = configWork({ ...wish, patch: readPatch(patch) }, { broker });
    const { job, run: start } = await queue.ask({ node: NODE, store: undefined }, work, {});
    await start();
    return job;
  };
  /** Waits until the broker has so many clients. */
  const untilClients = async (clients: number): Promise<void> => {
    await untilTrue(server.aedes, 'clientDisconnect', () => server.aedes.connectedClients === clients);
  };

  beforeEach(async () => {
    server = await startAedes();
    broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/' });
    broker.start();
    queue = Queue.of(broker);
    device = new SimulatedDevice({
      url: server.url,
      id: `late-move-${(count += 1)}`,
      image: running,
      uptime: 3600,
      statsInterval: 1,
    });
    await device.start();
    // The sketch refuses the value, and with it the whole patch.
    const patch = { mqtt: { base_topic: 'garden/' }, settings: { percentage: 101 } };
    moving = await run(patch, quick);
    assert.equal(moving.updateOf(device.id)?.state, 'failed');
    assert.equal(server.aedes.connectedClients, 3);
  });
  afterEach(async () => {
    await queue.leave(NODE, false);
    await device.stop();
    await broker.close();
    await server.close();
  });

  it('is closed when the device gets another patch where it is', async () => {
    const job = await run({ settings: { percentage: 42 } });
    assert.equal(job.updateOf(device.id)?.state, 'succeeded');
    await untilClients(2);
  });

  it('is closed with the node, even if the job was closed before', async () => {
    await queue.close(moving.id);
    await queue.leave(NODE, false);
    await untilClients(2);
  });
});
