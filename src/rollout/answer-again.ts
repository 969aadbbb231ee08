import { randomUUID } from 'node:crypto';
import type { Summary } from '../update/update';
import type { KnownJob } from './known-jobs';
import type { Answer } from './request';

/** Returns the answer of an open job to a message that requests the same. A paused job answers at once. */
export function answerAgain(known: KnownJob, msg: object): Answer {
  const { job, file } = known;
  const run = async (): Promise<Summary> => {
    if (job.halted === 'paused') return job.summary();
    const note = randomUUID();
    void file?.note(note, { msg });
    return answerOnce(known, note);
  };
  return { job, isAgain: true, run };
}

/**
 * Returns the summary of a job when nothing is left to do.
 *
 * @param note the key under which the message is stored until it is answered
 */
export async function answerOnce({ job, file }: KnownJob, note: string): Promise<Summary> {
  const summary = await job.untilIdle();
  void file?.note(note, undefined);
  return summary;
}
