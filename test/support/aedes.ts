import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { Aedes, AedesPublishPacket } from 'aedes';
import { startListening } from './ports';

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
  const persistence = persistenceOf(broker.aedes);
  const create = persistence.createRetainedStreamCombi.bind(persistence);
  persistence.createRetainedStreamCombi = (filters) => create(filters.filter((filter) => !/[+#]/.test(filter)));
  return broker;
}

/** Starts an aedes on 127.0.0.1. @param wanted its port; 0 for a free one */
export async function startAedes(wanted = 0): Promise<AedesBroker> {
  const { Aedes: Broker } = await import('aedes');
  const aedes = await Broker.createBroker();
  indexRetained(aedes);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    aedes.handle(socket);
  });
  const port = await startListening(server, wanted);
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
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

/** What aedes asks its persistence for retained messages with. */
interface RetainedPersistence {
  storeRetained(packet: AedesPublishPacket): Promise<void>;
  createRetainedStreamCombi(filters: readonly string[]): Readable;
}

function persistenceOf(aedes: Aedes): RetainedPersistence {
  const { persistence }: { persistence?: RetainedPersistence } = Object(aedes);
  if (persistence === undefined) throw new Error('aedes has no persistence');
  return persistence;
}

/**
 * Finds retained messages faster. The memory persistence of aedes splits the topic of every retained message for every
 * filter: a subscription to a few topics of each of 1,000 devices takes a minute of computing.
 */
function indexRetained(aedes: Aedes): void {
  const persistence = persistenceOf(aedes);
  const store = persistence.storeRetained.bind(persistence);
  const retained = new Map<string, { readonly levels: readonly string[]; readonly packet: AedesPublishPacket }>();
  persistence.storeRetained = async (packet) => {
    const { topic } = packet;
    if (packet.payload.length === 0) retained.delete(topic);
    else retained.set(topic, { levels: topic.split('/'), packet: { ...packet } });
    await store(packet);
  };
  persistence.createRetainedStreamCombi = (filters) =>
    Readable.from(
      filters.flatMap((filter) => {
        const exact = retained.get(filter);
        if (!/[+#]/.test(filter)) return exact === undefined ? [] : [exact.packet];
        const wanted = filter.split('/');
        return [...retained.values()].filter(({ levels }) => matches(levels, wanted)).map(({ packet }) => packet);
      }),
    );
}

/** Returns whether a topic matches a filter. `#` also matches its parent level. */
function matches(topic: readonly string[], filter: readonly string[]): boolean {
  if (filter.at(-1) !== '#' && topic.length !== filter.length) return false;
  return filter.every((level, index) =>
    level === '#' || level === '+' ? level === '#' || index < topic.length : level === topic[index],
  );
}
