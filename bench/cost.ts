import { readFileSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** What something cost this process. */
export interface Costs {
  /** CPU time of all threads, in ms. */
  readonly cpu: number;
  /** How far the resident memory rose above what it was at the beginning, in bytes; undefined where that is not known. */
  readonly memory: number | undefined;
  /** How late the event loop was, in ms. */
  readonly delay: { readonly p99: number; readonly longest: number };
}

/** How often the event loop is looked at, in ms. */
const RESOLUTION = 2;

/** Begins to measure. */
export class Cost {
  readonly #cpu = process.cpuUsage();
  readonly #idle: number | undefined;
  readonly #delays = monitorEventLoopDelay({ resolution: RESOLUTION });

  constructor() {
    this.#idle = forgetPeak() ? process.memoryUsage.rss() : undefined;
    this.#delays.enable();
  }

  end(): Costs {
    const { user, system } = process.cpuUsage(this.#cpu);
    this.#delays.disable();
    const peak = peakMemory();
    return {
      cpu: (user + system) / 1000,
      memory: this.#idle === undefined || peak === undefined ? undefined : peak - this.#idle,
      // It tells the time between two looks, the pause included.
      delay: { p99: after(this.#delays.percentile(99)), longest: after(this.#delays.max) },
    };
  }
}

/** @param nanoseconds from one look to the next */
function after(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e6 - RESOLUTION);
}

/** Lets the kernel begin anew with the peak of the resident memory (proc(5), clear_refs). Linux only. */
function forgetPeak(): boolean {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
    return true;
  } catch {
    return false;
  }
}

/** Bytes. */
function peakMemory(): number | undefined {
  const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}
