import { ignoredKeys } from '../update/sentence';
import { reportError, type Change, type FirmwareName, type Outcome, type Update } from '../update/update';

/** What is known of one device of a job. `duration` is set when it has ended, in ms. */
export type Entry = Omit<Update, 'duration'> & { readonly duration?: number };

/** What every update of a job says from its start. */
export type Initial = Pick<Update, 'total'> & Partial<Pick<Update, 'to'>>;

/** Returns the record of a device at the start of a job. */
export function queued(
  { job, device, startedAt }: Pick<Update, 'job' | 'device' | 'startedAt'>,
  initial: Initial,
): Entry {
  return {
    job,
    device,
    state: 'queued',
    progress: 0,
    written: 0,
    ...initial,
    estimated: false,
    from: {},
    attempt: 0,
    startedAt,
  };
}

/** Returns the record of a device after a change. */
export function changed(entry: Entry, { progress, percent: share, ...change }: Change): Entry {
  const { percent = share ?? 0, ...written } = progress ?? {};
  const before = change.state === undefined ? entry : withoutWait(entry);
  const reason = change.state === 'waiting' ? { reason: change.reason ?? 'offline' } : {};
  const next: Entry = { ...before, ...change, ...reason, ...written, progress: Math.max(entry.progress, percent) };
  return next.state === 'running' ? next : withoutExchange(next);
}

/** Returns a record after a restart: a device that had its turn, but was sent nothing, waits for its turn again. */
export function restored(entry: Entry, wasInFlight: boolean): Entry {
  return entry.state !== 'running' || wasInFlight ? entry : { ...withoutExchange(entry), state: 'queued' };
}

/**
 * Returns the record of a device that has ended.
 *
 * @param runs what the device is known to run, for one that has ended without an exchange
 */
export function ended(
  { phase, remaining: _remaining, ...entry }: Entry,
  outcome: Outcome,
  runs: FirmwareName = {},
): Entry {
  return {
    ...withoutWait(entry),
    ...(Object.keys(entry.from).length === 0 && { from: runs }),
    state: outcome.state,
    ...(outcome.state === 'succeeded' && { progress: 100, written: entry.total, estimated: false }),
    ...('config' in outcome && { config: outcome.config }),
    ...('reboot' in outcome && { reboot: outcome.reboot }),
    ...('reason' in outcome && { reason: outcome.reason }),
    ...hintOf(outcome),
    ...('error' in outcome && { error: reportError(outcome.error, phase) }),
  };
}

/** Returns the record to report for an outcome that came after the end. The record of the job stays as it is. */
export function endedLate({ error: _error, duration: _duration, ...entry }: Entry, outcome: Outcome): Entry {
  return { ...ended(entry, outcome), late: true };
}

/** What to do about a success or a skip: also about keys of a patch that came to nothing. */
function hintOf(outcome: Outcome): { readonly hint?: string } {
  const given = 'hint' in outcome ? outcome.hint : undefined;
  const ignored = outcome.config === undefined || 'error' in outcome ? '' : ignoredKeys([outcome.config]).trim();
  const hint = [given, ignored].filter(Boolean).join(' ');
  return hint === '' ? {} : { hint };
}

/** Why a device waited counts only until it waits no longer. */
function withoutWait({ reason: _reason, hint: _hint, ...entry }: Entry): Entry {
  return entry;
}

/** A device that waits is at no point of an exchange. */
function withoutExchange({ phase: _phase, remaining: _remaining, ...entry }: Entry): Entry {
  return entry;
}
