import type { ErrorCode, HomieError } from '../errors';
import type { ErrorKey, Values } from '../texts/text';
import { textOf } from './sentence';

const states = [
  'queued',
  'waiting',
  'running',
  'succeeded',
  'skipped',
  'failed',
  'timed_out',
  'rejected',
  'canceled',
] as const;

/** Before the end: `queued` (until a slot is free), `waiting` (the reason says for what), `running`. The rest are final. */
export type State = (typeof states)[number];

/**
 * What is under way while the state is `running`: `accepted` and `flashing` with firmware, `received` with a patch; `silent`:
 * the transfer has begun, and the device does not respond, or our own connection is lost.
 */
export type Phase = 'sending' | 'accepted' | 'flashing' | 'silent' | 'received' | 'rebooting' | 'verifying';

/** `held`: it is not sent again unless somebody says so; `stopped`: an earlier rollout of the image was stopped by failures;
 * `withdrawn`: the image is no longer on offer for the device. */
type SkipReason = 'up_to_date' | 'older' | 'ota_disabled' | 'no_change' | 'held' | 'stopped' | 'excluded' | 'withdrawn';

/**
 * What a job waits for with a device that is not there, or that it cannot have. `offline`: the device is offline or asleep,
 * or we are; `never_seen`: nothing is known of it, so that it cannot be said to be offline, and its id may be misspelled;
 * `busy`: another job has it, or it may have something to boot.
 */
type Absence = 'offline' | 'never_seen' | 'busy';

/**
 * What keeps a job from starting a device that is there: the time window is closed, the canaries are still to be
 * proven, or somebody paused it, or failures have stopped it.
 */
export type Hold = 'window' | 'canary' | 'paused' | 'stopped';

/**
 * Why a device was skipped or canceled, or waits. `superseded`: a newer job has it; `already_sent`: the image or patch was on
 * its way, and the device is no longer watched.
 */
export type Reason = SkipReason | 'superseded' | 'already_sent' | Absence | Hold;

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
  /** Which text of the code the message is, where it is not the only one, and what is put into it. */
  readonly key?: ErrorKey;
  readonly values?: Values;
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
interface PathReport {
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
  /** Why it waits, `offline` unless given, and what to do about it; they count until the next state. */
  readonly reason?: Absence;
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

/** A state in which a device has ended. */
export type FinalState = Outcome['state'];

/** One device of a job: the payload of result and progress messages, which then has a `text`, too: see `sentenceOf`. */
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
type RolloutStage = 'canary' | 'soaking' | 'window' | 'rollout';

/** A whole job. `counts` and `devices` hold what is known at the moment. */
export interface Summary {
  readonly job: string;
  /** Until it has ended `running`, `paused` or `stopped`; then the gravest of the devices' final states. */
  readonly state: State | 'paused' | 'stopped';
  /** Why no more devices are started. */
  readonly error?: ErrorReport;
  /** What a job that has not ended is doing, or waiting for. */
  readonly stage?: RolloutStage;
  /** ISO 8601: when the time window opens. */
  readonly opensAt?: string;
  readonly counts: Partial<Record<State, number>>;
  readonly devices: readonly Update[];
  /** ms. */
  readonly duration: number;
  /** One sentence for a notification. */
  readonly text: string;
}

/** The states in which a device can end, from the most to the least severe. */
const finalStates: readonly FinalState[] = ['failed', 'timed_out', 'rejected', 'canceled', 'succeeded', 'skipped'];

/** Returns whether a device has ended, by its state or by its stage in a plan. */
export function isFinal(state: string): state is FinalState {
  return finalStates.some((final) => final === state);
}

/** Returns an update of each device: of several the last one, but one that runs comes before those that do not. */
export function byDevice(updates: Iterable<Update>): Map<string, Update> {
  const found = new Map<string, Update>();
  for (const update of updates) if (found.get(update.device)?.state !== 'running') found.set(update.device, update);
  return found;
}

/** Whether this is the name of a state. */
export function isState(name: unknown): name is State {
  return states.some((state) => state === name);
}

/** The error as plain data. */
export function reportError(error: HomieError, phase?: Phase): ErrorReport {
  const { code, key, values, message, hint, retryable, status } = error;
  return {
    code,
    ...(key !== code && { key }),
    ...(Object.keys(values).length > 0 && { values }),
    message,
    hint,
    retryable,
    ...(status !== undefined && { status }),
    ...(phase !== undefined && { phase }),
  };
}

/** Folds the devices of a job into its summary. `duration` in ms. */
export function summarize(job: string, devices: readonly Update[], duration: number): Summary {
  const counts: Partial<Record<State, number>> = {};
  for (const { state } of devices) counts[state] = (counts[state] ?? 0) + 1;
  const ended = devices.every(({ state }) => isFinal(state));
  const state = ended ? (finalStates.find((candidate) => counts[candidate] !== undefined) ?? 'skipped') : 'running';
  return { job, state, counts, devices, duration, text: textOf(devices) };
}
