import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startMosquitto, type Mosquitto } from './mosquitto';

const PLUGIN = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/mosquitto_dynamic_security.so`;

/** Whether the plugin of mosquitto is there that refuses subscriptions, which its ACL files do not. */
export function dynamicSecurityAvailable(): boolean {
  return existsSync(PLUGIN);
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
  const config = [`plugin ${PLUGIN}`, `plugin_opt_config_file ${file}`];
  const broker = await startMosquitto({ config });
  // It has read the file.
  rmSync(folder, { recursive: true });
  return broker;
}
