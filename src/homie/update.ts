import type { ErrorCode, HomieError } from '../errors';

/** Before the end: `queued`, `waiting` (offline, asleep, or another device has its turn), `running`. The rest are final. */
export type State =
  'queued' | 'waiting' | 'running' | 'succeeded' | 'skipped' | 'failed' | 'timed_out' | 'rejected' | 'canceled';

/**
 * What is under way while the state is `running`: `accepted` and `flashing` with firmware, `received` with a patch; `silent`:
 * the transfer has begun, and the device does not respond, or our own connection is lost.
 */
export type Phase = 'sending' | 'accepted' | 'flashing' | 'silent' | 'received' | 'rebooting' | 'verifying';

/** `held`: it is not sent again unless somebody says so. */
export type SkipReason = 'up_to_date' | 'older' | 'ota_disabled' | 'no_change' | 'held' | 'excluded';

/**
 * Why a device was skipped or canceled, or waits. `superseded`: a newer job has it; `already_sent`: the image or patch was on
 * its way, and the device is no longer watched; `never_seen`: why it is waited for.
 */
export type Reason = SkipReason | 'superseded' | 'already_sent' | 'never_seen';

/** A firmware as a device or an image names it. `checksum` is an MD5 in lower case, `size` is in bytes. */
export interface FirmwareName {
  readonly name?: string;
  readonly version?: string;
  readonly checksum?: string;
  readonly size?: number;
}

/** An error as it goes into a message: plain data. */
export interface ErrorReport {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  /** The status of the device as it came. */
  readonly status?: string;
  readonly phase?: Phase;
  readonly retryable: boolean;
}

/** How far a transfer is. */
export interface Progress {
  /** Bytes. */
  readonly written: number;
  readonly estimated: boolean;
  /** 0 to 100. */
  readonly percent: number;
  /** s until all is written. */
  readonly remaining: number;
}

/** Something about one path of a configuration. No text in it holds a value. */
export interface PathReport {
  /** Empty when it is about the whole. */
  readonly path: string;
  readonly message: string;
  readonly code?: string;
  readonly hint?: string;
}

/** A change of a device's configuration: plain data, secrets masked. */
export interface ConfigReport {
  /** What the whole patch changes; null where there is nothing. */
  readonly differences: readonly { readonly path: string; readonly from: unknown; readonly to: unknown }[];
  /** Why it is refused. */
  readonly problems: readonly PathReport[];
  readonly risks: readonly PathReport[];
  readonly warnings: readonly PathReport[];
  /** Secrets that the device never shows: that it came back is the only evidence. */
  readonly unverified: readonly string[];
  /** Settings whose types and validators only the sketch knows. */
  readonly sketch: readonly string[];
  /** Messages that the change takes; each is followed by a reboot. */
  readonly messages: number;
  readonly reboots: number;
  /** The paths that the device is proven to have taken, and those that were not sent or are not proven. */
  readonly taken: readonly string[];
  readonly untaken: readonly string[];
  /** Values that are not as they should be after the reboot; null where there is nothing. */
  readonly lost: readonly { readonly path: string; readonly expected: unknown; readonly got: unknown }[];
  /** The places that the device left, and what they still hold. */
  readonly moved?: readonly MoveReport[];
}

/** A device that has another id or base topic now. */
export interface MoveReport {
  /** Base topic and device id. */
  readonly from: string;
  readonly to: string;
  /** Topics that the broker has retained in the old place. */
  readonly retained: readonly string[];
  /** Those of them that were cleared. */
  readonly cleared: readonly string[];
  /** Why not all were cleared although that was asked for. */
  readonly kept?: string;
}

/** What an exchange with a device tells while it runs. */
export interface Change {
  /** `queued`: it waits for its turn once more. */
  readonly state?: 'queued' | 'waiting' | 'running';
  /** Why it waits, and what to do about it; they count until the next state. */
  readonly reason?: 'never_seen';
  readonly hint?: string;
  readonly phase?: Phase;
  readonly progress?: Progress;
  /** 0 to 100, where nothing is transferred that could be measured. */
  readonly percent?: number;
  readonly config?: ConfigReport;
  readonly from?: FirmwareName;
  readonly attempt?: number;
}

/** How one device ended. */
export type Outcome = { readonly config?: ConfigReport } & Ending;

type Ending =
  | { readonly state: 'succeeded'; readonly reboot: 'proven' | 'unproven'; readonly hint?: string }
  | { readonly state: 'skipped'; readonly reason: SkipReason; readonly hint?: string }
  | { readonly state: 'failed' | 'timed_out' | 'rejected'; readonly error: HomieError; readonly reboot?: 'unproven' }
  | { readonly state: 'canceled'; readonly reason?: 'superseded' | 'already_sent'; readonly hint?: string };

/** One device of a job: the payload of result and progress messages. */
export interface Update {
  readonly job: string;
  readonly device: string;
  readonly state: State;
  readonly phase?: Phase;
  /** 0 to 100; never falls, and stays at 95 at most until the device has flashed or rebooted. */
  readonly progress: number;
  /** Bytes of the image that the device has written; exact when `estimated` is false. */
  readonly written: number;
  /** Bytes of the image. */
  readonly total: number;
  /** Seconds until the transfer has ended, as far as that can be told. */
  readonly remaining?: number;
  readonly estimated: boolean;
  readonly from: FirmwareName;
  /** The firmware that is to run; not there where the configuration is changed. */
  readonly to?: FirmwareName;
  readonly config?: ConfigReport;
  /** Transfers begun so far. */
  readonly attempt: number;
  /** ISO 8601. */
  readonly startedAt: string;
  /** ms since then. */
  readonly duration: number;
  /** Whether a reboot was shown by `$stats/uptime` or by a changed checksum. */
  readonly reboot?: 'proven' | 'unproven';
  readonly reason?: Reason;
  /** What to do about a skip or a wait, or about something that was found during a success. */
  readonly hint?: string;
  readonly error?: ErrorReport;
  /** What became of it after the end of the job, when the device rebooted too late for the result. */
  readonly late?: true;
}

