import assert from 'node:assert/strict';
import { OtaJob } from '../../src/rollout/ota-job';
import { Lab, next, patient, raw, sequential } from '../ota/lab';
import { startAedes, type AedesBroker } from '../support/aedes';

describe('a cancel before anything is sent', () => {
  let server: AedesBroker;
  let lab: Lab;

  before(async () => {
    server = await startAedes();
    lab = await Lab.open(server.url);
  });
  after(async () => {
    await lab.close();
    await server.close();
  });

  it('is in time while it is decided', async () => {
    const image = await raw(next);
    const checksums = (): Promise<ReadonlySet<string>> => {
      job.cancel();
      return image.checksums();
    };
    const firmware = { ...image, checksums };
    const job: OtaJob = new OtaJob(
      { broker: lab.broker, firmware, choice: { devices: [lab.device.id] }, settings: patient },
      sequential,
    );
    assert.equal((await job.run()).state, 'canceled');
    assert.deepEqual(lab.device.received, []);
  });

  it('is in time while the devices are looked for', async () => {
    const firmware = await raw(next);
    const job = new OtaJob(
      { broker: lab.broker, firmware, choice: { runningThisFirmware: true }, settings: patient },
      sequential,
    );
    const ended = job.run();
    job.cancel();
    assert.equal((await ended).state, 'canceled');
    assert.deepEqual(lab.device.received, []);
  });
});
