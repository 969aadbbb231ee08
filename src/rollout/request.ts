/** Who requests a job from the queue, and what the queue answers. */
import type { Job } from './job';
import type { Summary } from '../update/update';
import type { JobStore } from './store/job-store';
import type { Work } from './work';

/** Who requests jobs. Commands of an origin are for its own jobs. */
export interface Origin {
  /** The id of the node that owns the jobs. The jobs of the sidebar belong to the homie-broker. */
  readonly node: string;
  /** Where its jobs are written down; undefined where there is no place for them. */
  readonly store: JobStore | undefined;
}

/** A request, and the job that answers it. */
export interface Answer {
  readonly job: Job;
  /** The job was there already: the same was asked for before. */
  readonly isAgain: boolean;
  /**
   * Resolves with the summary when nothing is left to do. Begins with that where the job is new.
   *
   * Rejects with a HomieError when the devices cannot be found, before anything was sent; with an AbortError when the job
   * is given up before, or left to a later process (`job.isKept`).
   */
  readonly run: () => Promise<Summary>;
}

/** How jobs that are written down go on. */
export interface Remaking {
  /** Makes work from what was written down of it, and the image that it brings. @throws {HomieError} when that cannot be */
  readonly remake: (work: object, image: Buffer | undefined) => Promise<Work>;
  /** Told of each job with what was kept of its message, and then of each message that asked for the same. Calls `run`. */
  readonly goOn: (answer: Answer, msg: object) => void;
  /** Nothing more is to be made. */
  readonly signal: AbortSignal;
}
