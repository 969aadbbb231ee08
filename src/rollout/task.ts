import type { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import type { Staged } from '../homie/lock-table';
import type { Serving } from '../homie/serving';
import type { Outcome, Update } from '../update/update';
import type { Initial } from './entry';

/** What a job offers to its task while the task serves one device. */
export interface Hooks<Flight> extends Omit<Serving<[flight: Flight]>, 'broker' | 'device'> {
  /** Called while the device is away: stores ahead that something may be sent to it if it sleeps. */
  readonly prepare: () => void;
  /** Called when the device is awake and must wait: what `prepare` stored no longer holds. */
  readonly unprepare: () => void;
  /** Whether the user requested this device now; false when the job found it later or tries it again. */
  readonly asked: boolean;
}

/**
 * The result of a device that was in flight when the process ended. `again`: nothing is under way, and the device can
 * be served again.
 */
export type Judged = Outcome | 'again';

/**
 * What a job does with each of its devices.
 *
 * `Flight` holds what is needed to judge a device to which something was published. Plain data.
 */
export interface Task<Flight> {
  readonly broker: HomieBroker;
  /** What a device may have to boot after the task. */
  readonly stages: Staged;
  /** What each update contains from its start. */
  readonly initial: Initial;
  /** Finds the selected devices. Rejects with a HomieError, or with the reason of the signal. */
  select(signal: AbortSignal): Promise<readonly string[]>;
  /** Returns whether a device that appears later is selected, too. */
  admits(device: Device): boolean;
  /** Returns how a device ends whose outcome is known before it is available; otherwise undefined. */
  refuse(device: string): Outcome | undefined;
  /** Returns from when on a device can be served, in ms of `performance.now()`; undefined while it is not available. */
  readyAt(device: string): number | undefined;
  /** Returns why a device cannot be served now. */
  missing(device: string): HomieError;
  /** Returns how an available device ends without anything being sent; undefined when it must be served. */
  look(device: string, asked: boolean): Promise<Outcome | undefined>;
  /** Serves a device. Returns undefined when the device has gone and nothing was sent, so that the job waits again. */
  exchange(device: string, hooks: Hooks<Flight>): Promise<Outcome | undefined>;
  /** Judges a device that was in flight. */
  judge(device: string, flight: Flight, hooks: Hooks<Flight>): Promise<Judged>;
  /** Returns whether a device that the job waits for may have taken what was sent to it before. */
  mayHaveTaken?(device: string): boolean;
  /** Returns whether a continuous job should look again at a device that has ended and is available. */
  isWorthAnotherLook(update: Update): boolean;
  /** Allows sending to a device again, because the user wants to retry it: only an image can be held back. */
  allowAgain?(device: string): void;
  /** Called when failures have stopped the job. Resolves when that is stored. */
  stopped?(): Promise<void>;
  /** Called when the user resumes the job. */
  goOn?(): void;
  /**
   * Records the result of a device that has ended, or a `late` result after that. Resolves when it is in the history.
   *
   * @param resumed whether an earlier process may have recorded the result without reporting it
   */
  ended(device: string, update: Update, resumed: boolean): Promise<void>;
}
