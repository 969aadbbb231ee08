import type { State } from '../../src/update/update';

/** What was seen of a run, in order, as plain data. `at` in ms of one clock; devices by id. */
export type Seen =
  /** A device starts: what it runs from now on, and its config.json. */
  | {
      readonly kind: 'boot';
      readonly at: number;
      readonly device: string;
      readonly checksum: string;
      readonly file: string;
      /** `$mac`: another device may have taken the place of one with the same id. */
      readonly mac?: string;
    }
  /** A device says this of an update. */
  | { readonly kind: 'status'; readonly at: number; readonly device: string; readonly status: string }
  /** The first bytes of an image have come to a device. `pending`: it had another one, or a patch, to boot. */
  | {
      readonly kind: 'image';
      readonly at: number;
      readonly device: string;
      readonly md5: string;
      readonly pending: boolean;
    }
  /** All of an image has come to a device. */
  | { readonly kind: 'whole image'; readonly at: number; readonly device: string; readonly md5: string }
  | { readonly kind: 'patched'; readonly at: number; readonly device: string; readonly patch: string }
  /** Somebody else has published an image or a patch to the device. */
  | { readonly kind: 'other'; readonly at: number; readonly device: string }
  /** The PUBLISH of an image or a patch has begun on the wire. */
  | { readonly kind: 'begun'; readonly at: number; readonly device: string; readonly what: string }
  /** A message has begun a job, or joined it. */
  | {
      readonly kind: 'asked';
      readonly at: number;
      /** None: it is about several. */
      readonly device: '';
      readonly job: string;
      readonly what: string;
      /** Those that its settings allow it to send to. */
      readonly devices: readonly string[];
      /** Those that it names by their full ids. */
      readonly named: readonly string[];
      readonly attempts: number;
    }
  /** Failures have stopped a job. */
  | { readonly kind: 'stopped'; readonly at: number; readonly device: ''; readonly what: string }
  /** A person lets jobs go on. */
  | { readonly kind: 'resumed'; readonly at: number; readonly device: '' }
  /** Our client has published all of this, as it was on the wire. `what`: the MD5 of an image, or `patch`. */
  | {
      readonly kind: 'published';
      readonly at: number;
      readonly device: string;
      readonly what: string;
      readonly dup: boolean;
    }
  /** A job has begun to send. */
  | {
      readonly kind: 'sending';
      readonly at: number;
      readonly device: string;
      readonly job: string;
      readonly what: string;
    }
  /** A person wants it again. */
  | { readonly kind: 'allowed'; readonly at: number; readonly device: string }
  | Verdict;

/** What was told of a device at its end. */
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
  /** `$fw/checksum` before. */
  readonly before?: string;
  /** Of an update: what a device may report that runs the image; its MD5 first. */
  readonly image?: readonly string[];
  /** Of a change. */
  readonly patch?: object;
}

/** How a device is left. */
export interface Left {
  readonly device: string;
  /** It is switched on, and connected. */
  readonly there: boolean;
  /** It takes itself to be in the middle of an update. */
  readonly halfDead: boolean;
  /** Nobody says that a job has it, or that a reboot is pending. */
  readonly lockedBy?: string;
}

/** What was seen of a run from its beginning to its end. */
export interface RunRecord {
  readonly seen: readonly Seen[];
  /** What was not done in time, in words. */
  readonly unfinished: readonly string[];
  readonly left: readonly Left[];
  /** Unhandled rejections, uncaught errors, and warnings of Node.js. */
  readonly uproar: readonly string[];
  /** Timers, sockets and listeners that are left, in words. */
  readonly leaks: readonly string[];
}
