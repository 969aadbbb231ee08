import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/** What a process does when it is asked to. Input and answer are plain data. */
export type Handlers = Readonly<Record<string, (input: never) => unknown>>;

interface Question {
  readonly number: number;
  readonly name: string;
  readonly input: unknown;
}

interface Answer {
  readonly number: number;
  readonly output?: unknown;
  readonly error?: string;
}

/** Milliseconds on a clock that all processes of the machine share. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** In a process that `Contestant.start` has started: answers what it is asked. */
export function serve<H extends Handlers>(handlers: H): H {
  process.on('message', ({ number, name, input }: Question) => {
    const answer = async (): Promise<unknown> => {
      const handler: ((input: never) => unknown) | undefined = handlers[name];
      if (handler === undefined) throw new Error(`There is no ${name}.`);
      // What was asked has the types of the handler: see `ask`.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      return handler(input as never);
    };
    answer().then(
      (output) => process.send?.({ number, output } satisfies Answer),
      (error: unknown) => process.send?.({ number, error: String(error) } satisfies Answer),
    );
  });
  // Whoever has started it may be gone.
  process.on('disconnect', () => process.exit());
  return handlers;
}

/** A process of its own that takes part in a measurement. */
export class Contestant<H extends Handlers> {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (output: unknown) => void; reject: (error: Error) => void }>();
  #number = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', ({ number, output, error }: Answer) => {
      const waiting = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (error === undefined) waiting?.resolve(output);
      else waiting?.reject(new Error(error));
    });
    child.once('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`A process of the benchmark ended (${code}).`));
    });
  }

  /** @param name of a file in `processes/`, whose handlers are H */
  static async start<H extends Handlers>(name: string, flags: readonly string[] = []): Promise<Contestant<H>> {
    const child = fork(path.join(__dirname, 'processes', `${name}.ts`), {
      execArgv: ['--require', require.resolve('tsx/cjs'), ...flags],
      serialization: 'advanced',
    });
    await once(child, 'spawn');
    return new Contestant<H>(child);
  }

  /** @returns the answer, when it comes */
  ask<N extends keyof H & string>(name: N, ...[input]: Parameters<H[N]>): Promise<Awaited<ReturnType<H[N]>>> {
    const number = (this.#number += 1);
    return new Promise((resolve, reject) => {
      // What the handler of this name answers.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      this.#waiting.set(number, { resolve: resolve as (output: unknown) => void, reject });
      this.#child.send({ number, name, input } satisfies Question);
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}
