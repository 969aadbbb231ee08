/** The firmware that the devices of a broker are meant to run, and how far each of them is on its way to it. */
import type { Device } from '../homie/device';
import { byDevice, isFinal, type Reason, type Update } from '../update/update';
import { isOlder } from '../ota/decide';
import type { Image } from '../ota/image';
import { setNewest } from '../set-newest';

/** How many firmware names are remembered; the one that was used longest ago goes first. */
const MAX_NAMES = 1000;

/** The update of a device, in the words of zigbee2mqtt. */
export interface DeviceUpdate {
  /** `$fw/version`. */
  readonly installed_version: string | undefined;
  /** Of the last firmware that was given for its name. */
  readonly latest_version: string | undefined;
  /** `scheduled`: a job waits for the device, or for its turn. */
  readonly state: 'idle' | 'available' | 'scheduled' | 'updating';
  /** Why it is scheduled and not updating, unless only its turn has not come. */
  readonly reason?: Reason;
  /** 0 to 100, while it is updating. */
  readonly progress?: number;
  /** s, where that can be told. */
  readonly remaining?: number;
}

interface Release {
  readonly version: string | undefined;
  /** Every checksum that a device running the image may report. */
  readonly checksums: Promise<ReadonlySet<string>>;
}

/** A job that updates devices. */
interface UpdateJob {
  readonly devices: readonly Update[];
  readonly isEnded: boolean;
  /** `stopped`: it goes on only when somebody resumes it. */
  readonly halted: 'paused' | 'stopped' | undefined;
}

/** The last firmware for each name, and how far the update of each device is. */
export class Releases {
  readonly #latest = new Map<string, Release>();
  readonly #jobs: () => readonly UpdateJob[];
  #revision = 0;

  /** @param jobs returns the jobs that update devices, from old to new */
  constructor(jobs: () => readonly UpdateJob[] = () => []) {
    this.#jobs = jobs;
  }

  /** Another one whenever a firmware was given. */
  get revision(): number {
    return this.#revision;
  }

  /** Notes the latest firmware for devices that run this firmware name. The image itself is not kept. */
  give(firmware: Image): void {
    const { name, version, md5 } = firmware.info;
    if (name === undefined) return;
    const checksums = firmware.alternativeChecksums().then((others) => new Set([md5, ...others]));
    setNewest(this.#latest, name, { version, checksums }, MAX_NAMES);
    this.#revision += 1;
  }

  /**
   * What is to be said of devices: their updates by id. A device is not in it when no firmware of its name was given, or
   * what it runs is not known.
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

  /** How far each device is in the last job that has it, also where that has ended; what runs comes before what waits. */
  lastUpdates(): ReadonlyMap<string, Update> {
    const last = new Map<string, Update>();
    for (const update of this.#jobs().flatMap(({ devices }) => devices)) {
      const other = last.get(update.device);
      const isBehind = other !== undefined && isFinal(update.state) && update.startedAt < other.startedAt;
      if (other?.state !== 'running' && !isBehind) last.set(update.device, update);
    }
    return last;
  }

  /** Whether a job has not ended. */
  get isBusy(): boolean {
    return this.#jobs().some(({ isEnded }) => !isEnded);
  }

  /** What open jobs have to do with each device; what waits for somebody to let a stopped job go on does not count. */
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
