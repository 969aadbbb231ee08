import { HomieError } from '../src/errors';
import {
  ignoredKeys,
  reportError,
  summarize,
  type ConfigReport,
  type ErrorReport,
  type Summary,
  type Update,
} from '../src/homie/update';

/** The summary of an input that was refused before a job began. */
export type Refusal = Summary & { readonly error: ErrorReport };

/** The answer of a node that has no job, or none that was asked for. */
export interface Idle extends Omit<Summary, 'state'> {
  readonly state: 'idle';
}

/** Refuses an input: each device that it names counts as rejected. */
export function refusal(job: string, devices: readonly string[], error: HomieError): Refusal {
  const report = reportError(error);
  const startedAt = new Date().toISOString();
  const updates = devices.map((device): Update => ({
    job,
    device,
    state: 'rejected',
    progress: 0,
    written: 0,
    total: 0,
    estimated: false,
    from: {},
    to: {},
    attempt: 0,
    startedAt,
    duration: 0,
    error: report,
  }));
  const named = devices.length > 5 ? `${devices.slice(0, 5).join(', ')} …` : devices.join(', ');
  const text = named === '' ? error.message : `${named}: ${error.message}`;
  return { ...summarize(job, updates, 0), state: 'rejected', text, error: report };
}

/** What is said of a job that was canceled while it looked for the devices that run its firmware. */
export const canceledBeforeFound = { state: 'canceled', text: 'Canceled before any device was found.' } as const;

/** One answer about several jobs; `texts` tell what became of the request. */
export function combine(summaries: readonly Summary[], texts: readonly string[] = []): Summary | Idle {
  const [only, ...more] = summaries;
  if (only === undefined) {
    const text = texts.length > 0 ? texts.join(' ') : 'No job is under way.';
    return { job: '', state: 'idle', counts: {}, devices: [], duration: 0, text };
  }
  const all = more.length === 0 ? only : together(summaries);
  if (all.devices.length === 0) {
    return texts.length === 0
      ? { ...all, state: 'queued', text: 'The devices are being looked for.' }
      : { ...all, ...canceledBeforeFound };
  }
  return texts.length === 0 ? all : { ...all, text: texts.join(' ') };
}

/** Several jobs as one: stopped when one of them is, and paused when all that have not ended are. */
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

/** What a check found: a verdict for each device. */
interface Verdicts {
  readonly counts: Readonly<Record<string, number>>;
  readonly devices: readonly {
    readonly device: string;
    readonly reason: string;
    readonly retained?: string;
    readonly warnings?: ConfigReport['warnings'];
  }[];
}

/** The answer to `check`, with a sentence for people. */
export function checkAnswer<Checked extends Verdicts>(checked: Checked): Checked & { readonly text: string } {
  const { devices, counts } = checked;
  const [device] = devices;
  const ignored = ignoredKeys(devices.map(({ warnings = [] }) => ({ warnings })));
  if (devices.length === 1 && device !== undefined) {
    return { ...checked, text: `${device.device}: ${device.reason}${ignored}` };
  }
  const parts = Object.entries(counts).map(([verdict, count]) => `${count} ${verdict.replaceAll('_', ' ')}`);
  const retained = devices.filter((each) => each.retained !== undefined).map((each) => each.device);
  const warning = retained.length === 0 ? '' : ` A firmware message is retained for ${retained.join(', ')}.`;
  return { ...checked, text: `${devices.length} devices: ${parts.join(', ')}.${warning}${ignored}` };
}

/** The error of a job in which a device failed, in one sentence that names the devices. */
export function failureOf({ state, devices, text, error: stopped }: Summary): HomieError | undefined {
  const error = stopped ?? devices.find((device) => device.state === state)?.error;
  if (error === undefined) return undefined;
  const { code, hint, status, phase } = error;
  return new HomieError(code, text, {
    hint,
    ...(status !== undefined && { status }),
    ...(phase !== undefined && { phase }),
  });
}
