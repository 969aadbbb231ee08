/** What the cards of jobs say. */
import type { JobAction, JobCard } from '../../../src/rollout/job-card';
import type { TableRow } from '../../../src/devices/table';
import { nameAndVersion } from '../../../src/update/firmware-name';
import type { PlanRequest } from '../answers';
import { isFailure } from './arrange';
import { whyText } from './row-status';
import { count, localNumber, t } from './texts';
import type { View } from './views';

type Rows = ReadonlyMap<string, TableRow>;

/** How many paths of a patch a title names. */
const MAX_PATHS = 2;

export function isOpen({ endedAt }: JobCard): boolean {
  return endedAt === undefined;
}

/** Returns whether a job is open, or has failed and was not closed. */
export function isCurrent(job: JobCard): boolean {
  return isOpen(job) || isFailure(job.state);
}

/** Returns what a job does to which devices, for instance `my-light 1.1.0 → 12 devices`. */
export function titleOf(job: JobCard, rows: Rows): string {
  const { total, device } = job;
  const to = device === undefined ? total > 0 && count('all', total) : (rows.get(device)?.name ?? device);
  return [changeOf(job), to].filter(Boolean).join(' → ');
}

function changeOf({ change, to, paths = [] }: JobCard): string {
  if (change === 'firmware') return firmwareOf(to ?? {});
  const more = paths.length - MAX_PATHS;
  const named = paths.slice(0, MAX_PATHS).join(', ');
  if (named === '') return t('job.configuration');
  return t('job.paths', { paths: more > 0 ? t('job.more', { paths: named, number: localNumber(more) }) : named });
}

/** How many digits of a checksum name a firmware. */
export const SHORT = 7;

interface Firmware {
  readonly name?: string | undefined;
  readonly version?: string | undefined;
  readonly checksum?: string;
}

/** Returns a firmware by its name and version, or else by its checksum. */
export function firmwareOf({ name, version, checksum = '' }: Firmware): string {
  return nameAndVersion({ name, version }) || t('job.firmware', { checksum: checksum.slice(0, SHORT) }).trim();
}

type Tone = 'good' | 'bad' | 'busy' | undefined;

/** Returns the state of a job in words, with an icon and a tone. */
export function stateOf(job: JobCard): { readonly label: string; readonly symbol: string; readonly tone: Tone } {
  const { state } = job;
  const label = wordOf(job, state);
  if (state === 'stopped') return { label, symbol: 'exclamation-triangle', tone: 'bad' };
  if (state === 'paused') return { label, symbol: 'pause-circle', tone: undefined };
  if (isOpen(job)) return { label, symbol: 'play-circle', tone: 'busy' };
  if (isFailure(state)) return { label, symbol: 'exclamation-circle', tone: 'bad' };
  if (state === 'succeeded') return { label, symbol: 'check-circle', tone: 'good' };
  return { label, symbol: 'minus-circle', tone: undefined };
}

export function percentOf({ progress }: JobCard): string {
  return `${Math.floor(progress)} %`;
}

/** Returns the word for a state of a job or of its devices. */
function wordOf({ change }: JobCard, state: JobCard['state']): string {
  if (state === 'succeeded' && change === 'configuration') return t('job.state.changed');
  return state === 'running' || state === 'paused' || state === 'stopped'
    ? t(`job.state.${state}`)
    : t(`update.${state}`);
}

/** The order in which the states are counted. A queued device waits, too. */
const counted = ['succeeded', 'failed', 'timed_out', 'rejected', 'running', 'waiting', 'skipped', 'canceled'] as const;

/** Returns how many devices are in each state, for instance `9 verified, 2 failed, 1 waiting`. */
export function countsText(job: JobCard): string {
  const { counts } = job;
  const waiting = (counts.waiting ?? 0) + (counts.queued ?? 0);
  const parts = counted.flatMap((state) => {
    const number = state === 'waiting' ? waiting : (counts[state] ?? 0);
    return number === 0 ? [] : [`${localNumber(number)} ${wordOf(job, state)}`];
  });
  return parts.join(', ');
}

/** Returns why a job waits or has stopped, if it does. @param now ms since 1970, on the clock of Node-RED */
export function jobWhy({ why, device }: JobCard, rows: Rows, now: number): string {
  return why === undefined ? '' : whyText(why, now, device === undefined ? undefined : rows.get(device));
}

/** Returns the plan for an action that changes devices. */
export function jobPlanOf(action: JobAction, job: JobCard, rows: Rows): View | undefined {
  if (action === 'pause' || action === 'close') return undefined;
  const request: PlanRequest = { action, job: job.id };
  return { kind: 'plan', title: `${t(`job.${action}`)}: ${titleOf(job, rows)}`, request };
}

/** Returns one line about several jobs. */
export function summaryOf(jobs: readonly JobCard[]): string {
  const failed = jobs.filter(({ state }) => state === 'stopped' || isFailure(state)).length;
  const open = jobs.filter(isOpen);
  const percent = open.reduce((sum, { progress }) => sum + progress, 0) / Math.max(1, open.length);
  return [
    count('job.all', jobs.length),
    open.length > 0 && `${Math.floor(percent)} %`,
    failed > 0 && count('job.attention', failed),
  ]
    .filter(Boolean)
    .join(' · ');
}
