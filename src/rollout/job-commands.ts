import { setImmediate } from 'node:timers/promises';
import { HomieError } from '../errors';
import { matchAny } from '../homie/pattern';
import { summarize, type Summary, type Update } from '../update/update';
import type { Job } from './job';
import type { Queue } from './queue';
import { combine, type Idle } from './summaries';

/** The jobs and devices that a command is for; all of them where it does not say. */
export interface Target {
  /** An id. */
  readonly job?: string | undefined;
  /** Ids and patterns. */
  readonly devices?: readonly string[] | undefined;
}

/** A job, and those of its devices that a command is for; undefined: all of them. */
interface Meant {
  readonly job: Job;
  readonly devices: readonly string[] | undefined;
}

/**
 * What a node can do with its jobs. Each command returns the jobs as they are then.
 *
 * Throws UNKNOWN_JOB, and INVALID_DEVICE_ID for a pattern that is none.
 */
export const jobCommands = { cancel, pause, resume, retry, status } as const;

export type JobCommand = keyof typeof jobCommands;

/** Returns the open jobs; one that has ended only when it is named. */
function status(queue: Queue, node: string, target: Target): Summary | Idle {
  return answer(meant(target.job === undefined ? queue.open(node) : queue.jobs(node), target));
}

/** Cancels jobs or devices, and says which devices were sent something before. */
async function cancel(queue: Queue, node: string, target: Target): Promise<Summary | Idle> {
  const asked = meant(queue.open(node), target);
  const results = asked.map(({ job, devices }) => job.cancel(devices));
  for (const { job } of asked) {
    // A job that still looks for its devices has sent nothing.
    if (job.devices.length === 0) void job.abandon();
  }
  // Then the jobs have taken notice.
  await setImmediate();
  const unsent = results.flatMap((result) => result.unsent);
  const sent = results.flatMap((result) => result.sent);
  await Promise.all(asked.flatMap(({ job }) => sent.map((device) => job.served(device))));
  const texts = [
    ...(unsent.length > 0 ? [`Canceled: ${unsent.join(', ')}.`] : []),
    ...(sent.length > 0
      ? [
          `Already sent and may still take effect; no longer watched, and locked until a restart is seen: ${sent.join(', ')}.`,
        ]
      : []),
  ];
  return answer(asked, texts.length > 0 ? texts : ['There was nothing to cancel.']);
}

function pause(queue: Queue, node: string, target: Target): Summary | Idle {
  const asked = meant(queue.open(node), target);
  for (const { job } of asked) job.pause();
  return answer(
    asked,
    asked.length > 0 ? ['Paused: devices in progress finish, and no more devices are started.'] : [],
  );
}

/** Resumes jobs, and tries devices again that were skipped because failures had stopped an earlier job. */
function resume(queue: Queue, node: string, target: Target): Summary | Idle {
  const asked = meant(queue.jobs(node), target)
    .map(({ job, devices }) => ({ job, devices, again: again(queue, job, devices, wasStopped) }))
    .filter((each) => !each.job.isEnded || each.again.length > 0);
  for (const each of asked) {
    if (!each.job.isEnded) each.job.resume();
    each.job.retry(each.again);
  }
  return answer(asked, asked.length > 0 ? ['Resumed.'] : []);
}

function wasStopped({ state, reason }: Update): boolean {
  return state === 'skipped' && reason === 'stopped';
}

/** Tries again with what failed, also in jobs that have ended. Of each device only its latest job counts. */
function retry(queue: Queue, node: string, target: Target): Summary | Idle {
  const asked = meant(queue.jobs(node), target)
    .map(({ job, devices }) => ({ job, devices: job.retry(again(queue, job, devices)) }))
    .filter(({ devices }) => devices.length > 0);
  const devices = asked.flatMap((each) => each.devices);
  return answer(asked, devices.length > 0 ? [`Retrying: ${devices.join(', ')}.`] : ['There was nothing to retry.']);
}

/** Returns those of the devices for which no later job counts. */
function again(
  queue: Queue,
  job: Job,
  devices: readonly string[] | undefined,
  which: (update: Update) => boolean = () => true,
): string[] {
  const wanted = devices && new Set(devices);
  return job.devices
    .filter((update) => which(update) && (wanted?.has(update.device) ?? true))
    .map(({ device }) => device)
    .filter((device) => queue.isLastFor(job, device));
}

function meant(jobs: readonly Job[], { job: id, devices: names }: Target): Meant[] {
  const candidates = jobs.filter((job) => id === undefined || job.id === id);
  if (id !== undefined && candidates.length === 0) throw new HomieError('UNKNOWN_JOB');
  if (names === undefined) return candidates.map((job) => ({ job, devices: undefined }));
  const isMeant = matchAny(names);
  return candidates
    .map((job) => ({ job, devices: job.devices.map(({ device }) => device).filter(isMeant) }))
    .filter(({ devices }) => devices.length > 0);
}

function answer(asked: readonly Meant[], texts: readonly string[] = []): Summary | Idle {
  return combine(
    asked.map(({ job, devices }) => (devices === undefined ? job.summary() : part(job.summary(), devices))),
    texts,
  );
}

function part(summary: Summary, devices: readonly string[]): Summary {
  if (devices.length === summary.devices.length) return summary;
  const wanted = new Set(devices);
  const chosen = summary.devices.filter(({ device }) => wanted.has(device));
  const some = summarize(summary.job, chosen, summary.duration);
  // What is true of the job, such as that it is paused, is true of those that have not ended.
  return some.state === 'running' ? { ...summary, counts: some.counts, devices: chosen, text: some.text } : some;
}
