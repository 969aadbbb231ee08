import { buildSync } from 'esbuild';
import { fork, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** The tasks of a process, by name. Input and answer are plain data. */
type Tasks = Readonly<Record<string, (input: never) => unknown>>;

interface Question {
  readonly name: string;
  readonly input: unknown;
}

/** The id of the node to which the jobs belong. */
export const NODE = 'bench';

/** Returns the time in ms, on a clock that all processes of the machine share. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Carries out the tasks that the benchmark asks this process for. A task that fails ends the process. */
export function serve<T extends Tasks>(tasks: T): T {
  process.on('message', ({ name, input }: Question) => {
    const answer = async (): Promise<void> => {
      // `ask` checks the type of the input.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      process.send?.({ output: await tasks[name]?.(input as never) });
    };
    void answer();
  });
  // The benchmark has ended, or does not need this process any more.
  process.on('disconnect', () => process.exit());
  return tasks;
}

/** A separate process that takes part in a measurement. */
export class Participant<T extends Tasks> {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  /** @param name of a file in `processes/` that serves the tasks T */
  constructor(name: string) {
    // Without the options of this process, which loads TypeScript.
    this.#child = fork(compile(name), { serialization: 'advanced', execArgv: [] });
    this.#ended = once(this.#child, 'exit').then(([code]) => {
      throw new Error(`The process "${name}" of the benchmark ended (${code}).`);
    });
    this.#ended.catch(() => undefined);
  }

  /** Asks the process to carry out a task. Returns the answer; wait for it before the next call. */
  async ask<N extends keyof T & string>(name: N, ...[input]: Parameters<T[N]>): Promise<Awaited<ReturnType<T[N]>>> {
    const answer = once(this.#child, 'message');
    this.#child.send({ name, input } satisfies Question);
    const [{ output }] = await Promise.race([answer, this.#ended]);
    return output;
  }

  /** Makes the process run on the last core only. Returns whether that worked: on Linux with two cores or more. */
  pin(): boolean {
    const last = availableParallelism() - 1;
    if (last === 0 || this.#child.pid === undefined) return false;
    return spawnSync('taskset', ['-apc', String(last), String(this.#child.pid)]).status === 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#ended.catch(() => undefined);
  }
}

const compiled = new Map<string, string>();

/** Compiles a process like the package for Node-RED: code behind a TypeScript loader would be slower. */
function compile(name: string): string {
  const outfile = path.resolve(__dirname, '../artifacts/bench', `${name}.js`);
  if (!compiled.has(name)) {
    buildSync({
      entryPoints: [path.join(__dirname, 'processes', `${name}.ts`)],
      bundle: true,
      packages: 'external',
      platform: 'node',
      target: 'node20',
      outfile,
    });
    compiled.set(name, outfile);
  }
  return outfile;
}

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
