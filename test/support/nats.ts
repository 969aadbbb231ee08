import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BrokerProcess, isInstalled, startBrokerProcess } from './broker-process';
import { freePort } from './ports';

/** Folder and ports that the configuration of a nats-server must use. */
interface NatsPlace {
  /** For its files. */
  readonly folder: string;
  /** Port of 127.0.0.1 for MQTT. */
  readonly port: number;
  /** Port of 127.0.0.1 for the NATS protocol. */
  readonly clients: number;
}

/** Returns whether nats-server is installed. @throws {Error} if it is missing and CI is set */
export function natsAvailable(): boolean {
  return isInstalled('nats-server');
}

/**
 * Starts a nats-server on free ports of 127.0.0.1. Resolves when it listens. It speaks MQTT 3.1.1 only, and keeps
 * retained messages on disk.
 *
 * @param configure returns the text of its configuration file
 */
export async function startNats(configure: (place: NatsPlace) => string): Promise<BrokerProcess> {
  const [port, clients] = [await freePort(), await freePort()];
  return startBrokerProcess('nats', port, (folder) => {
    const configuration = join(folder, 'nats.conf');
    writeFileSync(configuration, configure({ folder, port, clients }), { mode: 0o600 });
    return { command: 'nats-server', args: ['-c', configuration], listens: 'Server is ready' };
  });
}
