import type { Progress } from '../update/update';

/** The pace in bytes per ms that is assumed until the device has shown its own: 20 kB/s. */
const ASSUMED_PACE = 20;

/** The highest percentage shown before the device reports that it has flashed, or reboots. */
const MOST = 95;

/**
 * The most bytes between two reports: the device reports every 100 TCP segments of at most 1460 bytes (homie-esp8266
 * BootNormal.cpp `__handleOTAUpdates`).
 */
const REPORTED_EVERY = 146_000;

/** The most bytes that a device can receive without acknowledging them: more than the windows of lwIP. */
const RECEIVE_WINDOW = 16_384;

/** How long a device may be overdue before it counts as silent, in ms. */
const PATIENCE = 5_000;

/**
 * Measures the progress of one transfer. A device reports only every 100 TCP segments, that is every 54 to 147 kB
 * (homie-esp8266 BootNormal.cpp `__handleOTAUpdates`), so progress between reports is estimated from the measured pace.
 */
export class ProgressMeter {
  readonly #total: number;
  #written = 0;
  #at: number;
  /** Bytes per ms. */
  #pace = ASSUMED_PACE;
  #measuredFrom: { written: number; at: number } | undefined;
  #percent = 0;

  /**
   * @param total bytes of the image
   * @param now when the transfer began, in ms
   */
  constructor(total: number, now: number) {
    this.#total = total;
    this.#at = now;
  }

  /** Records that the device started to write at `now` (ms). */
  begin(now: number): void {
    this.#at = now;
    this.#measuredFrom ??= { written: 0, at: now };
  }

  /** Records that the device reported `written` bytes at `now` (ms), and returns the progress. */
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

  /** Returns the probable progress at `now` (ms). */
  estimate(now: number): Progress {
    const written = this.#measuredFrom === undefined ? 0 : this.#written + (now - this.#at) * this.#pace;
    return this.#progress(Math.min(Math.round(written), this.#total), true);
  }

  /** Returns whether the device has been silent, at `now` (ms), for much longer than the rest should take. */
  isOverdue(now: number): boolean {
    return now - this.#at > PATIENCE + (2 * (this.#total - this.#written)) / this.#pace;
  }

  /**
   * Returns how much of the image a lost device had reported, in percent; undefined if it may have received the whole
   * image by then. Valid only if our own connection was up all the time.
   *
   * The device cannot have received the whole image if another 206 was due before the end: that 206 would have been
   * lost as well as the 200, and a device whose statuses do not get through soon receives nothing either, since its
   * acknowledgements do not get through. Its pace until then proves nothing: delayed data may arrive all at once.
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
