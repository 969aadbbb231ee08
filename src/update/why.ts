/** Why a job or a device waits, as plain data. */

/**
 * Why a job or a device waits, or what is observed. Times are in ms since 1970.
 *
 * - `slot`: waits for a free slot; `count` devices are in progress
 * - `window`: the time window opens at `until`
 * - `canary`: the canaries `devices` (five at most) are not verified yet
 * - `observation`: the canaries `devices` (five at most) are observed until `until`, if they are ready
 * - `offline`, `never_seen`: the device is offline or was never seen
 * - `busy`: another job has the device; `change` says which kind
 * - `reboot`: the device may have something to boot
 * - `paused`; `stopped`: by `count` failures
 * - `looking`: the job looks for its devices
 *
 * For a job, `count` says of how many devices the reason holds.
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
