import type { ErrorCode, HomieError } from '../errors';
import type { ErrorKey, Values } from '../texts/text';
import { tally } from '../tally';
import { jobText } from './sentence';

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

/** `queued` (until a slot is free), `waiting` (for what the reason says) and `running` are not final; the rest are. */
export type State = (typeof states)[number];

/**
 * What is in progress while the state is `running`. `accepted` and `flashing`: only for an image; `received`: only for
 * a patch; `silent`: the transfer has started, and the device does not respond, or our own connection is lost.
 */
export type Phase = 'sending' | 'accepted' | 'flashing' | 'silent' | 'received' | 'rebooting' | 'verifying';

/**
 * `held`: held back, not sent again without a retry; `stopped`: failures stopped an earlier rollout of the image;
 * `withdrawn`: the image is no longer on offer for the device.
 */
type SkipReason = 'up_to_date' | 'older' | 'ota_disabled' | 'no_change' | 'held' | 'stopped' | 'excluded' | 'withdrawn';

/**
 * Why a device is not available to a job. `offline`: the device is offline or asleep, or we are offline; `never_seen`:
 * nothing is known of the device, so it cannot be called offline, and its id may be misspelled; `busy`: another job has
 * the device, or it may have something to boot.
 */
type Absence = 'offline' | 'never_seen' | 'busy';

/**
 * What keeps a job from starting an available device: the time window is closed, the canaries are not verified yet,
 * somebody paused the job, or failures stopped it.
 */
export type Hold = 'window' | 'canary' | 'paused' | 'stopped';

/**
 * Why a device was skipped or canceled, or waits. `superseded`: a newer job has the device; `already_sent`: the image
 * or patch was on its way, and the device is no longer watched.
 */
export type Reason = SkipReason | 'superseded' | 'already_sent' | Absence | Hold;

/** A firmware as named by a device or an image. `checksum` is an MD5 in lower case, `size` is in bytes. */
export interface FirmwareName {
  readonly name?: string;
  readonly version?: string;
  readonly checksum?: string;
  readonly size?: number;
}

/** An error in a message: plain data. */
export interface ErrorReport {
  readonly code: ErrorCode;
  /** The text that the message uses, if not the default text of the code, and the values in it. */
  readonly key?: ErrorKey;
  readonly values?: Values;
  readonly message: string;
  readonly hint: string;
  /** The status of the device as received. */
  readonly status?: string;
  readonly phase?: Phase;
  readonly retryable: boolean;
}

/** The progress of a transfer. */
export interface Progress {
  /** Bytes. */
  readonly written: number;
  readonly estimated: boolean;
  /** 0 to 100. */
  readonly percent: number;
  /** Seconds until everything is written. */
  readonly remaining: number;
}

/** A remark on one path of a configuration. Its texts contain no values. */
interface PathReport {
  /** Empty if the remark is about the whole configuration. */
  readonly path: string;
  readonly message: string;
  readonly code?: string;
  readonly hint?: string;
}

/** A configuration change of a device: plain data, with secrets masked. */
export interface ConfigReport {
  /** What the whole patch changes; null for a missing value. */
  readonly differences: readonly { readonly path: string; readonly from: unknown; readonly to: unknown }[];
  /** Why the patch is refused. */
  readonly problems: readonly PathReport[];
  readonly risks: readonly PathReport[];
  readonly warnings: readonly PathReport[];
  /** Secrets that the device never shows: its return is the only evidence that it has them. */
  readonly unverified: readonly string[];
  /** Settings whose types and validators only the sketch knows. */
  readonly sketch: readonly string[];
  /** How many messages the change takes. A reboot follows each. */
  readonly messages: number;
  readonly reboots: number;
  /** The paths that the device has provably taken, and those that were not sent or are not proven. */
  readonly taken: readonly string[];
  readonly untaken: readonly string[];
  /** Values that are not as expected after the reboot; null for a missing value. */
  readonly lost: readonly { readonly path: string; readonly expected: unknown; readonly got: unknown }[];
  /** The addresses that the device has left, and what the broker still retains there. */
  readonly moved?: readonly MoveReport[];
}

/** A device that now has another id or base topic. */
export interface MoveReport {
  /** Base topic and device id. */
  readonly from: string;
  readonly to: string;
  /** Topics that the broker has retained at the old address. */
  readonly retained: readonly string[];
  /** Which of these were cleared. */
  readonly cleared: readonly string[];
  /** Why not all were cleared, although that was requested. */
  readonly kept?: string;
}

