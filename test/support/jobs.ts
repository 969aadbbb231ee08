import { once } from 'node:events';
import { isFinal } from '../../src/update/update';
import type { Job } from '../../src/rollout/job';

/** Resolves with the error code or the state of a device when the device has ended. */
export async function endOf(job: Job, device: string): Promise<string> {
  for (;;) {
    const update = job.devices.find((each) => each.device === device);
    if (update !== undefined && isFinal(update.state)) return update.error?.code ?? update.state;
    await once(job, 'result');
  }
}
