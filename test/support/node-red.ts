import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { HANG_LIMIT } from './limits';
import { freePort } from './mosquitto';

export const root = path.resolve(__dirname, '../..');

/** A Node-RED that runs for a test, as a process of its own. */
export interface NodeRed {
  readonly url: string;
  readonly userDir: string;
  /** What it has written to its log so far. */
  log(): string;
  /** Resolves with the first part of the log that matches, from a place in it. */
  logged(pattern: RegExp, from?: number): Promise<string>;
  stop(): Promise<void>;
  /** SIGKILL. The userDir stays. */
  kill(): Promise<void>;
}

export interface NodeRedOptions {
  /** `node-red` (4) or `node-red-5`. */
  readonly runtime?: string;
  /** The Node.js that runs it; that of the tests unless given. */
  readonly node?: string;
  /** Where the package is installed already; unless given, a new one to which the built package is linked. */
  readonly userDir?: string;
  readonly flows?: readonly object[];
  /** A free one unless given. */
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** More settings, as plain data. */
  readonly settings?: object;
}

/** Starts a whole Node-RED without a browser, on a free port of 127.0.0.1, which never asks the network for anything. */
export async function startNodeRed(options: NodeRedOptions = {}): Promise<NodeRed> {
  for (;;) {
    try {
      return await start(options);
    } catch (error) {
      // Somebody else was given the free port meanwhile.
      if (options.port !== undefined || !/port in use/.test(String(error))) throw error;
    }
  }
}

async function start(options: NodeRedOptions): Promise<NodeRed> {
  const userDir = options.userDir ?? (await linkedUserDir());
  const port = options.port ?? (await freePort());
  const flowFile = path.join(userDir, 'flows.json');
  if (options.flows !== undefined) await writeFile(flowFile, JSON.stringify(options.flows));
  await writeFile(
    path.join(userDir, 'settings.js'),
    `module.exports = ${JSON.stringify({ ...settings(flowFile), ...options.settings }, null, 2)};`,
  );

  await hideTips(userDir, options.settings);

  const red = path.join(root, 'node_modules', options.runtime ?? process.env['NODE_RED'] ?? 'node-red', 'red.js');
  const child = spawn(
    options.node ?? process.execPath,
    [red, '-u', userDir, '-s', path.join(userDir, 'settings.js'), '-p', String(port)],
    { cwd: userDir, env: { ...process.env, ...options.env, NODE_OPTIONS: '' }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let log = '';
  const listeners = new Set<() => void>();
  const hear = (chunk: Buffer): void => {
    log += chunk.toString();
    for (const listener of listeners) listener();
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);

  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  const stop = async (): Promise<void> => {
    await end('SIGTERM');
    if (options.userDir === undefined) await rm(userDir, { recursive: true, force: true });
  };
  const logged = (pattern: RegExp, from = 0): Promise<string> =>
    new Promise((resolve, reject) => {
      const settle = (error: Error | undefined, found = ''): void => {
        clearTimeout(timer);
        listeners.delete(look);
        child.off('exit', exited);
        if (error === undefined) resolve(found);
        else reject(error);
      };
      const look = (): void => {
        const found = pattern.exec(log.slice(from))?.[0];
        if (found !== undefined) settle(undefined, found);
      };
      const exited = (): void => {
        settle(new Error(`Node-RED has ended. Its log:\n${log}`));
      };
      const timer = setTimeout(() => {
        settle(new Error(`Node-RED did not log ${String(pattern)}. Its log:\n${log}`));
      }, HANG_LIMIT);
      listeners.add(look);
      child.once('exit', exited);
      look();
    });

  try {
    await Promise.all([logged(/Started flows/), logged(/Server now running/)]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}`, userDir, log: () => log, logged, stop, kill: () => end('SIGKILL') };
}

/** A new userDir to which the package is linked, as it is built in dist/. */
export async function linkedUserDir(): Promise<string> {
  const userDir = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-node-red-'));
  await mkdir(path.join(userDir, 'node_modules/@homie-ota'), { recursive: true });
  await symlink(root, path.join(userDir, 'node_modules/@homie-ota/node-red-homie-ota'));
  await writeFile(
    path.join(userDir, 'package.json'),
    JSON.stringify({ name: 'user-dir', private: true, dependencies: { '@homie-ota/node-red-homie-ota': '*' } }),
  );
  return userDir;
}

/**
 * Has the editor show no tips. It starts their timer before it makes the box for them, and complains of a missing box
 * where its keys take longer than a second to load.
 */
async function hideTips(userDir: string, more: object = {}): Promise<void> {
  const { users = [] } = Object(Reflect.get(more, 'adminAuth'));
  const names = ['_', ...users.map(({ username }: { username: string }) => username)];
  const editor = { view: { 'view-show-tips': false } };
  await writeFile(
    path.join(userDir, '.config.users.json'),
    JSON.stringify(Object.fromEntries(names.map((name) => [name, { editor }]))),
  );
}

function settings(flowFile: string): object {
  return {
    uiHost: '127.0.0.1',
    flowFile,
    credentialSecret: 'a secret for tests',
    telemetry: { enabled: false, updateNotification: false },
    editorTheme: { tours: false, palette: { catalogues: [] } },
    logging: { console: { level: 'info', metrics: false, audit: false } },
  };
}
