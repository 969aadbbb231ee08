import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BrokerProcess, isInstalled, startBrokerProcess } from './broker-process';
import { freePort } from './ports';

/** Returns whether RabbitMQ is installed. @throws {Error} if it is missing and CI is set */
export function rabbitMqAvailable(): boolean {
  return isInstalled('rabbitmq-server');
}

/**
 * Starts a RabbitMQ on a free port of 127.0.0.1. Resolves when it listens. Version 3.10 speaks MQTT 3.1.1 only. It
 * keeps retained messages on disk.
 *
 * Like `rabbitmq-server`, this runs `erl`, but with its own port for other nodes and so without epmd, which would
 * listen to the whole network and outlive the broker.
 *
 * @param configure returns the text of its rabbitmq.conf
 */
export async function startRabbitMq(configure: (port: number) => string): Promise<BrokerProcess> {
  const [port, nodes, noEpmd] = [await freePort(), await freePort(), await freePort()];
  const node = `homie${nodes}@localhost`;
  const home = installed();
  return startBrokerProcess('rabbitmq', port, (folder) => {
    const at = (name: string): string => join(folder, name);
    writeFileSync(at('rabbitmq.conf'), configure(port), { mode: 0o600 });
    writeFileSync(at('enabled_plugins'), '[rabbitmq_mqtt].\n');
    return {
      command: 'erl',
      args: [
        '-noinput',
        ['-sname', node, '-setcookie', 'test', '-start_epmd', 'false', '-erl_epmd_port', String(nodes)],
        ['-kernel', 'inet_dist_use_interface', '{127,0,0,1}'],
        ['-s', 'rabbit', 'boot'],
      ].flat(),
      env: {
        ERL_CRASH_DUMP: '/dev/null',
        // At its start RabbitMQ waits for the answer of epmd, if the machine runs one, and later it may start an epmd
        // by means of another `erl`.
        ERL_EPMD_PORT: String(noEpmd),
        ERL_FLAGS: '-start_epmd false',
        ERL_LIBS: join(home, 'plugins'),
        HOME: folder,
        RABBITMQ_CONFIG_FILE: at('rabbitmq.conf'),
        RABBITMQ_ENABLED_PLUGINS_FILE: at('enabled_plugins'),
        RABBITMQ_HOME: home,
        RABBITMQ_LOG_BASE: at('log'),
        RABBITMQ_LOGS: '-',
        RABBITMQ_MNESIA_BASE: at('mnesia'),
        RABBITMQ_NODENAME: node,
        RABBITMQ_PLUGINS_DIR: join(home, 'plugins'),
      },
      listens: 'Server startup complete',
    };
  });
}

/** Returns the folder of RabbitMQ on Debian. */
function installed(): string {
  const folder = '/usr/lib/rabbitmq/lib';
  const [version] = readdirSync(folder).filter((name) => name.startsWith('rabbitmq_server-'));
  if (version === undefined) throw new Error(`There is no RabbitMQ in ${folder}`);
  return join(folder, version);
}
