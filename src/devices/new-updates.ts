import type { Device } from '../homie/device';
import { imageName } from '../update/firmware-name';
import { updateAvailable, type DeviceChange } from './change';
import type { DeviceUpdates } from './device-updates';

/** Reports which updates are new, each once: whatever its jobs do, a device has the same image on offer only once. */
export class NewUpdates {
  readonly #updates: DeviceUpdates;
  /** The MD5 of the image that was last reported for a device. */
  readonly #told = new WeakMap<Device, string>();

  constructor(updates: DeviceUpdates) {
    this.#updates = updates;
  }

  /** Returns the event for an update that became available since the last call, and records it as reported. */
  take(device: Device): DeviceChange[] {
    const offer = this.#updates.offerOf(device);
    if (offer === undefined) return [];
    const { state, image } = offer;
    const isNew = this.#told.get(device) !== image.md5;
    // An update that the user went back from, or did not want, is known to the user, even when it is allowed again.
    if (state === 'up_to_date' || state === 'newer_installed') this.#told.delete(device);
    else this.#told.set(device, image.md5);
    if (state !== 'available' || !isNew) return [];
    const installed = device.fwVersion?.value;
    return [updateAvailable(device.id, { installed, image: imageName(image) })];
  }

  /** Forgets what was reported for a device. */
  forget(device: Device): void {
    this.#told.delete(device);
  }

  /** Returns whether a newer image is on offer for a device. */
  isAvailable(device: Device): boolean {
    return this.#updates.offerOf(device)?.state === 'available';
  }
}
