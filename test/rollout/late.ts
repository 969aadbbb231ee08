import type { Update } from '../../src/update/update';
import type { Job } from '../../src/rollout/job';

/** Waits for the next progress of a job that is marked late. */
export function lateOf(job: Job): Promise<Update> {
  return new Promise((resolve) => {
    job.on('progress', (update) => {
      if (update.late === true) resolve(update);
    });
  });
}
