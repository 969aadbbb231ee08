import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BrokerProcess, freePort, isInstalled, startBrokerProcess } from './broker-process';

/** Where Debian keeps the libraries of Erlang. */
const LIBRARIES = '/usr/lib/x86_64-linux-gnu';

/** Whether ejabberd is installed. Where CI is set, its absence is an error. */
export function ejabberdAvailable(): boolean {
  return isInstalled('ejabberdctl');
}

/**
 * Starts an ejabberd on a free port of 127.0.0.1. It speaks MQTT 5 and 3.1.1. Resolves when it listens.
 * Retained messages and users are kept on disk.
 *
 * It runs as a node of Erlang without a name and therefore needs no epmd; `ejabberdctl` would start one that listens to the
 * whole network and outlives the broker.
 *
 * @param configure returns the text of its ejabberd.yml
 * @param users user names and passwords at the host `localhost`
 */
export async function startEjabberd(
  configure: (port: number) => string,
  users: Readonly<Record<string, string>>,
): Promise<BrokerProcess> {
  const port = await freePort();
  return startBrokerProcess('ejabberd', port, (folder) => {
    const configuration = join(folder, 'ejabberd.yml');
    writeFileSync(configuration, configure(port), { mode: 0o600 });
    const database = ['-mnesia', 'dir', JSON.stringify(join(folder, 'database'))];
    return {
      command: 'erl',
      args: ['-noinput', ...database, '-s', 'ejabberd', '-eval', registration(users)],
      env: {
        EJABBERD_CONFIG_PATH: configuration,
        EJABBERD_LOG_PATH: join(folder, 'ejabberd.log'),
        ERL_CRASH_DUMP: '/dev/null',
        ERL_LIBS: LIBRARIES,
        HOME: folder,
      },
      listens: REGISTERED,
    };
  });
}

const REGISTERED = 'all users are registered';

/** What is evaluated once ejabberd has started. A user that is registered already stays. */
function registration(users: Readonly<Record<string, string>>): string {
  const calls = Object.entries(users).map(
    ([user, password]) => `ejabberd_auth:try_register(${binary(user)}, ${binary('localhost')}, ${binary(password)})`,
  );
  return [...calls, `io:format("${REGISTERED}~n")`].join(', ').concat('.');
}

function binary(text: string): string {
  return `<<${JSON.stringify(text)}>>`;
}
