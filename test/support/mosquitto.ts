import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BrokerProcess, isInstalled, startBrokerProcess } from './broker-process';
import { freePort } from './ports';

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
  /** All lines of the configuration file, in place of those from the other options. They must listen on `port`. */
  whole?: string[];
}

/** All types but the log of every packet. */
const logTypes = ['error', 'warning', 'notice', 'information'].map((type) => `log_type ${type}`);

export type Mosquitto = BrokerProcess;

/** Returns whether mosquitto is installed. @throws {Error} if it is missing and CI is set */
export function mosquittoAvailable(): boolean {
  return isInstalled('mosquitto');
}

/** Starts a mosquitto on a free port of 127.0.0.1. Resolves when it listens. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const port = options.port ?? (await freePort());
  const broker = await startBrokerProcess('mosquitto', port, (folder) => {
    const configuration = join(folder, 'mosquitto.conf');
    writeFileSync(configuration, configurationLines(options, folder, port).join('\n'), { mode: 0o600 });
    return { command: 'mosquitto', args: ['-c', configuration], listens: ' running' };
  });
  return options.tls ? Object.assign(broker, { url: `mqtts://127.0.0.1:${port}` }) : broker;
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
    // Saving at every change makes the data survive a SIGKILL.
    lines.push(
      'persistence true',
      `persistence_location ${folder}/`,
      'autosave_on_changes true',
      'autosave_interval 1',
    );
  }
  return [...lines, ...config, ''];
}
