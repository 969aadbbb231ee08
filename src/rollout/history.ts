import { isState, type Update } from '../homie/update';

/** Why an image is not sent again to a device. */
export type Held = 'OLD_FIRMWARE' | 'OTHER_FIRMWARE' | 'NOT_BACK' | 'ATTEMPTS' | 'REPLACED';

/** What is known of one image on one device. */
interface ImageRecord {
  /** Begun since the device last ran it, or since the user last allowed it. */
  readonly transfers: number;
  /** The device was seen to run it. */
  readonly had: boolean;
  readonly held?: Exclude<Held, 'ATTEMPTS'>;
  /** The device had it, until another one was brought on purpose. */
  readonly replaced?: true;
}

/** What is remembered of a device as plain data, for a file. */
export interface DeviceHistory {
  readonly images: readonly (readonly [md5: string, ImageRecord])[];
  readonly results: readonly Update[];
}

/** How much is remembered; what was used longest ago goes first. */
const MAX_DEVICES = 20_000;
const MAX_IMAGES = 20;
const MAX_DEVICES_WITH_RESULTS = 1000;
const MAX_RESULTS = 5;

const nothing: ImageRecord = { transfers: 0, had: false };

/** Failures after which an image is not sent again: it does not run there, or does harm. */
const final: ReadonlySet<string | undefined> = new Set<Held>(['OLD_FIRMWARE', 'OTHER_FIRMWARE', 'NOT_BACK']);

/**
 * What is remembered of devices and images beyond a job, so that no device is flashed over and over. Devices are named by
 * broker, base topic and id, images by their MD5. Memory is bounded.
 */
export class History {
  readonly #images = new Map<string, Map<string, ImageRecord>>();
  readonly #results = new Map<string, readonly Update[]>();
  readonly #write: (device: string, record: DeviceHistory | undefined) => Promise<void>;

  /**
   * @param write called with what is to be written down of a device, undefined when that is nothing; resolves when it is
   * written. It must not reject
   */
  constructor(write: (device: string, record: DeviceHistory | undefined) => Promise<void> = async () => undefined) {
    this.#write = write;
  }

  /** Takes in what was written down of a device; what is none is left out. */
  restore(device: string, record: unknown): void {
    const { images, results }: { images?: unknown; results?: unknown } = Object(record);
    if (Array.isArray(images)) this.#images.set(device, new Map(images.filter(isImage)));
    if (Array.isArray(results)) this.#results.set(device, results.filter(isUpdate));
  }

  /** Whether anything is remembered of a device. */
  knows(device: string): boolean {
    return this.#images.has(device) || this.#results.has(device);
  }

