/** A job as a person looks at it: plain data. */
import type { Value } from '../texts/text';
import type { FirmwareName, State, Summary } from '../update/update';

/**
 * Why a job or a device waits, or what is observed. Times are in ms since 1970.
 *
 * - `slot`: waits for a free slot; `count` devices are in progress
 * - `window`: the time window opens at `until`
 * - `canary`: the canaries `devices` are not verified yet
 * - `observation`: the canaries `devices` are observed until `until`
 * - `offline`, `never_seen`: the device, or `count` devices of the job, are offline or were never seen
 * - `busy`: another job has the device; `change` says which kind
 * - `reboot`: the device may have something to boot
 * - `paused`; `stopped`: by `count` failures
 * - `looking`: the job looks for its devices
 */
export interface Why {
  readonly kind:
    | 'slot'
    | 'window'
    | 'canary'
    | 'observation'
    | 'offline'
    | 'never_seen'
    | 'busy'
    | 'reboot'
    | 'paused'
    | 'stopped'
    | 'looking';
  readonly until?: number;
  readonly devices?: readonly string[];
  readonly count?: number;
  readonly change?: 'firmware' | 'configuration';
}

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
