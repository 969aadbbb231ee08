import { summarize, type Summary } from '../update/update';

/** The answer when there is no job, or none that matches the request. */
export interface Idle extends Omit<Summary, 'state'> {
  readonly state: 'idle';
}

/** The text for a job that has not found its devices yet. */
export const LOOKING = 'Looking for the devices.';

/** The answer for a job that was canceled before it found its devices. */
export const canceledBeforeFound = { state: 'canceled', text: 'Canceled before any device was found.' } as const;

/** Combines the summaries of several jobs. `texts` say what a command did. */
export function combine(summaries: readonly Summary[], texts: readonly string[] = []): Summary | Idle {
  const [only, ...more] = summaries;
  if (only === undefined) {
    const text = texts.length > 0 ? texts.join(' ') : 'No job is in progress.';
    return { job: '', state: 'idle', counts: {}, devices: [], duration: 0, text };
  }
  const all = more.length === 0 ? only : together(summaries);
  if (all.devices.length === 0) {
    return texts.length === 0 ? { ...all, state: 'queued', text: LOOKING } : { ...all, ...canceledBeforeFound };
  }
  return texts.length === 0 ? all : { ...all, text: texts.join(' ') };
}

/** Combines several jobs: stopped when one of them is, and paused when all jobs that have not ended are. */
function together(summaries: readonly Summary[]): Summary {
  const all = summarize(
    summaries.map(({ job }) => job).join(', '),
    summaries.flatMap(({ devices }) => devices),
    Math.max(...summaries.map(({ duration }) => duration)),
  );
  if (all.state !== 'running') return all;
  const stopped = summaries.find(({ state }) => state === 'stopped');
  if (stopped !== undefined) return { ...all, state: 'stopped', ...(stopped.error && { error: stopped.error }) };
  const open = summaries.filter(({ state }) => state === 'running' || state === 'paused');
  return open.every(({ state }) => state === 'paused') ? { ...all, state: 'paused' } : all;
}
