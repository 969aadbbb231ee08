import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import type { Change, Outcome } from '../update/update';
import type { Check } from './check';
import type { JsonObject } from './json';
import type { MissedPatch } from './missed';
import type { ConfigSettings } from './settings';

/** One patch for one device. */
export interface PatchInput {
  readonly broker: HomieBroker;
  readonly device: string;
  /** The job that holds the lock of the device. */
  readonly job: string;
  /** The patch, as returned by `readPatch`. */
  readonly patch: JsonObject;
  readonly settings: ConfigSettings;
  /**
   * Aborted when the user cancels. Obeyed until the patch is handed to the socket; after that, nothing is sent again.
   */
  readonly cancel: AbortSignal;
  /** Aborted when the device can no longer be watched. */
  readonly abandon: AbortSignal;
  readonly report: (change: Change) => void;
  /** Called as a patch is handed to the socket: returns whether the job may send now. */
  readonly mayBegin?: () => boolean;
  /** Called when a patch is handed to the socket, so that it is too late to cancel. */
  readonly handedOver?: () => void;
  /** Awaited before each publish. From then on, the device is judged by what it does. Returns `Sender.isStored`. */
  readonly begin?: (device: Device, check: Check, done: number) => Promise<boolean>;
  /** Called if a step that was begun was not published after all, and when a change is halted between two steps. */
  readonly unsent?: () => void;
  /** Takes the outcome of a device that is watched beyond the end. A late outcome does not change the result. */
  readonly watchOn: (late: Promise<Outcome | undefined>) => void;
  /** The patch that the device missed before. */
  readonly before?: MissedPatch | undefined;
  /** Called if the device fell asleep without a sign of the patch. Omitted if nobody waits for its next wake. */
  readonly missed?: (patch: MissedPatch) => void;
}
