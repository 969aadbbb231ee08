import type { Change, Outcome } from '../update/update';
import type { HomieBroker } from './broker';

/** What a job provides while it serves one device. `Facts` are what is needed to judge the device later. */
export interface Serving<Facts extends unknown[] = []> {
  readonly broker: HomieBroker;
  readonly device: string;
  /** The id of the job, which holds the lock of the device. */
  readonly job: string;
  /**
   * Called as something is handed to the socket: returns whether the job may send now. For example, it is neither
   * paused nor stopped, and its window is open.
   */
  readonly mayBegin: () => boolean;
  /** Called when something is handed to the socket: from then on, it is too late to cancel. */
  readonly handedOver: () => void;
  /** Aborted by a cancellation. Nothing is sent from then on; what was already handed to the socket is still judged. */
  readonly cancel: AbortSignal;
  /** Aborted when the device can no longer be watched. */
  readonly abandon: AbortSignal;
  readonly report: (change: Change) => void;
  /**
   * Stores the facts. Must be awaited before something is published: from then on, the device is judged by what it
   * does.
   *
   * @returns whether it is stored already that the device may have something to boot
   */
  readonly begin: (...facts: Facts) => Promise<boolean>;
  /** Called when what `begin` announced did not reach the device, and when a change is halted between two steps. */
  readonly unsent: () => void;
  /** Called to keep watching after the end. A late outcome does not change the result. */
  readonly watchOn: (late: Promise<Outcome | undefined>) => void;
}
