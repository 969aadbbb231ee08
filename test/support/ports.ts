import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/** Ports that the kernel does not assign to connections by itself, so that a restarted broker finds its port free. */
const PORTS = { first: 10_000, each: 100, processes: 200 };

let portsTaken = 0;
let ownPorts: Promise<number> | undefined;

/** Makes a server listen on 127.0.0.1. Returns its port. @param port 0 for a free one */
export async function startListening(server: Server, port = 0): Promise<number> {
  await once(server.listen(port, '127.0.0.1'), 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/**
 * Returns a port of 127.0.0.1 on which nothing listens. Each of the test processes that run in parallel has its own
 * ports, so that a restarting broker's port does not go to another broker, to which the clients would then reconnect.
 */
export async function freePort(): Promise<number> {
  const first = await (ownPorts ??= takePorts());
  const port = first + 1 + (portsTaken++ % (PORTS.each - 1));
  const server = createServer();
  if (!(await listens(server, port))) return freePort();
  server.close();
  await once(server, 'close');
  return port;
}

/** Takes ports for this process: they are its own as long as it listens on the first one. Returns the first one. */
async function takePorts(): Promise<number> {
  for (let index = process.pid; ; index += 1) {
    const first = PORTS.first + (index % PORTS.processes) * PORTS.each;
    if (await listens(createServer().unref(), first)) return first;
  }
}

async function listens(server: Server, port: number): Promise<boolean> {
  return startListening(server, port).then(
    () => true,
    () => false,
  );
}
