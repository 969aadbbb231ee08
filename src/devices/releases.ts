/** The latest image for each firmware name, and the progress of each device toward it. */
import type { Device } from '../homie/device';
import { byDevice, isFinal, type Reason, type Update } from '../update/update';
import { isOlder } from '../ota/decide';
import type { Image } from '../ota/image';
import { setNewest } from '../set-newest';

/** Maximum number of firmware names; beyond it, the one given longest ago is forgotten. */
const MAX_NAMES = 1000;

/** The update of a device, in the words of zigbee2mqtt. */
export interface DeviceUpdate {
  /** `$fw/version`. */
  readonly installed_version: string | undefined;
  /** The version of the latest image that was given for the firmware name. */
  readonly latest_version: string | undefined;
  /** `scheduled`: a job waits for the device or for a free slot. */
  readonly state: 'idle' | 'available' | 'scheduled' | 'updating';
  /** Why the device is scheduled; missing when it waits only for a free slot. */
  readonly reason?: Reason;
  /** Percent, 0 to 100, while the state is `updating`. */
  readonly progress?: number;
  /** s until the end of the transfer, if known. */
  readonly remaining?: number;
}

interface Release {
  readonly version: string | undefined;
  /** Each MD5 that a device running the image may report, since the updater may replace the flash mode byte. */
  readonly checksums: Promise<ReadonlySet<string>>;
}

/** A job that updates devices. */
interface UpdateJob {
  readonly devices: readonly Update[];
  readonly isEnded: boolean;
  /** `stopped`: the job continues only when the user resumes it. */
  readonly halted: 'paused' | 'stopped' | undefined;
}

/** The latest image for each firmware name, and the progress of each device. */
export class Releases {
  readonly #latest = new Map<string, Release>();
  readonly #jobs: () => readonly UpdateJob[];
  #revision = 0;

  /** @param jobs returns the jobs that update devices, from old to new */
  constructor(jobs: () => readonly UpdateJob[] = () => []) {
    this.#jobs = jobs;
  }

  /** Changes each time an image is given. */
  get revision(): number {
    return this.#revision;
  }

  /** Records an image as the latest for its firmware name. Does not keep the image itself. */
  give(firmware: Image): void {
    const { name, version, md5 } = firmware.info;
    if (name === undefined) return;
    const checksums = firmware.alternativeChecksums().then((others) => new Set([md5, ...others]));
    setNewest(this.#latest, name, { version, checksums }, MAX_NAMES);
    this.#revision += 1;
  }

  /**
   * Returns the update of each device, by id. Leaves out devices for whose firmware name no image was given, and those
   * that have no open job and whose running image is unknown.
   */
  async updates(devices: readonly Device[]): Promise<ReadonlyMap<string, DeviceUpdate>> {
    const jobs = this.#openJobs();
    const updates = new Map<string, DeviceUpdate>();
    for (const device of devices) {
      const latest = this.#latest.get(device.fwName?.value ?? '');
      if (latest === undefined) continue;
      const where = whereIs(jobs.get(device.id)) ?? (await whatRuns(device, latest));
      if (where === undefined) continue;
      const [installed_version, latest_version] = [device.fwVersion?.value, latest.version];
      updates.set(device.id, { installed_version, latest_version, ...where });
    }
    return updates;
  }

  /**
   * Returns the update of each device in the last job that has it, even if that job has ended. A running update takes
   * precedence over all others.
   */
  lastUpdates(): ReadonlyMap<string, Update> {
    const last = new Map<string, Update>();
    for (const update of this.#jobs().flatMap(({ devices }) => devices)) {
      const other = last.get(update.device);
      const isBehind = other !== undefined && isFinal(update.state) && update.startedAt < other.startedAt;
      if (other?.state !== 'running' && !isBehind) last.set(update.device, update);
    }
    return last;
  }

  /** Whether any job is still open. */
  get isBusy(): boolean {
    return this.#jobs().some(({ isEnded }) => !isEnded);
  }

  /** Returns the update of each device in open jobs, except devices that wait for the user to resume a stopped job. */
  #openJobs(): Map<string, Update> {
    const open = this.#jobs().filter(({ isEnded }) => !isEnded);
    return byDevice(
      open.flatMap(({ devices, halted }) =>
        devices.filter(({ state }) => state === 'running' || (!isFinal(state) && halted !== 'stopped')),
      ),
    );
  }
}

type Where = Pick<DeviceUpdate, 'state' | 'reason' | 'progress' | 'remaining'>;

function whereIs(update: Update | undefined): Where | undefined {
  if (update === undefined) return undefined;
  const { state, reason, progress, remaining } = update;
  if (state !== 'running') return { state: 'scheduled', ...(reason !== undefined && { reason }) };
  return { state: 'updating', progress, ...(remaining !== undefined && { remaining }) };
}

async function whatRuns({ checksum, fwVersion }: Device, { version, checksums }: Release): Promise<Where | undefined> {
  if (checksum === undefined) return undefined;
  const isLatest = (await checksums).has(checksum.value);
  const isBeyond = fwVersion !== undefined && isOlder(version, fwVersion.value);
  return { state: isLatest || isBeyond ? 'idle' : 'available' };
}