/**
 * `canary`: the first devices are to be proven; `soaking`: they must stay well for a while; `window`: the maintenance
 * window is closed.
 */
export type Stage = 'canary' | 'soaking' | 'window' | 'rollout';

/** A whole job. `counts` and `devices` hold what is known at the moment. */
export interface Summary {
  readonly job: string;
  /** Until it has ended `running`, `paused` or `stopped`; then the gravest of the devices' final states. */
  readonly state: State | 'paused' | 'stopped';
  /** Why no more devices are started. */
  readonly error?: ErrorReport;
  /** What a job that has not ended is doing, or waiting for. */
  readonly stage?: Stage;
  /** ISO 8601: when the maintenance window opens. */
  readonly opensAt?: string;
  readonly counts: Partial<Record<State, number>>;
  readonly devices: readonly Update[];
  /** ms. */
  readonly duration: number;
  /** One sentence for a notification. */
  readonly text: string;
}

const finalStates: ReadonlySet<State> = new Set([
  'succeeded',
  'skipped',
  'failed',
  'timed_out',
  'rejected',
  'canceled',
]);

export function isFinal(state: State): boolean {
  return finalStates.has(state);
}

/** Whether this is the name of a state. */
export function isState(name: unknown): name is State {
  return typeof name === 'string' && Object.hasOwn(verbs, name);
}

/** The error as plain data. */
export function reportError(error: HomieError, phase?: Phase): ErrorReport {
  return {
    code: error.code,
    message: error.message,
    hint: error.hint,
    retryable: error.retryable,
    ...(error.status !== undefined && { status: error.status }),
    ...(phase !== undefined && { phase }),
  };
}

/** From grave to harmless: the first of these that a device has is how the job ended. */
const byGravity: readonly State[] = ['failed', 'timed_out', 'rejected', 'canceled', 'succeeded', 'skipped'];

/** Folds the devices of a job into its summary. `duration` in ms. */
export function summarize(job: string, devices: readonly Update[], duration: number): Summary {
  const counts: Partial<Record<State, number>> = {};
  for (const { state } of devices) counts[state] = (counts[state] ?? 0) + 1;
  const ended = devices.every(({ state }) => isFinal(state));
  const state = ended ? (byGravity.find((candidate) => counts[candidate] !== undefined) ?? 'skipped') : 'running';
  return { job, state, counts, devices, duration, text: sentence(devices) };
}

const verbs = {
  queued: 'queued',
  waiting: 'waiting',
  running: 'in progress',
  succeeded: 'updated',
  skipped: 'skipped',
  failed: 'failed',
  timed_out: 'not reached in time',
  rejected: 'refused',
  canceled: 'canceled',
} as const satisfies Record<State, string>;

function sentence(devices: readonly Update[]): string {
  if (devices.length === 0) return 'No device belongs to it yet.';
  const ignored = ignoredKeys(devices.flatMap(({ error, config }) => (error === undefined && config ? [config] : [])));
  const [only] = devices;
  if (devices.length === 1 && only !== undefined) {
    if (only.reason === 'never_seen' && only.hint !== undefined) return `${only.device}: waiting. ${only.hint}`;
    const detail = only.error?.message ?? (only.reason === undefined ? undefined : only.reason.replaceAll('_', ' '));
    return `${only.device}: ${verbs[only.state]}${detail === undefined ? '.' : `: ${detail}`}${ignored}`;
  }
  const groups = Object.entries(verbs).flatMap(([state, verb]) => {
    const ids = devices.filter((device) => device.state === state).map(({ device }) => device);
    if (ids.length === 0) return [];
    const shown = ids.length > 5 ? `${ids.slice(0, 5).join(', ')} …` : ids.join(', ');
    return [`${ids.length} ${verb} (${shown})`];
  });
  const unseen = devices.filter(isPerhapsMisspelled).slice(0, MAX_NAMED);
  const unknown = unseen.map(({ device, hint = '' }) => ` ${device}: ${hint}`).join('');
  return `${devices.length} devices: ${groups.join(', ')}.${unknown}${ignored}`;
}

/** Whether a device is waited for that was never seen, while a known one has a similar id. */
export function isPerhapsMisspelled({ reason, hint }: Pick<Update, 'reason' | 'hint'>): boolean {
  return reason === 'never_seen' && hint?.endsWith('?') === true;
}

/** Whether a patch sets a key that the firmware does not know: the device takes it, and nothing comes of it. */
export function setsUnknownKey({ warnings }: Pick<ConfigReport, 'warnings'>): boolean {
  return warnings.some(({ code }) => code === UNKNOWN_KEY);
}

/** How many unknown keys or devices are named in a sentence. */
const MAX_NAMED = 3;

/** Returns what is said of the keys that the firmware does not know, each once, to be put behind a sentence. */
export function ignoredKeys(reports: readonly Pick<ConfigReport, 'warnings'>[]): string {
  const unknown = reports.flatMap(({ warnings }) => warnings.filter(({ code }) => code === UNKNOWN_KEY));
  const messages = [...new Map(unknown.map(({ path, message }) => [path, message])).values()];
  const more = messages.length - MAX_NAMED;
  const shown = [...messages.slice(0, MAX_NAMED), ...(more > 0 ? [`(And ${more} more unknown keys.)`] : [])];
  return shown.map((message) => ` ${message}`).join('');
}

const UNKNOWN_KEY = 'UNKNOWN_KEY';
