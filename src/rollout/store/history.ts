import { setNewest } from '../../set-newest';
import { type Update } from '../../update/update';
import type { DeviceHistory, Held, ImageRecord, ImageStop, Remembered } from './history-record';
import { heldBack, isHeld, isImage, isRemembered, isStop } from './history-record';

/** How much is remembered; what was used longest ago goes first. */
const MAX_DEVICES = 20_000;
const MAX_IMAGES = 20;
const MAX_STOPS = 100;
const MAX_SCOPES = 100;
const MAX_DEVICES_WITH_RESULTS = 1000;
const MAX_RESULTS = 5;

const nothing: ImageRecord = { transfers: 0, had: false };

/**
 * What is remembered of devices and images beyond a job, so that no device is flashed over and over. Devices are named by
 * broker, base topic and id, images by their MD5; a stop is for all devices of a broker and base topic. Memory is bounded.
 */
export class History {
  readonly #images = new Map<string, Map<string, ImageRecord>>();
  readonly #results = new Map<string, readonly Remembered[]>();
  /** By what the ids of devices are unique in. */
  readonly #stops = new Map<string, Map<string, ImageStop>>();
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
    const { images, results, stops }: Partial<Record<keyof DeviceHistory, unknown>> = Object(record);
    if (Array.isArray(images)) this.#images.set(device, new Map(images.filter(isImage)));
    if (Array.isArray(results)) this.#results.set(device, results.filter(isRemembered));
    if (Array.isArray(stops)) this.#stops.set(device, new Map(stops.filter(isStop)));
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
  async ended(device: string, md5: string, update: Remembered, resumed = false): Promise<void> {
    await Promise.all([this.#learn(device, md5, update), this.remember(device, update, resumed)]);
  }

  async #learn(device: string, md5: string, { state, error }: Remembered): Promise<void> {
    if (state === 'succeeded') {
      for (const [other, { had, held }] of new Map(this.#images.get(device))) {
        // What does not run there stays held, whatever runs there now.
        if (had && other !== md5 && !heldBack.has(held)) void this.#set(device, other, { ...nothing, replaced: true });
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

  /** A rollout of an image was stopped by failures: it goes to no other device unless somebody says so. */
  stop(scope: string, md5: string): void {
    if (this.stopOf(scope, md5) !== undefined) return;
    const stops = this.#stops.get(scope) ?? new Map<string, ImageStop>();
    setNewest(stops, md5, { at: new Date().toISOString() }, MAX_STOPS);
    const forgotten = setNewest(this.#stops, scope, stops, MAX_SCOPES)?.[0];
    void this.#changed(scope, forgotten);
  }

  /** Since when the image goes to no other device. */
  stopOf(scope: string, md5: string): ImageStop | undefined {
    return this.#stops.get(scope)?.get(md5);
  }

  /** The image may go to other devices again. */
  endStop(scope: string, md5: string): void {
    if (this.#stops.get(scope)?.delete(md5) === true) void this.#changed(scope);
  }

  /** The last results of a device, from old to new. */
  lastResults(device: string): readonly Remembered[] {
    return this.#results.get(device) ?? [];
  }

  /**
   * Returns how the devices of a broker have ended lately, from new to old.
   *
   * @param scope what the names of its devices begin with
   * @param fits which results are asked for
   */
  recent(scope: string, fits: (result: Remembered) => boolean): Remembered[] {
    const found = [...this.#results].flatMap(([device, results]) => {
      // A base topic may be within another one.
      const isOfBroker = device.startsWith(scope) && !device.slice(scope.length).includes('/');
      return isOfBroker ? results.filter(fits) : [];
    });
    // What has ended at the same time stays in its order, from old to new, until it is turned round.
    return found.sort((a, b) => endOf(a) - endOf(b)).toReversed();
  }

  /**
   * Remembers how a device has ended. Resolves when that is written down. A skip takes the place of the same one before it:
   * what was up to date every night must not push out how it was updated. A late result takes the place of the last result of
   * its job, unless that is forgotten.
   *
   * @param resumed takes the place of the last result of the same job, which nobody was told
   */
  async remember(device: string, update: Remembered & Pick<Update, 'config'>, resumed = false): Promise<void> {
    const { config: _config, ...result } = update;
    const known = this.lastResults(device);
    const last = known.at(-1);
    const ofJob = known.findLastIndex(({ job }) => job === result.job);
    if (result.late === true && ofJob < 0) return;
    const isTaken = (resumed && last?.job === result.job) || (last !== undefined && isSameSkip(last, result));
    const results =
      result.late === true
        ? known.with(ofJob, result)
        : [...(isTaken ? known.slice(0, -1) : known), result].slice(-MAX_RESULTS);
    const forgotten = setNewest(this.#results, device, results, MAX_DEVICES_WITH_RESULTS)?.[0];
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
    setNewest(images, md5, record, MAX_IMAGES);
    const forgotten = setNewest(this.#images, device, images, MAX_DEVICES)?.[0];
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
    const stops = [...(this.#stops.get(device) ?? [])];
    if (images.length + results.length + stops.length === 0) return undefined;
    return { images, results, ...(stops.length > 0 && { stops }) };
  }
}

/** When a device has ended, in ms since 1970. */
export function endOf({ startedAt, duration }: Remembered): number {
  return Date.parse(startedAt) + duration;
}

function isSameSkip(a: Remembered, b: Remembered): boolean {
  return a.state === 'skipped' && b.state === 'skipped' && a.reason === b.reason && a.to?.checksum === b.to?.checksum;
}
