import type { Entry } from './entry';
import type { PlanState } from './holds';
import type { Idle } from './plan';

/** One device of a job as plain data, for a file. */
export interface StoredDevice {
  readonly entry: Entry;
  /** What was published, and has not come to an end. */
  readonly flight?: unknown;
  /** The job found it later, or tries it again. */
  readonly unasked?: true;
  /** When the wait for it began, in ms since the job began. */
  readonly since?: number;
  /** How long it was waited for before it asked for its turn, in ms. */
  readonly waited?: number;
}

/** A job as plain data, for a file. */
export interface JobState {
  readonly startedAt: string;
  /** ms. */
  readonly elapsed: number;
  /** Its devices have been found. */
  readonly admitted: boolean;
  /** It takes in no device that appears later. */
  readonly closed?: true;
  /** All of it was canceled. */
  readonly canceled?: true;
  /** What was last reported. */
  readonly idle: Idle;
  readonly plan: PlanState;
  readonly devices: readonly StoredDevice[];
}
