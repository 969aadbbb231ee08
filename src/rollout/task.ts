import type { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import type { Staged } from '../homie/lock-table';
import type { Change, Outcome, Update } from '../update/update';
import type { Initial } from './entry';

/** How a job treats one of its devices. */
export interface Hooks<Flight> {
  /** The id of the job, which holds the lock of the device. */
  readonly job: string;
  /** Asked as something is handed to the socket: whether the job is neither paused nor stopped, and its window open. */
  readonly mayBegin: () => boolean;
  /** Something is handed to the socket: it is too late to cancel. */
  readonly handedOver: () => void;
  /** The user wants to stop. Obeyed until something is handed to the socket; after that, nothing is sent again. */
  readonly cancel: AbortSignal;
  /** The device can be watched no longer. */
  readonly abandon: AbortSignal;
  readonly report: (change: Change) => void;
  /** To be awaited before something is published: from then on the device is judged by what it does. */
  readonly begin: (flight: Flight) => Promise<void>;
  /** What was begun was not published after all. */
  readonly unsent: () => void;
  /** Keeps watching after the end of the exchange: what the device does then does not change the result. */
  readonly watchOn: (late: Promise<Outcome | undefined>) => void;
  /** Whether the user asked for this device, now. It was not when the job found the device later, or tries again. */
  readonly asked: boolean;
}

/** The result of a device that was in flight when the process ended; `again`: nothing was taken, nothing is under way. */
export type Judged = Outcome | 'again';

/**
 * What a job does with each of its devices.
 *
 * `Flight` is what must be known to judge a device to which something was published, as plain data.
 */
export interface Task<Flight> {
  readonly broker: HomieBroker;
  /** What it may leave a device to boot. */
  readonly stages: Staged;
  /** What every update says from its start. */
  readonly initial: Initial;
  /** Finds the devices that are meant. Rejects with a HomieError, or with the signal. */
  select(signal: AbortSignal): Promise<readonly string[]>;
  /** Whether a device that appears later is selected, too. */
  admits(device: Device): boolean;
  /** How a device ends of which nothing more must be known. */
  refuse(device: string): Outcome | undefined;
  /** Since when, or from when on, a device can be served, in ms of `performance.now()`; undefined while it is not there. */
  readyAt(device: string): number | undefined;
  /** Why a device cannot be served now. */
  missing(device: string): HomieError;
  /** How a device that is there ends without anything being sent; undefined when it is to be served. */
  look(device: string, asked: boolean): Promise<Outcome | undefined>;
  /** Undefined when the device has gone, and nothing was sent: it is waited for again. */
  exchange(device: string, hooks: Hooks<Flight>): Promise<Outcome | undefined>;
  /** Judges a device that was in flight. */
  judge(device: string, flight: Flight, hooks: Hooks<Flight>): Promise<Judged>;
  /** Whether a device that is waited for may have taken what was sent to it before. */
  mayHaveTaken?(device: string): boolean;
  /** Whether a device that has ended, and is there, is to be looked at again by a job that stays open. */
  isWorthAnotherLook(update: Update): boolean;
  /** The user wants it once more. */
  allowAgain(device: string): void;
  /** Failures have stopped the job. Called again after a restart. */
  stopped?(): void;
  /** The user wants it to go on. */
  goOn?(): void;
  /**
   * A device has ended, or has shown after its end what became of it (`late`). Resolves when that is remembered.
   *
   * @param resumed its end may have been remembered before the process ended, but nobody was told
   */
  ended(device: string, update: Update, resumed: boolean): Promise<void>;
}
