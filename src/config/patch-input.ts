import type { Device } from '../homie/device';
import type { Serving } from '../homie/serving';
import type { Check } from './check';
import type { JsonObject } from './json';
import type { MissedPatch } from './missed';
import type { ConfigSettings } from './settings';

/** One patch for one device. */
export interface PatchInput extends Serving<[device: Device, check: Check, done: number]> {
  /** The patch, as returned by `readPatch`. */
  readonly patch: JsonObject;
  readonly settings: ConfigSettings;
  /** The patch that the device missed before. */
  readonly before: MissedPatch | undefined;
  /** Called if the device fell asleep without a sign of the patch. */
  readonly missed: (patch: MissedPatch) => void;
}
