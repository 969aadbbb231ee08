import { buildSync } from 'esbuild';
import { fork, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import path from 'node:path';

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
