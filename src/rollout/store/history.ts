import { Aliases } from '../../homie/aliases';
import { MAX_DEVICES } from '../../homie/device';
import { setNewest } from '../../set-newest';
import type { Update } from '../../update/update';
import {
  heldBack,
  isHeld,
  isImage,
  isRemembered,
  isStop,
  type DeviceHistory,
  type Held,
  type ImageRecord,
  type ImageStop,
  type Remembered,
} from './history-record';

/** Limits of the history. Beyond them, what was used longest ago is forgotten first. */
const MAX_IMAGES = 20;
const MAX_STOPS = 100;
const MAX_SCOPES = 100;
const MAX_DEVICES_WITH_RESULTS = 1000;
const MAX_RESULTS = 5;

const nothing: ImageRecord = { transfers: 0, had: false };

/**
 * Remembers devices and images beyond a job, so that no device is flashed over and over. A device is identified by
 * broker, base topic and id, an image by its MD5. A stop applies to all devices of a scope (broker and base topic).
 * Stops and failures that hold an image back also count under another host of the broker. Memory is bounded.
 */
export class History {
  readonly #images = new Map<string, Map<string, ImageRecord>>();
  readonly #results = new Map<string, readonly Remembered[]>();
  /** By scope. */
  readonly #stops = new Map<string, Map<string, ImageStop>>();
  readonly #aliases = new Aliases();
  readonly #write: (device: string, record: DeviceHistory | undefined) => Promise<void>;

  /**
   * @param write stores the record of a device (or scope); undefined removes it. Resolves when that is done. It must
   *   not reject
   */
  constructor(write: (device: string, record: DeviceHistory | undefined) => Promise<void> = async () => undefined) {
    this.#write = write;
  }

  /** Restores the stored record of a device. Ignores invalid parts. */
  restore(device: string, record: unknown): void {
    const { images, results, stops }: Partial<Record<keyof DeviceHistory, unknown>> = Object(record);
    this.#aliases.note(device);
    if (Array.isArray(images)) this.#images.set(device, new Map(images.filter(isImage)));
    if (Array.isArray(results)) this.#results.set(device, results.filter(isRemembered));
    if (Array.isArray(stops)) this.#stops.set(device, new Map(stops.filter(isStop)));
  }

  /** Returns whether anything is remembered of a device. */
  knows(device: string): boolean {
    return this.#images.has(device) || this.#results.has(device);
  }

