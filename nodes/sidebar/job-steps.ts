import { HomieError } from '../../src/errors';
import type { SidebarJobs } from '../shared/sidebar-jobs';
import { SidebarRefusal } from './sidebar-refusal';

/**
 * Pauses or closes a job, which sends nothing to any device, so that it needs no plan.
 *
 * @throws {HomieError} UNKNOWN_JOB
 * @throws {SidebarRefusal} changed: the job can no longer be paused, or cannot be closed
 */
export async function steerJob(jobs: SidebarJobs, step: 'pause' | 'close', id: string): Promise<undefined> {
  await jobs.restored;
  const card = jobs.queue.cards().find((each) => each.id === id);
  if (card === undefined) throw new HomieError('UNKNOWN_JOB');
  if (!card.may.includes(step)) throw new SidebarRefusal('changed');
  if (step === 'pause') await jobs.command('pause', { job: id });
  else await jobs.queue.close(id);
}
