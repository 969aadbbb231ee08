import { HomieError } from '../../src/errors';
import { ignoredKeys } from '../../src/update/sentence';
import { reportError, summarize, type ConfigReport, type Summary, type Update } from '../../src/update/update';
import { ended, queued } from '../../src/rollout/entry';
import type { DeviceWithout } from '../../src/rollout/by-image';
import { LOOKING } from '../../src/rollout/summaries';

/** Returns the summary of devices that end without a job, each in its own way. */
export function endOfEach(job: string, devices: readonly DeviceWithout[]): Summary {
  const startedAt = new Date().toISOString();
  const updates = devices.map(({ device, outcome }): Update => {
    const entry = queued({ job, device, startedAt }, { total: 0, to: {} });
    return { ...ended(entry, outcome), duration: 0 };
  });
  return summarize(job, updates, 0);
}

/** Returns the summary of a refused message: each device that it names counts as rejected. */
export function refusal(job: string, devices: readonly string[], error: HomieError): Summary {
  const refused = endOfEach(
    job,
    devices.map((device) => ({ device, outcome: { state: 'rejected', error } })),
  );
  const named = devices.length > 5 ? `${devices.slice(0, 5).join(', ')} …` : devices.join(', ');
  const text = named === '' ? error.message : `${named}: ${error.message}`;
  return { ...refused, state: 'rejected', text, error: reportError(error) };
}

/** Returns the summary for a message that requests what a job already does. */
export function sameAgain(summary: Summary): Summary {
  return { ...summary, text: `The same request was made before, in job ${summary.job}: ${summary.text}` };
}

/**
 * Returns the first progress of a message, about no device: the state of its job.
 *
 * @param isAgain whether an earlier message requested the same
 */
export function standing(now: Summary, isAgain: boolean): Pick<Summary, 'job' | 'state' | 'text'> {
  const summary: Summary = now.devices.length === 0 ? { ...now, state: 'queued', text: LOOKING } : now;
  const { job, state, text } = isAgain ? sameAgain(summary) : summary;
  return { job, state, text };
}

/** The verdict of a check on one device. */
interface Verdict {
  readonly device: string;
  readonly verdict: string;
  readonly reason: string;
  readonly retained?: string;
  readonly canRollBack?: boolean;
  readonly warnings?: ConfigReport['warnings'];
}

interface Verdicts<Entry> {
  readonly counts: Readonly<Record<string, number>>;
  readonly devices: readonly Entry[];
}

/** Returns the answer to `check`, with a sentence about all devices and about each one. */
export function checkAnswer<Entry extends Verdict>(
  checked: Verdicts<Entry>,
): Verdicts<Entry & { readonly text: string }> & { readonly text: string } {
  const { counts } = checked;
  const devices = checked.devices.map((each) => ({ ...each, text: `${each.device}: ${each.reason}` }));
  const [device] = devices;
  const ignored = `${ignoredKeys(devices.map(({ warnings = [] }) => ({ warnings })))}${oneWay(devices)}`;
  if (devices.length === 1 && device !== undefined) {
    return { ...checked, devices, text: `${device.text}${ignored}` };
  }
  const parts = Object.entries(counts).map(([verdict, count]) => `${count} ${verdict.replaceAll('_', ' ')}`);
  const retained = devices.filter((each) => each.retained !== undefined).map((each) => each.device);
  const warning = retained.length === 0 ? '' : ` A firmware message is retained for ${retained.join(', ')}.`;
  // The reason is the same for all devices, and says how to continue.
  const stop = devices.find(({ verdict }) => verdict === 'stopped');
  const hint = stop === undefined ? '' : ` ${stop.reason}`;
  return { ...checked, devices, text: `${devices.length} devices: ${parts.join(', ')}.${hint}${warning}${ignored}` };
}

/** Returns a check without its texts for other languages, which are for the editor. */
export function withoutSays<Each extends { readonly says: unknown }>(checked: Each): Omit<Each, 'says'> {
  const { says: _, ...answer } = checked;
  return answer;
}

/** Returns which devices could not be rolled back, to be put behind a sentence. */
function oneWay(devices: readonly Verdict[]): string {
  const ids = devices.filter(({ canRollBack }) => canRollBack === false).map(({ device }) => device);
  if (ids.length === 0) return '';
  const [shown, more] = [ids.slice(0, 5).join(', '), ids.length > 5 ? ' …' : ''];
  const which = devices.length === 1 ? '' : ` for ${shown}${more}`;
  return ` There is no way back${which}: the image that runs now is not stored.`;
}

/** One error that names the devices that failed, if any did. */
export function failureAmong(
  failed: readonly { readonly device: string; readonly error: HomieError }[],
): HomieError | undefined {
  const [first] = failed;
  if (first === undefined) return undefined;
  const shown = failed.slice(0, 5).map(({ device, error }) => `${device}: ${error.message}`);
  const message = [...shown, ...(failed.length > 5 ? [`… and ${failed.length - 5} more.`] : [])].join(' ');
  const { code, hint, cause } = first.error;
  return new HomieError(code, {}, { message, hint, cause });
}

/**
 * Returns the error of a job in which a device failed, in one sentence that names the devices; undefined if none did.
 */
export function failureOf({ state, devices, text: message, error: stopped }: Summary): HomieError | undefined {
  const error = stopped ?? devices.find((device) => device.state === state)?.error;
  if (error === undefined) return undefined;
  const { code, hint, status, phase } = error;
  const more = { ...(status !== undefined && { status }), ...(phase !== undefined && { phase }) };
  return new HomieError(code, {}, { message, hint, ...more });
}
