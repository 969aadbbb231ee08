import type { Clock } from './clock';
import type { Entry } from './ledger';
import type { PlanState } from './plan';

/** Whether something is left to do. */
export type Rest = 'not' | 'stopped' | 'done';

/** One device of a job as plain data, for a file. */
export interface DeviceState {
  readonly entry: Entry;
  /** What was published, and has not come to an end. */
  readonly flight?: unknown;
  /** The job found it later, or tries it again. */
  readonly unasked?: true;
  /** Since when it is waited for, in ms since the job began. */
  readonly since?: number;
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
  readonly rest: Rest;
  readonly plan: PlanState;
  readonly devices: readonly DeviceState[];
}

/** How long ago a job of an earlier process began, in ms. The wall clock may have been set back since. */
export function elapsedOf({ startedAt, elapsed }: JobState, clock: Clock): number {
  return Math.max(elapsed, clock.date().getTime() - Date.parse(startedAt)) || elapsed;
}
