import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { HANG_LIMIT } from './limits';
import { freePort } from './ports';

export const root = path.resolve(__dirname, '../..');

/** A Node-RED in a process of its own. */
export interface NodeRed {
  readonly url: string;
  readonly userDir: string;
  /** Returns the log so far. */
  log(): string;
  /**
   * Waits until the log matches, from an offset on.
   * @returns the match
   * @throws {Error} when Node-RED ends or `HANG_LIMIT` passes
   */
  logged(pattern: RegExp, from?: number): Promise<string>;
  stop(): Promise<void>;
  /** Kills Node-RED (SIGKILL), and keeps the userDir. */
  kill(): Promise<void>;
}

export interface NodeRedOptions {
  /** `node-red` (4) or `node-red-5`. */
  readonly runtime?: string;
  /** Path of the Node.js that runs it. Default: the one that runs the tests. */
  readonly node?: string;
  /** A userDir in which the package is installed. Default: a new one with a link to the built package. */
  readonly userDir?: string;
  readonly flows?: readonly object[];
  /** Default: a free port. */
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** More settings, as plain data. */
  readonly settings?: object;
}

/** Starts a Node-RED on a free port of 127.0.0.1. It never sends requests to the network. */
export async function startNodeRed(options: NodeRedOptions = {}): Promise<NodeRed> {
  for (;;) {
    try {
      return await start(options);
    } catch (error) {
      // Another process has taken the free port.
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

/** Creates a userDir with a link to the package, as it is built in dist/. @returns its path */
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
 * Turns off the tips of the editor. The editor starts their timer before it creates their box, and reports a missing
 * box if its keys take longer than a second to load.
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
    // The default, Monaco, takes as long to load as half of the editor.
    editorTheme: { tours: false, palette: { catalogues: [] }, codeEditor: { lib: 'ace' } },
    logging: { console: { level: 'info', metrics: false, audit: false } },
  };
}
