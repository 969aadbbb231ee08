import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { mosquittoAvailable, startMosquitto, type Mosquitto } from './mosquitto';

const FILE = 'mosquitto_dynamic_security.so';

/** Where Debian, Alpine, Fedora, Arch, a build by hand and Homebrew have it. */
const folders = [
  ...['x86_64-linux-gnu', 'aarch64-linux-gnu', 'arm-linux-gnueabihf'].map((target) => `/usr/lib/${target}`),
  '/usr/lib/mosquitto',
  '/usr/lib64/mosquitto',
  '/usr/lib64',
  '/usr/lib',
  '/usr/local/lib',
  '/usr/local/lib64',
  '/opt/homebrew/lib',
];

function findPlugin(): string | undefined {
  return folders.map((folder) => path.join(folder, FILE)).find((file) => existsSync(file));
}

/**
 * Whether mosquitto is installed with its plugin that refuses subscriptions, which its ACL files do not. Where CI is set, its
 * absence is an error.
 */
export function dynamicSecurityAvailable(): boolean {
  if (!mosquittoAvailable()) return false;
  const isFound = findPlugin() !== undefined;
  if (!isFound && process.env['CI']) throw new Error(`${FILE} of mosquitto is not installed`);
  return isFound;
}

/** Starts a mosquitto that lets anybody subscribe to all but these filters. */
export async function startRefusingMosquitto(refused: readonly string[]): Promise<Mosquitto> {
  const folder = mkdtempSync(path.join(tmpdir(), 'dynamic-security-'));
  const file = path.join(folder, 'security.json');
  const access = { publishClientSend: true, publishClientReceive: true, subscribe: true, unsubscribe: true };
  const acls = refused.map((topic) => ({ acltype: 'subscribeLiteral', topic, priority: 1, allow: false }));
  const security = {
    defaultACLAccess: access,
    roles: [{ rolename: 'anybody', acls }],
    groups: [{ groupname: 'anybody', roles: [{ rolename: 'anybody' }], clients: [] }],
    anonymousGroup: 'anybody',
    clients: [],
  };
  writeFileSync(file, JSON.stringify(security));
  const config = [`plugin ${findPlugin()}`, `plugin_opt_config_file ${file}`];
  const broker = await startMosquitto({ config });
  // It has read the file.
  rmSync(folder, { recursive: true });
  return broker;
}