  /** Returns what is remembered of the images that were sent to a device or seen on it. */
  imagesOf(device: string): readonly (readonly [md5: string, ImageRecord])[] {
    return [...(this.#images.get(device) ?? [])];
  }

  /** Returns how many more transfers of an image to a device may be started. */
  mayTransfer(device: string, md5: string, attempts: number): number {
    return Math.max(0, attempts - this.#of(device, md5).transfers);
  }

  /**
   * Returns why an image is held back from a device until the user allows it again; undefined when it may be sent.
   *
   * @param asked whether the user requested the device: only then may an image return that was replaced on purpose
   */
  heldBecause(device: string, md5: string, attempts: number, asked = true): Held | undefined {
    const { held, replaced } = this.#of(device, md5);
    if (held !== undefined) return held;
    const all = this.#aliases.of(device).map((each) => this.#of(each, md5).held);
    const elsewhere = all.find((each) => heldBack.has(each));
    if (elsewhere !== undefined) return elsewhere;
    if (replaced === true && !asked) return 'REPLACED';
    return this.mayTransfer(device, md5, attempts) > 0 ? undefined : 'ATTEMPTS';
  }

  /**
   * Counts a transfer that is about to start. Resolves when that is stored. Nothing must be sent before, unless it is
   * stored that something may have been sent: if the process is killed, the next transfer then waits for the count.
   */
  begun(device: string, md5: string): Promise<void> {
    const known = this.#of(device, md5);
    return this.#set(device, md5, { ...known, transfers: known.transfers + 1 });
  }

  /** Takes back the count of a transfer that was not sent after all. */
  notSent(device: string, md5: string): void {
    const known = this.#of(device, md5);
    void this.#set(device, md5, { ...known, transfers: Math.max(0, known.transfers - 1) });
  }

  /** Remembers a result as `remember` does, and what it means for the image. */
  async ended(device: string, md5: string, update: Remembered, resumed = false): Promise<void> {
    await Promise.all([this.#learn(device, md5, update), this.remember(device, update, resumed)]);
  }

  async #learn(device: string, md5: string, { state, error }: Remembered): Promise<void> {
    if (state === 'succeeded') {
      for (const [other, { had, held }] of new Map(this.#images.get(device))) {
        // An image that failed on the device stays held back, whatever the device runs now.
        if (had && other !== md5 && !heldBack.has(held)) void this.#set(device, other, { ...nothing, replaced: true });
      }
      await this.#ran(device, md5);
    } else if (state === 'failed' && isHeld(error?.code)) {
      await this.#set(device, md5, { ...this.#of(device, md5), held: error.code });
    }
  }

  /**
   * Records whether an available device runs an image. If it ran the image and now runs another, holds the image back.
   */
  shows(device: string, md5: string, runs: boolean): void {
    const known = this.#of(device, md5);
    if (runs) void this.#ran(device, md5);
    else if (known.had && known.held === undefined) void this.#set(device, md5, { ...known, held: 'REPLACED' });
  }

  /** Allows an image to be sent to a device again, because the user wants it. */
  allowAgain(device: string, md5: string): void {
    this.#forget(this.#images, this.#aliases.of(device), md5);
  }

  /**
   * Records that failures stopped a rollout of an image: no other device gets it until the user allows it. Resolves when
   * that is stored.
   */
  async stop(scope: string, md5: string): Promise<void> {
    if (this.stopOf(scope, md5) !== undefined) return;
    const stops = this.#stops.get(scope) ?? new Map<string, ImageStop>();
    setNewest(stops, md5, { at: new Date().toISOString() }, MAX_STOPS);
    const forgotten = setNewest(this.#stops, scope, stops, MAX_SCOPES)?.[0];
    await this.#changed(scope, forgotten);
  }

  /** Returns the stop of an image in a scope, if there is one. */
  stopOf(scope: string, md5: string): ImageStop | undefined {
    return this.#aliases.of(scope).flatMap((each) => this.#stops.get(each)?.get(md5) ?? [])[0];
  }

  /** Allows an image for other devices again. */
  endStop(scope: string, md5: string): void {
    this.#forget(this.#stops, this.#aliases.of(scope), md5);
  }

  /** Returns the last results of a device, oldest first. */
  lastResults(device: string): readonly Remembered[] {
    return this.#results.get(device) ?? [];
  }

  /**
   * Returns the last results of the devices of a broker, newest first.
   *
   * @param scope broker and base topic, with which the names of its devices start
   * @param fits selects the results to return
   */
  recent(scope: string, fits: (result: Remembered) => boolean): Remembered[] {
    const found = [...this.#results].flatMap(([device, results]) => {
      // The base topic of another scope may start with this one.
      const isOfBroker = device.startsWith(scope) && !device.slice(scope.length).includes('/');
      return isOfBroker ? results.filter(fits) : [];
    });
    // A stable sort from old to new, then reversed: so results that ended at the same time are also newest first.
    return found.sort((a, b) => endOf(a) - endOf(b)).toReversed();
  }

  /**
   * Remembers the result of a device. Resolves when it is stored. A skip replaces an equal skip before it: a device
   * that is up to date every night must not push out the result of its update. A late result replaces the last result
   * of its job, unless that is forgotten.
   *
   * @param resumed whether to replace the last result if it is from the same job, since it may not have been reported
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

  /** Records that an image ran on a device: whatever held it back no longer counts. */
  #ran(device: string, md5: string): Promise<void> {
    this.#forget(this.#images, this.#aliases.of(device).slice(1), md5);
    return this.#set(device, md5, { ...nothing, had: true });
  }

  #forget(records: ReadonlyMap<string, Map<string, unknown>>, keys: readonly string[], md5: string): void {
    for (const each of keys) if (records.get(each)?.delete(md5) === true) void this.#changed(each);
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
        if (device === undefined) return;
        this.#aliases.note(device);
        await this.#write(device, this.#record(device));
      }),
    );
  }

  #record(device: string): DeviceHistory | undefined {
    const images = this.imagesOf(device);
    const results = this.lastResults(device);
    const stops = [...(this.#stops.get(device) ?? [])];
    if (images.length + results.length + stops.length === 0) return undefined;
    return { images, results, ...(stops.length > 0 && { stops }) };
  }
}

/** Returns when a device ended, in ms since 1970. */
export function endOf({ startedAt, duration }: Remembered): number {
  return Date.parse(startedAt) + duration;
}

function isSameSkip(a: Remembered, b: Remembered): boolean {
  return a.state === 'skipped' && b.state === 'skipped' && a.reason === b.reason && a.to?.checksum === b.to?.checksum;
}
