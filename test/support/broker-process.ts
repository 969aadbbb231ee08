import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** How to run a broker. */
interface BrokerProgram {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Text that the broker logs when it listens. */
  readonly listens: string;
}

/** A broker in a process of its own. */
export interface BrokerProcess {
  readonly url: string;
  readonly port: number;
  /** Id of the current process. */
  readonly pid: number;
  /** Stops the broker for good, and deletes its files. */
  stop(): Promise<void>;
  /** Kills the broker (SIGKILL), and keeps its files. */
  kill(): Promise<void>;
  /** Stops the broker if it runs, and starts it with the same port and persistence. */
  restart(): Promise<void>;
  /** Freezes the process (SIGSTOP) until `thaw`. */
  freeze(): void;
  thaw(): void;
  log(): string;
  /** Waits until the log contains this text. */
  logged(text: string): Promise<void>;
}

/** Returns whether a program is installed. @throws {Error} if it is missing and CI is set */
export function isInstalled(command: string): boolean {
  const folders = process.env['PATH']?.split(delimiter) ?? [];
  const found = folders.some((folder) => existsSync(join(folder, command)));
  if (!found && process.env['CI']) throw new Error(`${command} is not installed`);
  return found;
}

/**
 * Starts a broker on a port of 127.0.0.1. Resolves when it listens.
 *
 * @param name prefix of the temporary folder
 * @param prepare writes the files of the broker into that folder, and returns how to run it
 */
export async function startBrokerProcess(
  name: string,
  port: number,
  prepare: (folder: string) => BrokerProgram,
): Promise<BrokerProcess> {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  const { command, args, env = {}, listens } = prepare(folder);

  let log = '';
  const growth = new EventEmitter();
  let child: ChildProcess;
  const run = async (): Promise<void> => {
    const begin = log.length;
    child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        log += chunk.toString();
        if (log.includes(listens, begin)) resolve();
        growth.emit('more');
      };
      child.stdout?.on('data', read);
      child.stderr?.on('data', read);
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`${command} ended:\n${log}`)));
    });
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    if (signal !== 'SIGKILL') child.kill('SIGCONT');
    // mosquitto 2.0.11 loses a SIGTERM that arrives just after it has logged that it is running.
    const again = setInterval(() => child.kill(signal), 200);
    await exited;
    clearInterval(again);
  };

  /** The previous change: changes run one at a time. */
  let turn = Promise.resolve();
  const next = (change: () => Promise<void>): Promise<void> => (turn = turn.catch(() => undefined).then(change));

  await run();
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    get pid() {
      return child.pid ?? 0;
    },
    stop: () =>
      next(async () => {
        await end('SIGTERM');
        rmSync(folder, { recursive: true, force: true });
      }),
    kill: () => next(() => end('SIGKILL')),
    restart: () =>
      next(async () => {
        await end('SIGTERM');
        await run();
      }),
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    log: () => log,
    async logged(text) {
      while (!log.includes(text)) await once(growth, 'more');
    },
  };
}
