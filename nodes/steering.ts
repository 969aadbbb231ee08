import { setImmediate } from 'node:timers/promises';
import { HomieError } from '../src/errors';
import type { Job } from '../src/rollout/job';
import { summarize, type Summary } from '../src/homie/update';
import { combine, type Idle } from './answers';
import { readDevices } from './request';

/** Which jobs and devices a message means; all of them where it does not say. */
export interface Question {
  readonly job?: unknown;
  readonly device?: unknown;
}

/**
 * The jobs as they are now.
 *
 * @throws {HomieError} UNKNOWN_JOB, NO_DEVICE, INVALID_DEVICE_ID
 */
export function status(jobs: Iterable<Job>, question: Question): Summary | Idle {
  return combine(meant(jobs, question).map(({ job, devices }) => part(job.summary(), devices)));
}

/**
 * Cancels what has not begun, and tells where it is too late.
 *
 * @throws {HomieError} UNKNOWN_JOB, NO_DEVICE, INVALID_DEVICE_ID
 */
export async function cancel(jobs: Iterable<Job>, question: Question): Promise<Summary | Idle> {
  const asked = meant(jobs, question);
  const results = asked.flatMap(({ job, devices }) => devices.map((device) => job.cancel(device)));
  for (const { job } of asked) {
    // A job that still looks for its devices has sent nothing.
    if (job.summary().devices.length === 0) job.abandon();
  }
  // Then the jobs have taken notice.
  await setImmediate();
  const canceled = results.flatMap((result) => result.canceled);
  const tooLate = results.flatMap((result) => result.tooLate);
  const texts = [
    ...(canceled.length > 0 ? [`Canceled: ${canceled.join(', ')}.`] : []),
    ...(tooLate.length > 0 ? [`Too late, it was sent and the device is watched on: ${tooLate.join(', ')}.`] : []),
  ];
  return combine(
    asked.map(({ job, devices }) => part(job.summary(), devices)),
    texts.length > 0 ? texts : ['Nothing was left to cancel.'],
  );
}

function meant(jobs: Iterable<Job>, question: Question): { job: Job; devices: string[] }[] {
  const id = question.job ?? undefined;
  const named = (question.device ?? undefined) === undefined ? undefined : new Set(readDevices(question.device));
  const candidates = [...jobs].filter((job) => id === undefined || job.id === id);
  if (id !== undefined && candidates.length === 0) throw new HomieError('UNKNOWN_JOB');
  return candidates
    .map((job) => {
      const all = job.summary().devices.map(({ device }) => device);
      return { job, devices: named === undefined ? all : all.filter((device) => named.has(device)) };
    })
    .filter(({ devices }) => named === undefined || devices.length > 0);
}

function part(summary: Summary, devices: readonly string[]): Summary {
  if (devices.length === summary.devices.length) return summary;
  const chosen = summary.devices.filter(({ device }) => devices.includes(device));
  return summarize(summary.job, chosen, summary.duration);
}
