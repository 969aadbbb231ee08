import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { startListening } from './ports';

/** A TCP proxy between clients and a broker that can disturb their connections. */
export interface Proxy {
  readonly port: number;
  /** Number of connections made so far. */
  readonly connections: number;
  /** Bytes received from clients so far. */
  readonly received: number;
  /** Cuts every connection immediately (RST). Accepts new ones. */
  cut(): void;
  /** Cuts each open connection after forwarding this many more bytes from its client. */
  cutAfter(bytes: number): void;
  /** Stops forwarding in both directions until `flow`. */
  stall(): void;
  flow(): void;
  /** Drops everything that the broker sends from now on. */
  mute(): void;
  /** Like `mute`, but the client does not notice either if the broker closes the connection, as on a dead link. */
  silence(): void;
  /** Limits the bytes per second that each connection forwards to the broker. */
  limit(bytesPerSecond: number): void;
  close(): Promise<void>;
}

/**
 * Starts a proxy on a free port of 127.0.0.1.
 *
 * @param target port of the broker
 * @param closeAt returns, from the first bytes of a client, whether to close its connection immediately
 * @param listen called for each connection; returns a function that is called with all chunks from the client
 */
export async function startProxy(
  target: number,
  { closeAt, listen }: { closeAt?: (first: Buffer) => boolean; listen?: () => (chunk: Buffer) => void } = {},
): Promise<Proxy> {
  const links = new Set<Link>();
  let connections = 0;
  let received = 0;
  let rate = Number.POSITIVE_INFINITY;
  const server = createServer((client) => {
    connections += 1;
    const link = new Link(client, connect(target, '127.0.0.1'), rate, (bytes) => (received += bytes));
    links.add(link);
    client.once('data', (first: Buffer) => closeAt?.(first) === true && client.destroy());
    const heard = listen?.();
    if (heard !== undefined) client.on('data', heard);
    link.client.once('close', () => links.delete(link));
  });
  const port = await startListening(server);
  const each = (action: (link: Link) => void): void => [...links].forEach(action);
  return {
    port,
    get connections() {
      return connections;
    },
    get received() {
      return received;
    },
    cut: () => each((link) => link.cut()),
    cutAfter: (bytes) => each((link) => link.cutAfter(bytes)),
    stall: () => each((link) => link.stall()),
    flow: () => each((link) => link.flow()),
    mute: () => each((link) => link.mute()),
    silence: () => each((link) => link.silence()),
    limit(bytesPerSecond) {
      rate = bytesPerSecond;
      each((link) => link.limit(rate));
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      each((link) => link.cut());
      await closed;
    },
  };
}

class Link {
  readonly client: Socket;
  readonly #broker: Socket;
  #rate: number;
  #left = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #stalled = false;
  #muted = false;
  #silent = false;

  constructor(client: Socket, broker: Socket, rate: number, count: (bytes: number) => void) {
    this.client = client;
    this.#broker = broker;
    this.#rate = rate;
    client.setNoDelay(true);
    client.on('data', (chunk: Buffer) => {
      count(chunk.length);
      this.#toBroker(chunk);
    });
    broker.on('data', (chunk: Buffer) => this.#muted || client.write(chunk));
    client.on('error', () => undefined);
    broker.on('error', () => undefined);
    client.once('close', () => {
      clearTimeout(this.#timer);
      broker.destroy();
    });
    broker.once('close', () => this.#silent || client.destroy());
  }

  cut(): void {
    this.client.resetAndDestroy();
    this.#broker.resetAndDestroy();
  }

  cutAfter(bytes: number): void {
    this.#left = bytes;
  }

  stall(): void {
    this.#stalled = true;
    this.client.pause();
    this.#broker.pause();
  }

  flow(): void {
    this.#stalled = false;
    this.client.resume();
    this.#broker.resume();
  }

  mute(): void {
    this.#muted = true;
  }

  silence(): void {
    this.#muted = true;
    this.#silent = true;
  }

  limit(bytesPerSecond: number): void {
    this.#rate = bytesPerSecond;
    // The current pause was computed with the old rate.
    clearTimeout(this.#timer);
    if (!this.#stalled) this.client.resume();
  }

  #toBroker(chunk: Buffer): void {
    if (chunk.length >= this.#left) {
      this.#broker.write(chunk.subarray(0, this.#left), () => this.cut());
      this.#left = 0;
      return;
    }
    this.#left -= chunk.length;
    this.#broker.write(chunk);
    if (!Number.isFinite(this.#rate)) return;
    this.client.pause();
    this.#timer = setTimeout(() => !this.#stalled && this.client.resume(), (chunk.length / this.#rate) * 1000);
  }
}
