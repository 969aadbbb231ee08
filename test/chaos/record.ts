import type { State } from '../../src/update/update';

/** The settings of a job that decide when it may start another device. */
export interface RolloutOf {
  readonly canary: number;
  /** Observation time of a canary, in ms. */
  readonly soak: number;
  readonly maxFailures: number;
}

/** An event of a run, as plain data. `at` is in ms of one clock; `device` is an id. */
export type Seen =
  /** A device boots, with the MD5 of its image and its config.json. */
  | {
      readonly kind: 'boot';
      readonly at: number;
      readonly device: string;
      readonly checksum: string;
      readonly file: string;
      /** `$mac`, as another device with the same id may have replaced the first one. */
      readonly mac?: string;
    }
  /** A device publishes an OTA status. */
  | { readonly kind: 'status'; readonly at: number; readonly device: string; readonly status: string }
  /** A device has received the first bytes of an image. `pending`: it had another image, or a patch, to boot. */
  | {
      readonly kind: 'image';
      readonly at: number;
      readonly device: string;
      readonly md5: string;
      readonly pending: boolean;
    }
  /** A device has received all of an image. */
  | { readonly kind: 'whole image'; readonly at: number; readonly device: string; readonly md5: string }
  | { readonly kind: 'patched'; readonly at: number; readonly device: string; readonly patch: string }
  /** Somebody else has published an image or a patch to the device. */
  | { readonly kind: 'other'; readonly at: number; readonly device: string }
  /** The PUBLISH of an image or a patch has begun on the wire. */
  | { readonly kind: 'begun'; readonly at: number; readonly device: string; readonly what: string }
  /** A message has started or joined a job. */
  | {
      readonly kind: 'asked';
      readonly at: number;
      /** Empty: the event is about several devices. */
      readonly device: '';
      readonly job: string;
      readonly what: string;
      /** Devices that the settings of the message allow. */
      readonly devices: readonly string[];
      /** Devices that the message names by their full ids. */
      readonly named: readonly string[];
      readonly attempts: number;
      /** Unknown with a real Node-RED, which does not report each progress either. */
      readonly rollout?: RolloutOf;
      /** The message wants the devices to go back. */
      readonly isRollback?: true;
    }
  /** Failures have stopped a job. */
  | { readonly kind: 'stopped'; readonly at: number; readonly device: ''; readonly what: string }
  /** A device is no longer connected. */
  | { readonly kind: 'away'; readonly at: number; readonly device: string }
  /** A job was paused or stopped, or goes on. `isNew`: it has just been made, or made again after a restart. */
  | {
      readonly kind: 'held';
      readonly at: number;
      readonly device: '';
      readonly job: string;
      readonly isHeld: boolean;
      readonly isNew: boolean;
    }
  /** Our side ends, and is started again: what it then makes again is told by `held`. */
  | { readonly kind: 'down'; readonly at: number; readonly device: '' }
  /** A job has stopped because a canary did not stay ready. */
  | { readonly kind: 'unstable'; readonly at: number; readonly device: ''; readonly job: string }
  /** A person has resumed the jobs. */
  | { readonly kind: 'resumed'; readonly at: number; readonly device: '' }
  /** All of a PUBLISH of our client has passed on the wire. `what`: the MD5 of an image, or `patch`. */
  | {
      readonly kind: 'published';
      readonly at: number;
      readonly device: string;
      readonly what: string;
      readonly dup: boolean;
    }
  /** A job has started to send. */
  | {
      readonly kind: 'sending';
      readonly at: number;
      readonly device: string;
      readonly job: string;
      readonly what: string;
    }
  /** A person has excluded the device from updates, or included it again. This is on disk. */
  | { readonly kind: 'excluded'; readonly at: number; readonly device: string; readonly isExcluded: boolean }
  /** A person has requested a retry for the device. */
  | { readonly kind: 'allowed'; readonly at: number; readonly device: string }
  | Verdict;

/** The reported result of a device. */
export interface Verdict {
  readonly kind: 'verdict';
  readonly at: number;
  readonly device: string;
  readonly job: string;
  readonly state: State;
  readonly code?: string;
  readonly reason?: string;
  readonly reboot?: string;
  /** The status that the device is said to have sent. */
  readonly status?: string;
  readonly attempt: number;
  /** The device was observed beyond its end. */
  readonly late?: true;
  /** The device waited, and what kept it from starting. */
  readonly waited?: string;
  /** For a configuration change: what the device is said to have taken. */
  readonly taken?: readonly string[];
  /** `$fw/checksum` before the update or change. */
  readonly before?: string;
  /** For an update: the checksums that a device with this image may report, the MD5 of the image first. */
  readonly image?: readonly string[];
  /** For a configuration change. */
  readonly patch?: object;
}

/** The final state of a device. */
export interface Left {
  readonly device: string;
  /** Whether the device is switched on and connected. */
  readonly there: boolean;
  /** Whether the device believes that an update is running. */
  readonly halfDead: boolean;
  /** The job that holds the device's lock; undefined if the device is free. */
  readonly lockedBy?: string;
}

/** What was seen of a run from start to end. */
export interface RunRecord {
  readonly seen: readonly Seen[];
  /** Descriptions of what did not end in time. */
  readonly unfinished: readonly string[];
  readonly left: readonly Left[];
  /** Unhandled rejections, uncaught errors, and warnings of Node.js. */
  readonly uproar: readonly string[];
  /** Descriptions of the timers, sockets and listeners that are left. */
  readonly leaks: readonly string[];
}
