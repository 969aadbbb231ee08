/** A job as a person looks at it: plain data. */
import type { Value } from '../texts/text';
import type { FirmwareName, State, Summary } from '../update/update';
import type { Why } from '../update/why';

/** What a user may do with a job. */
export type JobAction = 'pause' | 'resume' | 'retry' | 'cancel' | 'close';

/** An open job, or one that ended lately. */
export interface JobCard {
  readonly id: string;
  readonly change: 'firmware' | 'configuration';
  /** The firmware that the job installs. */
  readonly to?: FirmwareName;
  /** The paths that a patch sets. */
  readonly paths?: readonly string[];
  readonly state: Summary['state'];
  readonly counts: Partial<Record<State, number>>;
  /** Over all devices, 0 to 100. */
  readonly progress: number;
  /** How many devices it has. */
  readonly total: number;
  /** The id of the only device. */
  readonly device?: string;
  readonly why?: Why;
  /** Why failures have stopped it, as sentences. */
  readonly error?: readonly Value[];
  /** The node that started it, or the sidebar. */
  readonly by?: string;
  /** In ms since 1970. */
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly may: readonly JobAction[];
}
