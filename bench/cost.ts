/** What a process of the benchmark needs for something. */
import { readFileSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** The resources that this process used for something. */
export interface Cost {
  /** CPU time of all threads, in ms. */
  readonly cpu: number;
  /** Peak of the resident memory above its size at the start, in bytes; undefined except on Linux. */
  readonly memory: number | undefined;
  /** Delays of the event loop, in ms. */
  readonly delay: { readonly p99: number; readonly longest: number };
}

/** Interval at which the event loop is sampled, in ms. */
const RESOLUTION = 2;

/** Starts a measurement. Returns a function that ends the measurement and returns the cost. */
export function measureCost(): () => Cost {
  const begun = process.cpuUsage();
  const idle = resetPeak() ? process.memoryUsage.rss() : undefined;
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION });
  delays.enable();
  // The histogram contains the time between two samples, which includes the interval.
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION);
  return () => {
    const { user, system } = process.cpuUsage(begun);
    delays.disable();
    return {
      cpu: (user + system) / 1000,
      memory: idle === undefined ? undefined : peakMemory() - idle,
      delay: { p99: late(delays.percentile(99)), longest: late(delays.max) },
    };
  };
}

/**
 * Resets the kernel's peak of the resident memory (proc(5), clear_refs). Returns whether this worked: only on Linux.
 */
function resetPeak(): boolean {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
    return true;
  } catch {
    return false;
  }
}

/** Returns the peak of the resident memory, in bytes. */
function peakMemory(): number {
  const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kibibytes) * 1024;
}
