import { HomieError, saysOf } from '../errors';
import type { DeviceJob } from '../devices/job-updates';
import type { DeviceLocks } from '../homie/lock';
import type { Library } from '../library/library';
import { tally } from '../tally';
import { isFinal, stateOf, type Update } from '../update/update';
import type { Why } from '../update/why';
import { changeOf, deviceJob } from './device-job';
import type { JobAction, JobCard } from './job-card';
import type { KnownJob, KnownJobs } from './known-jobs';
import { endOf, type History } from './store/history';
import type { Remembered } from './store/history-record';
import { nameOf } from './work';

/** How long an ended job is shown, in ms, and how many of them at most. */
const LATELY = 24 * 3_600_000;
const MAX_ENDED = 20;

interface JobCardsInput {
  readonly known: KnownJobs;
  /** The results of devices, and the jobs that were closed. */
  readonly records: () => { readonly history: History; readonly library: Library };
  readonly locks: DeviceLocks;
}

/** The jobs of a broker as a person looks at them. Ended jobs that the queue does not know come from the history. */
export class JobCards {
  readonly #input: JobCardsInput;

  constructor(input: JobCardsInput) {
    this.#input = input;
  }

  /** Returns the open jobs and those that ended lately, newest first. */
  all(): JobCard[] {
    const { known } = this.#input;
    const jobs = known.of();
    const open = jobs.filter(({ job }) => !job.isEnded);
    const since = Date.now() - LATELY;
    const ended = jobs.flatMap((each) => {
      const { endedAt = 0, id } = each.job;
      const isShown = each.job.isEnded && endedAt > since && !this.#isClosed(id);
      return isShown ? [{ endedAt, card: () => this.#cardOf(each) }] : [];
    });
    const past = this.#past(since).map((card) => ({ endedAt: card.endedAt ?? 0, card: () => card }));
    const last = [...ended, ...past].sort((a, b) => b.endedAt - a.endedAt).slice(0, MAX_ENDED);
    const cards = [...open.map((each) => this.#cardOf(each)), ...last.map(({ card }) => card())];
    return cards.sort((a, b) => b.startedAt - a.startedAt);
  }

  /** Stops showing a job: see `Queue.close`. */
  async close(id: string): Promise<void> {
    const { known: jobs, records } = this.#input;
    const known = jobs.get(id);
    if (known === undefined && !this.#past(0).some((card) => card.id === id)) throw new HomieError('UNKNOWN_JOB');
    if (known !== undefined && !mayClose(known)) throw new HomieError('UNKNOWN_JOB.open');
    await records().library.closedJobs.set(id, true);
    if (known === undefined) return;
    const forget = (): void => {
      if (known.job.isEnded && jobs.get(id) === known) jobs.forget(known);
    };
    // Devices in progress finish first.
    known.job.on('idle', forget);
    if (!known.job.isEnded) known.job.cancelUnsent();
    forget();
  }

  #forDevices(own: KnownJob): DeviceJob {
    const { known, locks } = this.#input;
    return deviceJob(own, known, locks);
  }

  #isClosed(job: string): boolean {
    return this.#input.records().library.closedJobs.has(job);
  }

  #cardOf(known: KnownJob): JobCard {
    const { job, work, node } = known;
    const updates = job.devices;
    const [{ to, paths, by = node }, [only], standing] = [work, updates, job.halted && job.standing.error];
    const counts = tally(updates.map(({ state }) => state));
    const why = job.waiting.ofJob() ?? this.#whyOf(known, updates);
    return {
      id: job.id,
      change: changeOf(known),
      ...(to !== undefined && { to }),
      ...(paths !== undefined && { paths }),
      state: job.halted ?? (updates.length === 0 ? 'queued' : stateOf(counts)),
      counts,
      progress: progressOf(updates),
      total: updates.length,
      ...(only !== undefined && updates.length === 1 && { device: only.device }),
      ...(why !== undefined && { why }),
      ...(standing && { error: saysOf(standing) }),
      by,
      startedAt: job.startedAt,
      ...(job.endedAt !== undefined && { endedAt: job.endedAt }),
      may: this.#actionsFor(known, updates),
    };
  }

  /** Returns why the devices of a job wait that nothing in the job itself keeps from starting. */
  #whyOf(known: KnownJob, updates: readonly Update[]): Why | undefined {
    const open = updates.filter(({ state }) => !isFinal(state));
    const running = open.filter(({ state }) => state === 'running');
    const waiting = open.filter(({ reason, state }) => state === 'waiting' && reason !== undefined);
    if (running.length > 0) {
      return open.length > running.length + waiting.length ? { kind: 'slot', count: running.length } : undefined;
    }
    for (const kind of ['busy', 'offline', 'never_seen'] as const) {
      const [first, ...others] = waiting.filter(({ reason }) => reason === kind);
      if (first === undefined) continue;
      const why = kind === 'busy' ? this.#forDevices(known).whyOf(first) : { kind };
      return why && { ...why, count: others.length + 1 };
    }
    return undefined;
  }

  #actionsFor(known: KnownJob, updates: readonly Update[]): JobAction[] {
    const { job } = known;
    const { halted, isEnded, isCanceled } = job;
    const mayCancel = !isEnded && !isCanceled;
    const { mayRetry } = this.#forDevices(known);
    const may: Record<JobAction, boolean> = {
      pause: mayCancel && halted === undefined,
      resume: mayCancel && halted !== undefined,
      retry: updates.some(({ device }) => mayRetry(device)),
      cancel: mayCancel,
      close: mayClose(known),
    };
    return actions.filter((action) => may[action]);
  }

