import { setImmediate } from 'node:timers/promises';
import { HomieError } from '../errors';
import { matchAny } from '../homie/pattern';
import { summarize, type Summary, type Update } from '../update/update';
import type { Job } from './job';
import type { Queue } from './queue';
import { combine, type Idle } from './summaries';

/** The jobs and devices that a command applies to. Without a job or devices, it applies to all. */
export interface Target {
  /** The id of a job. */
  readonly job?: string | undefined;
  /** Ids and patterns of devices. */
  readonly devices?: readonly string[] | undefined;
}

/** A job and those of its devices that a command applies to; undefined means all. */
interface Meant {
  readonly job: Job;
  readonly devices: readonly string[] | undefined;
}

/**
 * The commands of a node for its jobs, or, without a node, for all jobs of the broker. Each returns a summary of the
 * jobs after the command.
 *
 * They throw UNKNOWN_JOB when there is no job with the id, and INVALID_DEVICE_ID for an invalid pattern.
 */
export const jobCommands = { cancel, pause, resume, retry, status } as const;

export type JobCommand = keyof typeof jobCommands;

/** Returns the state of open jobs; a job that has ended only if it is given by its id. */
function status(queue: Queue, node: string | undefined, target: Target): Summary | Idle {
  return answer(meant(target.job === undefined ? queue.open(node) : queue.jobs(node), target));
}

/** Cancels jobs or devices, and says to which devices something was already sent. */
async function cancel(queue: Queue, node: string | undefined, target: Target): Promise<Summary | Idle> {
  const asked = meant(queue.open(node), target);
  const results = asked.map(({ job, devices }) => ({ job, ...job.cancel(devices) }));
  for (const { job, devices } of asked) {
    // A job that still looks for its devices has sent nothing.
    if (devices === undefined && job.isSearching) void job.abandon();
  }
  // Only after this turn of the event loop do the summaries show the cancellation.
  await setImmediate();
  await Promise.all(results.flatMap(({ job, sent }) => sent.map((device) => job.served(device))));
  const unsent = results.flatMap((each) => [
    ...each.unsent,
    ...each.sent.filter((device) => isInTime(each.job, device)),
  ]);
  const sent = results.flatMap((each) => each.sent.filter((device) => !isInTime(each.job, device)));
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

/**
 * Returns whether nothing that was sent to a canceled device may still take effect, as between two steps of a change.
 */
function isInTime(job: Job, device: string): boolean {
  const { state, reason } = job.updateOf(device) ?? {};
  return state === 'canceled' && reason !== 'already_sent';
}

function pause(queue: Queue, node: string | undefined, target: Target): Summary | Idle {
  const asked = meant(queue.open(node), target);
  for (const { job } of asked) job.pause();
  return answer(
    asked,
    asked.length > 0 ? ['Paused: devices in progress finish, and no more devices are started.'] : [],
    true,
  );
}

/** Resumes jobs, and retries devices that were skipped because failures had stopped an earlier rollout of the image. */
function resume(queue: Queue, node: string | undefined, target: Target): Summary | Idle {
  const asked = meant(queue.jobs(node), target)
    .map(({ job, devices }) => ({ job, devices, again: again(queue, job, devices, wasStopped) }))
    .filter((each) => !each.job.isEnded || each.again.length > 0);
  for (const each of asked) {
    if (!each.job.isEnded) each.job.resume();
    each.job.retry(each.again);
  }
  return answer(asked, asked.length > 0 ? ['Resumed.'] : [], true);
}

/** Returns whether a device was skipped because failures had stopped an earlier rollout of the image. */
export function wasStopped({ state, reason }: Update): boolean {
  return state === 'skipped' && reason === 'stopped';
}

/**
 * Retries devices that ended without success, even in jobs that have ended. For each device, only its last job counts.
 */
function retry(queue: Queue, node: string | undefined, target: Target): Summary | Idle {
  const asked = meant(queue.jobs(node), target)
    .map(({ job, devices }) => ({ job, devices: job.retry(again(queue, job, devices)) }))
    .filter(({ devices }) => devices.length > 0);
  const devices = asked.flatMap((each) => each.devices);
  return answer(asked, devices.length > 0 ? [`Retrying: ${devices.join(', ')}.`] : ['There was nothing to retry.']);
}

/** Returns those of the devices for which this is the last job. */
export function again(
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

/**
 * Returns the jobs that a command applies to.
 *
 * @throws {HomieError} UNKNOWN_JOB, INVALID_DEVICE_ID
 */
export function meant(jobs: readonly Job[], { job: id, devices: names }: Target): Meant[] {
  const candidates = jobs.filter((job) => id === undefined || job.id === id);
  if (id !== undefined && candidates.length === 0) throw new HomieError('UNKNOWN_JOB');
  if (names === undefined) return candidates.map((job) => ({ job, devices: undefined }));
  const isMeant = matchAny(names);
  return candidates
    .map((job) => ({ job, devices: job.devices.map(({ device }) => device).filter(isMeant) }))
    .filter(({ devices }) => devices.length > 0);
}

/** @param isOfJobs whether the command applies to jobs as a whole, so that their state is the answer */
function answer(asked: readonly Meant[], texts: readonly string[] = [], isOfJobs = false): Summary | Idle {
  return combine(
    asked.map(({ job, devices }) => (devices === undefined ? job.summary() : part(job.summary(), devices, isOfJobs))),
    texts,
  );
}

function part(summary: Summary, devices: readonly string[], isOfJob: boolean): Summary {
  if (devices.length === summary.devices.length) return summary;
  const wanted = new Set(devices);
  const chosen = summary.devices.filter(({ device }) => wanted.has(device));
  const some = summarize(summary.job, chosen, summary.duration);
  // The state of the job, such as paused, applies to all of its devices that have not ended.
  const takesState = isOfJob || some.state === 'running';
  return takesState ? { ...summary, counts: some.counts, devices: chosen, text: some.text } : some;
}
