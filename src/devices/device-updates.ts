/** The updates of the devices of a broker: offers, and updates in progress. */
import { EventEmitter } from 'node:events';
import type { Device } from '../homie/device';
import type { DeviceLocks } from '../homie/lock';
import { isOlder } from '../firmware/version';
import type { Library } from '../library/library';
import { isRunBy, type StoredImage } from '../library/stored-image';
import { byDevice, type Reason, type Update } from '../update/update';
import { isUnderWay, lastUpdates, type DeviceJob, type DeviceJobUpdate } from './job-updates';

/** How the image on offer for a device relates to what the device runs. */
type OfferState = 'up_to_date' | 'available' | 'newer_installed' | 'held' | 'excluded';

/** The image on offer for a device. */
interface OfferOfDevice {
  readonly image: StoredImage;
  readonly state: OfferState;
}

/** What is on offer for a device, and how far its update is. */
export interface DeviceUpdate {
  /** `$fw/version`. */
  readonly installed: string | undefined;
  /** The version of the image on offer for the device. */
  readonly offered: string | undefined;
  /**
   * `newer_installed`: the device runs a higher version than the one on offer; `held`: the image on
   * offer is held back from it; `excluded`: a newer image is on offer, but the user has excluded the device; `scheduled`: a job waits for the device, or for its turn.
   */
  readonly state: OfferState | 'scheduled' | 'updating';
  /** Why the update waits, unless it waits only for a free slot. */
  readonly reason?: Reason;
  /** 0 to 100, while it is updating. */
  readonly progress?: number;
  /** Remaining time in s, if it is known. */
  readonly remaining?: number;
}

interface DeviceUpdatesInput {
  readonly library: () => Library;
  /** Returns whether an image is held back from a device, whatever the settings of an update. */
  readonly isHeld: (device: string, md5: string) => boolean;
  /** Where the ids of the devices are unique. */
  readonly locks: Pick<DeviceLocks, 'scope' | 'keyOf'>;
  /** The jobs of the broker, from old to new. */
  readonly jobs: () => readonly DeviceJob[];
}

/**
 * What is on offer for each device of a broker, and how far its update is. Emits `succeeded` when a job has proven that
 * a device runs its image, also when that was shown only after the job had ended. Emits `changed` when a job has
 * changed, with the ids of the devices that it shows otherwise than before.
 */
export class DeviceUpdates extends EventEmitter<{ succeeded: [Update]; changed: [devices: readonly string[]] }> {
  readonly #input: DeviceUpdatesInput;

  constructor(input: DeviceUpdatesInput) {
    super();
    this.setMaxListeners(0);
    this.#input = input;
  }

  /** The firmware on offer. */
  get library(): Library {
    return this.#input.library();
  }

  /**
   * Returns the image on offer for a device, whatever jobs do; undefined if there is none, or nothing shows what runs.
   */
  offerOf(device: Device): OfferOfDevice | undefined {
    const { id, checksum, fwVersion } = device;
    const choice = this.library.offerFor(this.#input.locks.scope, device);
    if ('error' in choice || checksum === undefined) return undefined;
    const { image } = choice;
    if (isRunBy(image, checksum.value)) return { image, state: 'up_to_date' };
    if (isOlder(image.version, fwVersion?.value)) return { image, state: 'newer_installed' };
    if (this.#input.isHeld(id, image.md5)) return { image, state: 'held' };
    return { image, state: this.isExcluded(id) ? 'excluded' : 'available' };
  }

  /** Returns whether the user has excluded a device from updates. */
  isExcluded(device: string): boolean {
    return this.library.isExcluded(this.#input.locks.keyOf(device));
  }

  /** Returns whether there is an image to which a device can be rolled back. */
  canRollBack(device: Device): boolean {
    return 'image' in this.library.choose('previous', this.#input.locks.scope, device);
  }

  /** Returns the id of a device by the key under which the library knows it; undefined if it belongs to another broker. */
  idOf(key: string): string | undefined {
    const { scope } = this.#input.locks;
    return key.startsWith(scope) ? key.slice(scope.length) : undefined;
  }

  /** Returns the updates by device id, without devices for which nothing is on offer and that no job has. */
  of(devices: readonly Device[]): ReadonlyMap<string, DeviceUpdate> {
    const jobs = this.#openJobs();
    const updates = new Map<string, DeviceUpdate>();
    for (const device of devices) {
      const job = jobs.get(device.id);
      const offer = this.offerOf(device);
      const where = whereIs(job) ?? (offer && { state: offer.state });
      if (where === undefined) continue;
      const offered = job?.to?.version ?? offer?.image.version;
      updates.set(device.id, { installed: device.fwVersion?.value, offered, ...where });
    }
    return updates;
  }

  /** Returns the last update or configuration change of each of these devices: see `lastUpdates`. */
  lastUpdates(ids: ReadonlySet<string>): ReadonlyMap<string, DeviceJobUpdate> {
    return lastUpdates(this.#input.jobs(), ids);
  }

  /** Returns the update of each device in an open job, without devices that wait in a stopped job. */
  #openJobs(): Map<string, Update> {
    const open = this.#input.jobs().filter(({ change, isEnded }) => change === 'firmware' && !isEnded);
    const all = open.flatMap((job) => [...job.ids].map((id) => ({ job, update: job.updateOf(id) })));
    return byDevice(all.flatMap(({ job, update }) => (update && isUnderWay({ job, update }) ? [update] : [])));
  }
}

type Where = Pick<DeviceUpdate, 'state' | 'reason' | 'progress' | 'remaining'>;

function whereIs(update: Update | undefined): Where | undefined {
  if (update === undefined) return undefined;
  const { state, reason, progress, remaining } = update;
  if (state !== 'running') return { state: 'scheduled', ...(reason !== undefined && { reason }) };
  return { state: 'updating', progress, ...(remaining !== undefined && { remaining }) };
}
