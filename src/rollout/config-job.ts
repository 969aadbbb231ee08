import { bringPatch } from '../config/exchange';
import type { JsonObject } from '../config/json';
import type { ConfigSettings } from '../config/settings';
import type { HomieBroker } from '../homie/broker';
import { selectDevices } from '../homie/select';
import { Job } from './job';

/**
 * One patch for some devices. `run` rejects with NO_DEVICE or INVALID_DEVICE_ID.
 *
 * When it has run, keep it and call `abandon` on closing, until `afterwards` resolves: a device that did not reboot in
 * time is watched on, and what becomes of it comes as a `progress` marked `late`.
 */
export class ConfigJob extends Job {
  /** @param patch as `readPatch` gives it: a copy that nobody changes any more */
  constructor(broker: HomieBroker, patch: JsonObject, devices: readonly string[], settings: ConfigSettings) {
    super(broker.locks, {
      devices,
      initial: { total: 0 },
      select: (signal) => selectDevices(broker, { devices }, undefined, signal),
      exchange: (device, hooks) => bringPatch({ broker, device, patch, settings, ...hooks }),
    });
  }
}