  /** How many more transfers of the image may be begun. */
  mayTransfer(device: string, md5: string, attempts: number): number {
    return Math.max(0, attempts - this.#of(device, md5).transfers);
  }

  /**
   * Why the image is not sent to the device unless the user allows it again.
   *
   * @param asked whether the user asked for the device: only then may an image come back that was replaced on purpose
   */
  heldBecause(device: string, md5: string, attempts: number, asked = true): Held | undefined {
    const { held, replaced } = this.#of(device, md5);
    if (held !== undefined) return held;
    if (replaced === true && !asked) return 'REPLACED';
    return this.mayTransfer(device, md5, attempts) > 0 ? undefined : 'ATTEMPTS';
  }

  /** A transfer is about to begin. Resolves when that is written down: only then is it to be sent. */
  begun(device: string, md5: string): Promise<void> {
    const known = this.#of(device, md5);
    return this.#set(device, md5, { ...known, transfers: known.transfers + 1 });
  }

  /** What was begun was not sent after all. */
  notSent(device: string, md5: string): void {
    const known = this.#of(device, md5);
    void this.#set(device, md5, { ...known, transfers: Math.max(0, known.transfers - 1) });
  }

  /** A job has ended with a device: remembers the result, as `remember` does, and what it means for the image. */
  async ended(device: string, md5: string, update: Update, resumed = false): Promise<void> {
    await Promise.all([this.#learn(device, md5, update), this.remember(device, update, resumed)]);
  }

  async #learn(device: string, md5: string, { state, error }: Update): Promise<void> {
    if (state === 'succeeded') {
      for (const [other, { had, held }] of new Map(this.#images.get(device))) {
        // What does not run there stays held, whatever runs there now.
        if (had && other !== md5 && !final.has(held)) void this.#set(device, other, { ...nothing, replaced: true });
      }
      await this.#set(device, md5, { ...nothing, had: true });
    } else if (state === 'failed' && isHeld(error?.code)) {
      await this.#set(device, md5, { ...this.#of(device, md5), held: error.code });
    }
  }

  /** A device that is there shows whether it runs the image. One that had it, and runs another one now, is held. */
  shows(device: string, md5: string, runs: boolean): void {
    const known = this.#of(device, md5);
    if (runs) void this.#set(device, md5, { ...nothing, had: true });
    else if (known.had && known.held === undefined) void this.#set(device, md5, { ...known, held: 'REPLACED' });
  }

  /** The user wants the image to be sent again. */
  allowAgain(device: string, md5: string): void {
    if (this.#images.get(device)?.delete(md5) === true) void this.#changed(device);
  }

  /** The last results of a device, from old to new. */
  lastResults(device: string): readonly Update[] {
    return this.#results.get(device) ?? [];
  }

  /**
   * Remembers how a device has ended. Resolves when that is written down.
   *
   * @param resumed takes the place of the last result of the same job, which nobody was told
   */
  async remember(device: string, update: Update, resumed = false): Promise<void> {
    const known = this.lastResults(device);
    const before = resumed && known.at(-1)?.job === update.job ? known.slice(0, -1) : known;
    const results = [...before, update].slice(-MAX_RESULTS);
    const forgotten = renew(this.#results, device, results, MAX_DEVICES_WITH_RESULTS);
    await this.#changed(device, forgotten);
  }

  #of(device: string, md5: string): ImageRecord {
    return this.#images.get(device)?.get(md5) ?? nothing;
  }

  async #set(device: string, md5: string, record: ImageRecord): Promise<void> {
    const known = this.#of(device, md5);
    const isKnown = record.transfers === known.transfers && record.had === known.had && record.held === known.held;
    if (isKnown && record.replaced === known.replaced) return;
    const images = this.#images.get(device) ?? new Map<string, ImageRecord>();
    renew(images, md5, record, MAX_IMAGES);
    const forgotten = renew(this.#images, device, images, MAX_DEVICES);
    await this.#changed(device, forgotten);
  }

  async #changed(...devices: readonly (string | undefined)[]): Promise<void> {
    await Promise.all(
      devices.map(async (device) => {
        if (device !== undefined) await this.#write(device, this.#record(device));
      }),
    );
  }

  #record(device: string): DeviceHistory | undefined {
    const images = [...(this.#images.get(device) ?? [])];
    const results = this.lastResults(device);
    return images.length === 0 && results.length === 0 ? undefined : { images, results };
  }
}

function isHeld(code: string | undefined): code is Exclude<Held, 'ATTEMPTS' | 'REPLACED'> {
  return final.has(code);
}

/** Sets what is the last one to be forgotten then. @returns the key that was forgotten for it */
function renew<Value>(map: Map<string, Value>, key: string, value: Value, limit: number): string | undefined {
  map.delete(key);
  map.set(key, value);
  if (map.size <= limit) return undefined;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
  return oldest;
}

function isImage(value: unknown): value is [string, ImageRecord] {
  if (!Array.isArray(value) || typeof value[0] !== 'string') return false;
  const { transfers, had, held, replaced }: Partial<Record<keyof ImageRecord, unknown>> = Object(value[1]);
  return (
    Number.isSafeInteger(transfers) &&
    Number(transfers) >= 0 &&
    typeof had === 'boolean' &&
    (held === undefined || held === 'REPLACED' || (typeof held === 'string' && isHeld(held))) &&
    (replaced === undefined || replaced === true)
  );
}

function isUpdate(value: unknown): value is Update {
  const { device, state }: { device?: unknown; state?: unknown } = Object(value);
  return typeof device === 'string' && isState(state);
}
