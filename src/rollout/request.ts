/** Requests to the queue for jobs, and the answers. */
import type { Firmware } from '../firmware/firmware';
import type { Job } from './job';
import type { Summary } from '../update/update';
import type { JobStore } from './store/job-store';
import type { Work } from './work';

/** The origin of a request. Commands of an origin apply to its own jobs. */
export interface Origin {
  /** The id of the node that owns the jobs. The jobs of the sidebar belong to the homie-broker. */
  readonly node: string;
  /** Where its jobs are stored; undefined when they cannot be stored. */
  readonly store: JobStore | undefined;
  /** Aborted when the origin is closed: it may request no more jobs. */
  readonly closed?: AbortSignal;
}

/** What the queue returns for a request. */
export interface Answer {
  readonly job: Job;
  /** Whether the job already existed, because the same was requested before. */
  readonly isAgain: boolean;
  /**
   * Starts the job if it is new, and resolves with the summary when nothing is left to do.
   *
   * Rejects with a HomieError when the devices cannot be found (nothing was sent then), and with an AbortError when the
   * job is abandoned before that, or left to a later process (`job.isKept`).
   */
  readonly run: () => Promise<Summary>;
}

/** How stored jobs are continued. */
export interface Remaking {
  /** Recreates work from its stored data and image. Rejects with a HomieError when that is not possible. */
  readonly remake: (work: object, image: Firmware | undefined) => Promise<Work>;
  /**
   * Called for each job with the stored part of its message, then for each message that requested the same. Must call
   * `run`.
   */
  readonly goOn: (answer: Answer, msg: object) => void;
  /** Aborted when no more jobs must be recreated. */
  readonly signal: AbortSignal;
}
