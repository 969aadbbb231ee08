import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** How a broker is run. */
interface BrokerProgram {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Is in its log when it listens. */
  readonly listens: string;
}

/** A broker of our own, as a process beside the tests. */
export interface BrokerProcess {
  readonly url: string;
  readonly port: number;
  /** Of the process that runs now. */
  readonly pid: number;
  /** For good: its files are deleted. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, or stops it first: same port, same persistence. */
  restart(): Promise<void>;
  /** Freezes the process (SIGSTOP), or lets it go on. */
  freeze(): void;
  thaw(): void;
  log(): string;
  /** Resolves when it logs this text, or has done so already. */
  logged(text: string): Promise<void>;
}

/** Whether a program is installed. Where CI is set, its absence is an error. */
export function isInstalled(command: string): boolean {
  const folders = process.env['PATH']?.split(delimiter) ?? [];
  const found = folders.some((folder) => existsSync(join(folder, command)));
  if (!found && process.env['CI']) throw new Error(`${command} is not installed`);
  return found;
}

/**
 * Starts a broker that listens on a port of 127.0.0.1. Resolves when it does.
 *
 * @param name of the temporary folder
 * @param prepare writes its files into that folder, and says how it is run
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
    // mosquitto 2.0.11 forgets a SIGTERM that comes just after it has said that it is running.
    const again = setInterval(() => child.kill(signal), 200);
    await exited;
    clearInterval(again);
  };

  /** One change after the other. */
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

/** Ports that the kernel gives to no connection by itself: a broker that is started again finds its port free. */
const PORTS = { first: 10_000, each: 100, processes: 200 };

let portsTaken = 0;

/**
 * Returns a port of 127.0.0.1 on which nobody listens. Test processes that run side by side have ports of their own: while a
 * broker restarts, its port is not given to another one, which its clients would then reconnect to.
 */
export async function freePort(): Promise<number> {
  const own = PORTS.first + (process.pid % PORTS.processes) * PORTS.each;
  const port = own + (portsTaken++ % PORTS.each);
  const server = createServer().listen(port, '127.0.0.1');
  const free = await once(server, 'listening').then(
    () => true,
    () => false,
  );
  if (!free) return freePort();
  server.close();
  await once(server, 'close');
  return port;
}