  /** Returns the jobs that have ended since then and that the queue does not know, from the results of their devices. */
  #past(since: number): JobCard[] {
    const { known, records, locks } = this.#input;
    const isPast = (result: Remembered): boolean =>
      endOf(result) > since && known.get(result.job) === undefined && !this.#isClosed(result.job);
    const jobs = new Map<string, Remembered[]>();
    for (const result of records().history.recent(locks.scope, isPast)) {
      const results = jobs.get(result.job);
      if (results === undefined) jobs.set(result.job, [result]);
      else results.push(result);
    }
    return [...jobs].map(([id, results]) => pastCard(id, results));
  }
}

const actions: readonly JobAction[] = ['pause', 'resume', 'retry', 'cancel', 'close'];

function mayClose({ job }: KnownJob): boolean {
  return job.isEnded || job.halted === 'stopped';
}

/** Returns the mean over the devices, in percent. A device that has ended is at 100. */
function progressOf(updates: readonly Update[]): number {
  if (updates.length === 0) return 0;
  const sum = updates.reduce((total, { state, progress }) => total + (isFinal(state) ? 100 : progress), 0);
  return Math.floor(sum / updates.length);
}

/** @param results those of its devices, at least one */
function pastCard(id: string, results: readonly Remembered[]): JobCard {
  const devices = new Map(results.toReversed().map((result) => [result.device, result]));
  const [only] = devices.keys();
  const to = results.find((result) => result.to !== undefined)?.to;
  const node = results.find((result) => result.node !== undefined)?.node;
  const counts = tally([...devices.values()].map(({ state }) => state));
  return {
    id,
    change: to === undefined ? 'configuration' : 'firmware',
    ...(to !== undefined && { to }),
    state: stateOf(counts),
    counts,
    progress: 100,
    total: devices.size,
    ...(only !== undefined && devices.size === 1 && { device: only }),
    ...(node !== undefined && { by: nameOf(node) }),
    startedAt: Math.min(...results.map(({ startedAt }) => Date.parse(startedAt))),
    endedAt: Math.round(Math.max(...results.map(endOf))),
    may: ['close'],
  };
}
