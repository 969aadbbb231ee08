import type { Limit } from './arithmetic';

/** How the benchmark is run. */
export interface Bench {
  /** Fewer transfers: that all of it works, not what comes out, is what counts. */
  readonly quick: boolean;
  /** Path of `ota_updater.py` of Homie for ESP8266. */
  readonly reference: string | undefined;
  /** The Python that runs it. */
  readonly python: string;
  /** A folder for files, deleted in the end. */
  readonly folder: string;
}

/** One line of the table. */
export interface Measurement {
  readonly what: string;
  /** Undefined where it could not be measured; `note` says why. */
  readonly value: number | undefined;
  /** `x` is a ratio. */
  readonly unit: 'x' | 'ms' | 'MiB' | 'KiB';
  readonly limit?: Limit;
  /** What was measured of the package, and of the baseline, with their units. */
  readonly note: string;
}

/** One figure of the benchmark. */
export interface Figure {
  readonly number: number;
  readonly title: string;
  /** Ends all that it starts. */
  measure(bench: Bench): Promise<Measurement[]>;
}
