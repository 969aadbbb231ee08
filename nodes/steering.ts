import { setImmediate } from 'node:timers/promises';
import { HomieError } from '../src/errors';
import { matchAny } from '../src/homie/pattern';
import { summarize, type Summary } from '../src/homie/update';
import type { Desk } from '../src/rollout/desk';
import type { Job } from '../src/rollout/job';
import { combine, type Idle } from './answers';
import { readDevices } from './request';

/** Which jobs and devices a message means, devices also by patterns; all of them where it does not say. */
export interface Question {
  readonly job?: unknown;
  readonly device?: unknown;
}

/** A job, and those of its devices that are meant; undefined: all of them. */
interface Meant {
  readonly job: Job;
  readonly devices: readonly string[] | undefined;
}

/** What a message can do with jobs. Each answers with the jobs as they are then. */
export const steering = { status, cancel, pause, resume, retry } as const;

export type Steering = keyof typeof steering;

/**
 * The jobs as they are now. One that has ended is told of when it is named.
 *
 * @throws {HomieError} UNKNOWN_JOB, NO_DEVICE, INVALID_DEVICE_ID
 */
function status(desk: Desk, question: Question): Summary | Idle {
  return answer(meant(question.job === undefined ? desk.open : desk.jobs, question));
}

/**
 * Cancels jobs or devices, and says to which devices something was sent before.
 *
 * @throws {HomieError} UNKNOWN_JOB, NO_DEVICE, INVALID_DEVICE_ID
 */
async function cancel(desk: Desk, question: Question): Promise<Summary | Idle> {
  const asked = meant(desk.open, question);
  const results = asked.flatMap(({ job, devices }) => devices?.map((device) => job.cancel(device)) ?? [job.cancel()]);
  for (const { job } of asked) {
    // A job that still looks for its devices has sent nothing.
    if (job.summary().devices.length === 0) void job.abandon();
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
          `Already sent, so it may still be taken; no longer watched, and locked until seen to restart: ${sent.join(', ')}.`,
        ]
      : []),
  ];
  return answer(asked, texts.length > 0 ? texts : ['Nothing was left to cancel.']);
}

/** @throws {HomieError} UNKNOWN_JOB, NO_DEVICE, INVALID_DEVICE_ID */
function pause(desk: Desk, question: Question): Summary | Idle {
  const asked = meant(desk.open, question);
  for (const { job } of asked) job.pause();
  return answer(asked, asked.length > 0 ? ['Paused: what runs is finished, and nothing more is started.'] : []);
}

/** @throws {HomieError} UNKNOWN_JOB, NO_DEVICE, INVALID_DEVICE_ID */
function resume(desk: Desk, question: Question): Summary | Idle {
  const asked = meant(desk.open, question);
  for (const { job } of asked) job.resume();
  return answer(asked, asked.length > 0 ? ['Goes on.'] : []);
}

/**
 * Tries again with what failed, also in jobs that have ended. Of each device only its latest job counts: an older one
 * would bring back what is out of date.
 *
 * @throws {HomieError} UNKNOWN_JOB, NO_DEVICE, INVALID_DEVICE_ID
 */
function retry(desk: Desk, question: Question): Summary | Idle {
  const asked = meant(desk.jobs, question).map(({ job, devices }) => {
    const all = devices ?? job.summary().devices.map(({ device }) => device);
    return { job, devices: job.retry(all.filter((device) => desk.lastFor(device) === job)) };
  });
  const again = asked.filter(({ devices }) => devices.length > 0);
  const devices = again.flatMap((each) => each.devices);
  return answer(again, devices.length > 0 ? [`Tried again: ${devices.join(', ')}.`] : ['Nothing was left to retry.']);
}

function meant(jobs: readonly Job[], question: Question): Meant[] {
  const id = question.job ?? undefined;
  const candidates = jobs.filter((job) => id === undefined || job.id === id);
  if (id !== undefined && candidates.length === 0) throw new HomieError('UNKNOWN_JOB');
  if ((question.device ?? undefined) === undefined) return candidates.map((job) => ({ job, devices: undefined }));
  const isMeant = matchAny(readDevices(question.device));
  return candidates
    .map((job) => {
      const devices = job.summary().devices.map(({ device }) => device);
      return { job, devices: devices.filter(isMeant) };
    })
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
