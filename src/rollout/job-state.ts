import type { Entry } from './entry';
import type { PlanState } from './holds';
import type { IdleState } from './plan';

/** One device of a job as stored in a file. Plain data. */
export interface StoredDevice {
  readonly entry: Entry;
  /** What was published and has no result yet. */
  readonly flight?: unknown;
  /** The device sleeps. Something may have been sent to it since, so it is locked until it is shown to have booted. */
  readonly prepared?: true;
  /** The job found the device later or tries it again. */
  readonly unasked?: true;
  /** When the wait for the device began, in ms since the start of the job. */
  readonly since?: number;
  /** How long the job waited for the device before it asked for its turn, in ms. */
  readonly waited?: number;
}

/** A job as stored in a file. Plain data. */
export interface JobState {
  /** ISO 8601. */
  readonly startedAt: string;
  /** Duration of the job so far, in ms. */
  readonly elapsed: number;
  /** Whether the devices have been found. */
  readonly admitted: boolean;
  /** The job accepts no device that appears later. */
  readonly closed?: true;
  /** The whole job was canceled. */
  readonly canceled?: true;
  /** The idle state that was last reported. */
  readonly idle: IdleState;
  readonly plan: PlanState;
  readonly devices: readonly StoredDevice[];
}
