import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BrokerProcess, isInstalled, startBrokerProcess } from './broker-process';
import { freePort } from './ports';

/** Folder of the Erlang libraries on Debian. */
const LIBRARIES = '/usr/lib/x86_64-linux-gnu';

/** Returns whether ejabberd is installed. @throws {Error} if it is missing and CI is set */
export function ejabberdAvailable(): boolean {
  return isInstalled('ejabberdctl');
}

/**
 * Starts an ejabberd on a free port of 127.0.0.1. Resolves when it listens. It speaks MQTT 5 and 3.1.1, and keeps
 * retained messages and users on disk.
 *
 * It runs as an Erlang node without a name, which needs no epmd. `ejabberdctl` would start an epmd that listens to the
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

/** Returns the Erlang code that registers the users once ejabberd has started. Existing users stay as they are. */
function registration(users: Readonly<Record<string, string>>): string {
  const calls = Object.entries(users).map(
    ([user, password]) => `ejabberd_auth:try_register(${binary(user)}, ${binary('localhost')}, ${binary(password)})`,
  );
  return [...calls, `io:format("${REGISTERED}~n")`].join(', ').concat('.');
}

function binary(text: string): string {
  return `<<${JSON.stringify(text)}>>`;
}
