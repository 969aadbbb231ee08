import { HomieError, saysOf } from '../../src/errors';
import { isFinal, type Update } from '../../src/update/update';
import type { Job } from '../../src/rollout/job';
import { again, meant, wasStopped, type JobCommand, type Target } from '../../src/rollout/job-commands';
import type { Queue } from '../../src/rollout/queue';
import { phrase, type Value } from '../../src/texts/text';
import type { SidebarJobs } from '../shared/sidebar-jobs';
import type { PlannedDevice, PlanRequest } from './answers';
import { nameOf, plainFirmware } from './planned-device';
import type { Plan } from './plans';
import { SidebarRefusal } from './sidebar-refusal';

type Command = Extract<JobCommand, 'cancel' | 'retry' | 'resume'>;

/** What a command would do to a device of a job. */
interface Effect {
  readonly update: Update;
  readonly verdict: 'cancel' | 'already_sent' | 'retry' | 'resume';
}

/** What a command would do. */
interface Outlook {
  /** The jobs for which the command is executed, with their devices. */
  readonly steps: readonly Target[];
  readonly effects: readonly Effect[];
}

/**
 * Plans a command for jobs of the broker, whatever node has started them.
 *
 * @throws {HomieError} UNKNOWN_JOB
 */
export async function planJobs(jobs: SidebarJobs, { action, devices: ids, job }: PlanRequest): Promise<Plan> {
  if (!isCommand(action)) throw new SidebarRefusal('malformed');
  await jobs.restored;
  const target: Target = { ...(job !== undefined && { job }), ...(ids !== undefined && { devices: ids }) };
  const look = (): Outlook => outlooks[action](jobs.queue, target);
  const { steps, effects } = look();
  // A device that waits for another job is part of both.
  const devices = new Map(effects.map((effect) => [effect.update.device, plannedOf(jobs, effect)]));
  const unaffected = (ids ?? []).filter((id) => !devices.has(id));
  const says = [nothingTo[action]];
  const others = unaffected.map((id) => ({ id, ...nameOf(jobs.broker, id), included: false, verdict: 'none', says }));
  const begin = async (): Promise<readonly string[]> => {
    const now = look();
    // Canceling only ever sends less. Anything else must be for the devices that were shown.
    const isMore = action !== 'cancel' && now.effects.some(({ update }) => !devices.has(update.device));
    if (isMore || now.steps.length === 0) throw new SidebarRefusal('changed');
    for (const step of now.steps) await jobs.command(action, step);
    return now.steps.flatMap((step) => step.job ?? []);
  };
  return { devices: [...devices.values(), ...others], begin: steps.length > 0 ? begin : undefined };
}

const nothingTo: Readonly<Record<Command, Value>> = {
  cancel: phrase('plan.noCancel'),
  retry: phrase('plan.noRetry'),
  resume: phrase('plan.noResume'),
};

function isCommand(action: string): action is Command {
  return Object.hasOwn(outlooks, action);
}

const outlooks: Readonly<Record<Command, (queue: Queue, target: Target) => Outlook>> = {
  cancel: (queue, target) => {
    const asked = meant(queue.jobs(), target).filter(({ job }) => !job.isEnded);
    const effects = asked.flatMap(({ job, devices }) => openOf(job, devices).map((update) => effectOf(update)));
    return { steps: asked.map(stepOf), effects };
  },
  retry: (queue, target) => {
    const asked = meant(queue.jobs(), target)
      .map(({ job, devices }) => ({ job, devices: again(queue, job, devices, ({ device }) => job.mayRetry(device)) }))
      .filter(({ devices }) => devices.length > 0);
    return { steps: asked.map(stepOf), effects: asked.flatMap(({ job, devices }) => goingOn(job, devices)) };
  },
  resume: (queue, target) => {
    const asked = meant(queue.jobs(), target)
      .map(({ job, devices }) => ({ job, devices: again(queue, job, devices, wasStopped) }))
      .filter(({ job, devices }) => job.halted !== undefined || devices.length > 0);
    const effects = asked.flatMap(({ job, devices }) => goingOn(job, devices));
    // The whole job is resumed, whichever of its devices are named.
    return { steps: asked.map(({ job }) => ({ job: job.id, devices: target.devices })), effects };
  },
};

function stepOf({ job, devices }: { readonly job: Job; readonly devices: readonly string[] | undefined }): Target {
  return { job: job.id, devices };
}

/** Returns the devices of a job that have not ended. */
function openOf(job: Job, ids?: readonly string[]): Update[] {
  const wanted = ids && new Set(ids);
  return job.devices.filter(({ device, state }) => !isFinal(state) && (wanted?.has(device) ?? true));
}

/** Returns the devices that are retried, and those with which a halted job then continues. */
function goingOn(job: Job, retried: readonly string[]): Effect[] {
  const wanted = new Set(retried);
  const tried = job.devices.filter(({ device }) => wanted.has(device));
  const rest = job.halted === undefined ? [] : openOf(job);
  return [
    ...tried.map((update): Effect => ({ update, verdict: 'retry' })),
    ...rest.map((update): Effect => ({ update, verdict: 'resume' })),
  ];
}

function effectOf(update: Update): Effect {
  const isSent = update.attempt > 0 || update.phase !== undefined;
  return { update, verdict: isSent ? 'already_sent' : 'cancel' };
}

function plannedOf({ broker }: SidebarJobs, { update, verdict }: Effect): PlannedDevice {
  const { device, from, to, error } = update;
  const isRetry = verdict === 'retry';
  const because: readonly Value[] = isRetry && error !== undefined ? saysOf(error).slice(0, 1) : [];
  return {
    id: device,
    ...nameOf(broker, device),
    included: true,
    verdict,
    says: [...because, phrase(`plan.${verdict}`)],
    from: plainFirmware(from),
    ...(to && { to: plainFirmware(to) }),
  };
}

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
