import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface MosquittoOptions {
  /** Lines for its configuration file. */
  config?: string[];
  port?: number;
  /** Keeps retained messages and sessions across restarts, also after SIGKILL. */
  persistence?: boolean;
  /** Paths of PEM files. */
  tls?: { ca: string; cert: string; key: string; requireCertificate?: boolean };
  /** The only user that may connect. */
  password?: { username: string; password: string };
  /** Lines of an ACL file. */
  acl?: string[];
  /** All lines of its configuration file, instead of those that the other options make; it must listen on `port`. */
  whole?: string[];
}

/** Not what it logs of every packet. */
const logTypes = ['error', 'warning', 'notice', 'information'].map((type) => `log_type ${type}`);

/** A mosquitto of our own. */
export interface Mosquitto {
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

/** Whether mosquitto is installed. Where CI is set, its absence is an error. */
export function mosquittoAvailable(): boolean {
  const found = spawnSync('mosquitto', ['-h']).error === undefined;
  if (!found && process.env['CI']) throw new Error('mosquitto is not installed');
  return found;
}

/** Starts a mosquitto on a free port of 127.0.0.1. Resolves when it listens. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const folder = mkdtempSync(join(tmpdir(), 'mosquitto-'));
  const port = options.port ?? (await freePort());
  const configuration = join(folder, 'mosquitto.conf');
  writeFileSync(configuration, configurationLines(options, folder, port).join('\n'), { mode: 0o600 });

  let log = '';
  const growth = new EventEmitter();
  let child: ChildProcess;
  const run = async (): Promise<void> => {
    const begin = log.length;
    child = spawn('mosquitto', ['-c', configuration], { stdio: ['ignore', 'pipe', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        log += chunk.toString();
        if (log.includes(' running', begin)) resolve();
        growth.emit('more');
      };
      child.stdout?.on('data', read);
      child.stderr?.on('data', read);
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`mosquitto ended:\n${log}`)));
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
    url: `${options.tls ? 'mqtts' : 'mqtt'}://127.0.0.1:${port}`,
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

function configurationLines(options: MosquittoOptions, folder: string, port: number): string[] {
  const { config = [], persistence = false, tls, password, acl, whole } = options;
  const lines = ['log_dest stderr', ...logTypes];
  if (process.getuid?.() === 0) lines.push('user root');
  if (whole !== undefined) return [...lines, ...whole, ''];
  lines.unshift(`listener ${port} 127.0.0.1`);
  lines.push(`allow_anonymous ${password === undefined}`);
  if (tls !== undefined) {
    lines.push(`cafile ${tls.ca}`, `certfile ${tls.cert}`, `keyfile ${tls.key}`);
    lines.push(`require_certificate ${tls.requireCertificate === true}`);
  }
  if (password !== undefined) {
    const file = join(folder, 'passwords');
    writeFileSync(file, '', { mode: 0o600 });
    const made = spawnSync('mosquitto_passwd', ['-b', file, password.username, password.password]);
    if (made.status !== 0) throw new Error(`mosquitto_passwd: ${String(made.error ?? made.stderr)}`);
    lines.push(`password_file ${file}`);
  }
  if (acl !== undefined) {
    const file = join(folder, 'acl');
    writeFileSync(file, `${acl.join('\n')}\n`, { mode: 0o600 });
    lines.push(`acl_file ${file}`);
  }
  if (persistence) {
    // Saved at every change, so that it survives a SIGKILL.
    lines.push(
      'persistence true',
      `persistence_location ${folder}/`,
      'autosave_on_changes true',
      'autosave_interval 1',
    );
  }
  return [...lines, ...config, ''];
}

/**
 * A port of 127.0.0.1 that nobody listens on. It is one that the kernel gives to no connection by itself, so that it is
 * still free when a broker is started on it, or started again.
 */
export async function freePort(): Promise<number> {
  const port = randomInt(10_000, 30_000);
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