/** What an exchange with a device reports while it runs. */
export interface Change {
  /** `queued`: the device waits for its turn again. */
  readonly state?: 'queued' | 'waiting' | 'running';
  /** Why the device waits (default `offline`), and what to do about it. Both apply until the next state. */
  readonly reason?: Absence;
  readonly hint?: string;
  readonly phase?: Phase;
  readonly progress?: Progress;
  /** 0 to 100, if no transfer can be measured. */
  readonly percent?: number;
  readonly config?: ConfigReport;
  readonly from?: FirmwareName;
  readonly attempt?: number;
}

/** How a device ended. */
export type Outcome = { readonly config?: ConfigReport } & Ending;

type Ending =
  | { readonly state: 'succeeded'; readonly reboot: 'proven' | 'unproven'; readonly hint?: string }
  | { readonly state: 'skipped'; readonly reason: SkipReason; readonly hint?: string }
  | { readonly state: 'failed' | 'timed_out' | 'rejected'; readonly error: HomieError; readonly reboot?: 'unproven' }
  | { readonly state: 'canceled'; readonly reason?: 'superseded' | 'already_sent'; readonly hint?: string };

/** A final state of a device. */
export type FinalState = Outcome['state'];

/** One device of a job: the payload of result and progress messages, which also has a `text` from `sentenceOf`. */
export interface Update {
  readonly job: string;
  readonly device: string;
  readonly state: State;
  readonly phase?: Phase;
  /** 0 to 100. Never decreases, and stays at or below 95 until the device has flashed or rebooted. */
  readonly progress: number;
  /** Bytes of the image that the device has written; exact if `estimated` is false. */
  readonly written: number;
  /** Bytes of the image. */
  readonly total: number;
  /** Seconds until the end of the transfer, if known. */
  readonly remaining?: number;
  readonly estimated: boolean;
  readonly from: FirmwareName;
  /** The firmware to install; absent for a configuration change. */
  readonly to?: FirmwareName;
  readonly config?: ConfigReport;
  /** How many transfers have started. */
  readonly attempt: number;
  /** ISO 8601. */
  readonly startedAt: string;
  /** ms since `startedAt`. */
  readonly duration: number;
  /** Whether `$stats/uptime` has shown the reboot. */
  readonly reboot?: 'proven' | 'unproven';
  readonly reason?: Reason;
  /** What to do about a skip or a wait, or about something found during a success. */
  readonly hint?: string;
  readonly error?: ErrorReport;
  /** Set on the later result of a device that rebooted too late for the result of its job. */
  readonly late?: true;
}

/**
 * `canary`: the canary devices are not verified yet; `soaking`: they must stay ready during the observation time;
 * `window`: the time window is closed.
 */
type RolloutStage = 'canary' | 'soaking' | 'window' | 'rollout';

/** A whole job. `counts` and `devices` hold what is known now. */
export interface Summary {
  readonly job: string;
  /** `running`, `paused` or `stopped` until the job has ended; then the most severe final state among its devices. */
  readonly state: State | 'paused' | 'stopped';
  /** Why no more devices are started. */
  readonly error?: ErrorReport;
  /** What a job that has not ended is doing or waiting for. */
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

/** Returns whether the state of a device, or its stage in a plan, is final. */
export function isFinal(state: string): state is FinalState {
  return finalStates.some((final) => final === state);
}

/** Returns one update for each device: a running one if there is one, otherwise the last. */
export function byDevice(updates: Iterable<Update>): Map<string, Update> {
  const found = new Map<string, Update>();
  for (const update of updates) if (found.get(update.device)?.state !== 'running') found.set(update.device, update);
  return found;
}

/** Returns whether a value is the name of a state. */
export function isState(name: unknown): name is State {
  return states.some((state) => state === name);
}

/** Returns an error as plain data. */
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

/** Returns the summary of a job from its devices. `duration` is in ms. */
export function summarize(job: string, devices: readonly Update[], duration: number): Summary {
  const counts = tally(devices.map(({ state }) => state));
  return { job, state: stateOf(counts), counts, devices, duration, text: jobText(devices) };
}

/** Returns the state of a job by how many of its devices are in each state. */
export function stateOf(counts: Partial<Record<State, number>>): State {
  const isOpen = Object.keys(counts).some((state) => !isFinal(state));
  return isOpen ? 'running' : (finalStates.find((state) => counts[state] !== undefined) ?? 'skipped');
}
