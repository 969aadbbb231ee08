import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import mqttPacket from 'mqtt-packet';
import { startListening } from './ports';

/** A proxy that forwards the messages of a broker at a limited rate, as EMQX delivers retained ones. */
export interface Pace {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Starts the proxy on a free port of 127.0.0.1. It forwards all other packets, such as a SUBACK, at once. MQTT 3.1.1
 * only.
 *
 * @param target port of the broker
 * @param batch number of messages in each interval
 * @param every length of the interval in ms
 */
export async function startPace(target: number, batch: number, every: number): Promise<Pace> {
  const ends = new Set<() => void>();
  const server = createServer((client) => {
    const broker = connect(target, '127.0.0.1');
    const messages: Buffer[] = [];
    let left = batch;
    const send = (): void => {
      const some = messages.splice(0, left);
      left -= some.length;
      client.write(Buffer.concat(some));
    };
    const parser = mqttPacket.parser({ protocolVersion: 4 });
    parser.on('packet', (packet) => {
      const bytes = mqttPacket.generate(packet);
      if (packet.cmd !== 'publish') return client.write(bytes);
      messages.push(bytes);
      return send();
    });
    const timer = setInterval(() => {
      left = batch;
      send();
    }, every);
    const end = (): void => {
      clearInterval(timer);
      client.destroy();
      broker.destroy();
      ends.delete(end);
    };
    ends.add(end);
    client.on('data', (bytes) => broker.write(bytes));
    broker.on('data', (bytes) => parser.parse(bytes));
    for (const socket of [client, broker]) socket.on('error', end).on('close', end);
  });
  const port = await startListening(server);
  return {
    port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const end of ends) end();
      await closed;
    },
  };
}
