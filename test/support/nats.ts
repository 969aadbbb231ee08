import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BrokerProcess, freePort, isInstalled, startBrokerProcess } from './broker-process';

/** What a nats-server of the tests must use. */
interface NatsPlace {
  /** For its files. */
  readonly folder: string;
  /** On 127.0.0.1: for MQTT, and for the protocol of NATS itself. */
  readonly port: number;
  readonly clients: number;
}

/** Whether nats-server is installed. Where CI is set, its absence is an error. */
export function natsAvailable(): boolean {
  return isInstalled('nats-server');
}

/**
 * Starts a nats-server on free ports of 127.0.0.1. It speaks MQTT 3.1.1 only. Resolves when it listens. Retained messages are
 * kept on disk.
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
