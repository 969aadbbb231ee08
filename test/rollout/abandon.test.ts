import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Firmware } from '../../src/firmware/firmware';
import { HomieBroker } from '../../src/homie/broker';
import type { JobView } from '../../src/rollout/job-view';
import { OtaJob } from '../../src/rollout/ota-job';
import { next, patient, sequential } from '../ota/lab';

describe('a job that is abandoned', () => {
  for (const keep of [true, false]) {
    it(`first reports that nothing is left to do, ${keep ? 'when it is kept' : 'when it ends with its node'}`, async () => {
      let written = (): void => undefined;
      const slow = new Promise<void>((resolve) => (written = resolve));
      const save = async (job: JobView): Promise<void> => (job.state().idle === 'done' ? slow : undefined);
      const broker = new HomieBroker({ url: 'mqtt://nowhere', protocolVersion: 'auto', baseTopic: 'homie/' });
      const input = { broker, firmware: await Firmware.from(next), choice: { devices: ['lamp'] }, settings: patient };
      const job = new OtaJob(input, { ...sequential, expires: 0 }, { save });
      const order: string[] = [];
      job.on('idle', () => order.push('idle'));
      void job.run();
      await once(job, 'result');
      await turn();
      const abandoned = job.abandon(keep).then(() => order.push('abandoned'));
      await turn();
      written();
      await abandoned;
      assert.deepEqual(order, ['idle', 'abandoned']);
    });
  }
});
