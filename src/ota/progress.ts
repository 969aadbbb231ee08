import type { Progress } from '../update/update';

/** Assumed until the device has shown its own pace: 20 kB/s. */
const ASSUMED_PACE = 20;

/** More is not shown before the device says that it has flashed, or reboots. */
const MOST = 95;

/** A device reports every 100 TCP segments, of 1460 bytes at most (homie-esp8266 BootNormal.cpp `__handleOTAUpdates`). */
const REPORTED_EVERY = 146_000;

/** More than this a device does not receive without an acknowledgement, in bytes: more than lwIP's windows. */
const RECEIVE_WINDOW = 16_384;

/** How long a device may be silent beyond that before it counts as silent, in ms. */
const PATIENCE = 5_000;

/**
 * Progress of one transfer. A device reports it every 100 TCP segments only, that is every 54 to 147 kB
 * (homie-esp8266 BootNormal.cpp `__handleOTAUpdates`), so between reports it is estimated from the measured pace.
 */
export class ProgressMeter {
  readonly #total: number;
  #written = 0;
  #at: number;
  /** Bytes per ms. */
  #pace = ASSUMED_PACE;
  #measuredFrom: { written: number; at: number } | undefined;
  #percent = 0;

  /** @param total bytes of the image; @param now ms, when the transfer began */
  constructor(total: number, now: number) {
    this.#total = total;
    this.#at = now;
  }

  /** The device has begun to write, at `now` (ms). */
  begin(now: number): void {
    this.#at = now;
    this.#measuredFrom ??= { written: 0, at: now };
  }

  /** The device reports `written` bytes at `now` (ms). */
  report(written: number, now: number): Progress {
    this.#written = Math.min(Math.max(written, this.#written), this.#total);
    this.#at = now;
    const from = this.#measuredFrom;
    if (from !== undefined && now > from.at && written > from.written) {
      this.#pace = (written - from.written) / (now - from.at);
    }
    this.#measuredFrom ??= { written, at: now };
    return this.#progress(this.#written, false);
  }

  /** What is probable at `now` (ms). */
  estimate(now: number): Progress {
    const written = this.#measuredFrom === undefined ? 0 : this.#written + (now - this.#at) * this.#pace;
    return this.#progress(Math.min(Math.round(written), this.#total), true);
  }

  /** Whether at `now` (ms) the device has been silent for much longer than the rest should take. */
  isOverdue(now: number): boolean {
    return now - this.#at > PATIENCE + (2 * (this.#total - this.#written)) / this.#pace;
  }

  /**
   * How much of the image a device had reported that was lost, in percent; undefined where it may have had all
   * of it by then. To be asked only where our own connection stood all the time.
   *
   * It cannot have had all when another 206 was due before the end: then this one would have been lost as well as the 200,
   * and a device whose statuses get no further soon gets nothing either, since its acknowledgements get no further. Its pace
   * until then proves nothing: what was held up may come all at once.
   */
  partial(): number | undefined {
    const missed = this.#written + REPORTED_EVERY + RECEIVE_WINDOW < this.#total;
    return missed ? Math.round((this.#written / this.#total) * 100) : undefined;
  }

  #progress(written: number, estimated: boolean): Progress {
    this.#percent = Math.max(this.#percent, Math.min(MOST, Math.round((written / this.#total) * 1000) / 10));
    return {
      written,
      estimated,
      percent: this.#percent,
      remaining: Math.ceil((this.#total - written) / this.#pace / 1000),
    };
  }
}
