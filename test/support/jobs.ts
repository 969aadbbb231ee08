import { once } from 'node:events';
import { isFinal } from '../../src/update/update';
import type { Job } from '../../src/rollout/job';

/** Waits until a device of the job has ended. @returns its error code, or its state without an error */
export async function endOf(job: Job, device: string): Promise<string> {
  for (;;) {
    const update = job.devices.find((each) => each.device === device);
    if (update !== undefined && isFinal(update.state)) return update.error?.code ?? update.state;
    await once(job, 'result');
  }
}
