import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { mosquittoAvailable, startMosquitto, type Mosquitto } from './mosquitto';

const FILE = 'mosquitto_dynamic_security.so';

/** Folders of the plugin on Debian, Alpine, Fedora and Arch, after a build from source, and with Homebrew. */
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
 * Returns whether mosquitto is installed with its dynamic security plugin, which can refuse subscriptions. ACL files
 * cannot.
 *
 * @throws {Error} if either is missing and CI is set
 */
export function dynamicSecurityAvailable(): boolean {
  if (!mosquittoAvailable()) return false;
  const isFound = findPlugin() !== undefined;
  if (!isFound && process.env['CI']) throw new Error(`${FILE} of mosquitto is not installed`);
  return isFound;
}

/** Starts a mosquitto that refuses subscriptions to these filters, and accepts all others from anybody. */
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
  // The broker has read the file by now.
  rmSync(folder, { recursive: true });
  return broker;
}
