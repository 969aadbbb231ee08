import { ignoredKeys } from '../update/sentence';
import { reportError, type Change, type FirmwareName, type Outcome, type Update } from '../update/update';

/** The record of one device of a job. `duration`, in ms, is set when the device has ended. */
export type Entry = Omit<Update, 'duration'> & { readonly duration?: number };

/** What each update of a job contains from its start. */
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

/** Returns whether a device has taken steps of a change and waits for its next one, because the job must not send. */
export function isBetween({ state, config }: Entry): boolean {
  return state === 'queued' && config !== undefined;
}

/** Returns the record of a device after a change. */
export function changed(entry: Entry, { progress, percent: share, ...change }: Change): Entry {
  const { percent = share ?? 0, ...written } = progress ?? {};
  const before = change.state === undefined ? entry : withoutWait(entry);
  const reason = change.state === 'waiting' ? { reason: change.reason ?? 'offline' } : {};
  const next: Entry = { ...before, ...change, ...reason, ...written, progress: Math.max(entry.progress, percent) };
  return next.state === 'running' ? next : withoutExchange(next);
}

/** Returns a record after a restart. A device that had its turn, but to which nothing was sent, is queued again. */
export function restored(entry: Entry, wasInFlight: boolean): Entry {
  return entry.state !== 'running' || wasInFlight ? entry : { ...withoutExchange(entry), state: 'queued' };
}

/**
 * Returns the record of a device that has ended.
 *
 * @param runs the firmware that the device is known to run, for a device that ended without an exchange
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

/** Returns whether a device with this record can be retried, or was left out so that only the user can retry it. */
export function mayRetry({ state, reason }: Entry): boolean {
  const wasLeft = reason === 'held' || reason === 'stopped';
  return state === 'failed' || state === 'timed_out' || state === 'rejected' || wasLeft;
}

/** Returns the record to report for an outcome that came after the end. The record of the job does not change. */
export function endedLate({ error: _error, duration: _duration, ...entry }: Entry, outcome: Outcome): Entry {
  return { ...ended(entry, outcome), late: true };
}

/**
 * Adds to the outcome of a canceled device that what was sent to it may still take effect.
 *
 * @param wasLeft whether the device was no longer observed after something had been sent
 * @param isOpen whether the device may have taken what was sent to it before
 */
export function canceledLate(
  outcome: Outcome,
  { wasLeft, isOpen }: { readonly wasLeft: boolean; readonly isOpen: boolean },
): Outcome {
  const { config } = outcome;
  const isAbandoned = wasLeft && outcome.state === 'failed' && outcome.error.code === 'ABANDONED';
  if (!isAbandoned && !isOpen) return outcome;
  const hint = isOpen ? ALREADY_SENT : `${ALREADY_SENT} ${LOCKED}`;
  return { state: 'canceled', reason: 'already_sent', hint, ...(config && { config }) };
}

const ALREADY_SENT = 'The image or patch was sent before the cancellation, so it may still take effect on the device.';
const LOCKED = 'The device gets no other job until a restart is seen.';

/** Returns the hint for a success or a skip, including keys of a patch that were ignored. */
function hintOf(outcome: Outcome): { readonly hint?: string } {
  const given = 'hint' in outcome ? outcome.hint : undefined;
  const ignored = outcome.config === undefined || 'error' in outcome ? '' : ignoredKeys([outcome.config]).trim();
  const hint = [given, ignored].filter(Boolean).join(' ');
  return hint === '' ? {} : { hint };
}

/** Removes the reason for a wait, which applies only while the device waits. */
function withoutWait({ reason: _reason, hint: _hint, ...entry }: Entry): Entry {
  return entry;
}

/** Removes what applies only during an exchange. */
function withoutExchange({ phase: _phase, remaining: _remaining, ...entry }: Entry): Entry {
  return entry;
}
