import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Aedes } from 'aedes';

/** An aedes in this process. It speaks MQTT 3.1.1 only. */
export interface AedesBroker {
  readonly url: string;
  readonly port: number;
  readonly aedes: Aedes;
  close(): Promise<void>;
}

/** Starts an aedes that can be killed, and restarted on the same port without its retained messages. */
export async function startRestartableAedes() {
  let broker = await startAedes();
  const { url, port } = broker;
  return {
    url,
    kill: () => broker.close(),
    restart: async () => {
      broker = await startAedes(port);
    },
    stop: () => broker.close(),
  };
}

/** Starts an aedes that, like RabbitMQ, delivers no retained messages for a filter with a wildcard. */
export async function startExactAedes(): Promise<AedesBroker> {
  const broker = await startAedes();
  const { persistence }: { persistence?: unknown } = Object(broker.aedes);
  const streams: { createRetainedStreamCombi(filters: string[]): unknown } = Object(persistence);
  const create = streams.createRetainedStreamCombi.bind(persistence);
  streams.createRetainedStreamCombi = (filters) => create(filters.filter((filter) => !/[+#]/.test(filter)));
  return broker;
}

/** Starts an aedes on a port of 127.0.0.1. @param port 0 for a free one */
export async function startAedes(port = 0): Promise<AedesBroker> {
  const { Aedes: Broker } = await import('aedes');
  const aedes = await Broker.createBroker();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    aedes.handle(socket);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `mqtt://127.0.0.1:${address.port}`,
    port: address.port,
    aedes,
    async close() {
      const closed = once(server, 'close');
      server.close();
      await new Promise<void>((resolve) => aedes.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
