import type { Progress } from '../homie/update';

/** Assumed until the device has shown its own pace: 20 kB/s. */
const ASSUMED_PACE = 20;

/** More is not shown before the device says that it has flashed, or reboots. */
const MOST = 95;

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
