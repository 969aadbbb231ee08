import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { connect, type IConnackPacket, type MqttClient } from 'mqtt';
import { HomieError } from '../errors';
import { clientOptions, isEncrypted, MAX_PACKET, shownUrl, type ConnectionOptions } from './options';
import { PacketLimit } from './packet-limit';
import { Pings } from './pings';
import { packetSize } from './publish-packet';
import { PublishQueue, type Published, type PublishOptions } from './publish-queue';
import { isTlsAlert, type ConnectionEnd } from './reason';
import { byReasonCode } from './reason-codes';
import { Subscriptions } from './subscriptions';

/**
 * What a broker does not support, as its CONNACK says (MQTT 5, section 3.2.2.3). `retainedByWildcard` was observed
 * instead: the broker delivers no retained messages for a filter with a wildcard.
 */
export type Lack = 'retained' | 'wildcards' | 'qos1' | 'retainedByWildcard';

/** The events of a session. */
export interface SessionEvents {
  /** The broker accepted the connection. @param maximumPacketSize in bytes, if the broker says so */
  opened(maximumPacketSize: number | undefined, lacks: readonly Lack[]): void;
  message(topic: string, payload: Buffer, retained: boolean): void;
  /** A message was skipped because it is too large. @param size in bytes */
  skipped(topic: string, size: number): void;
  /** The network connection is gone. Called once, and last. */
  closed(end: ConnectionEnd): void;
}

/** What is observed of a connection. */
interface Seen extends Pick<ConnectionEnd, 'protocolVersion' | 'secure' | 'websocket' | 'url'> {
  /** The bytes received last. */
  lastBytes: Buffer;
  /** The first error. */
  error?: unknown;
  /** The reason code of a DISCONNECT. */
  disconnect?: number | undefined;
  server?: string | undefined;
}

/** What a broker says in its CONNACK. */
interface Accepted {
  /** In bytes. */
  readonly maximumPacketSize: number | undefined;
  readonly lacks: readonly Lack[];
}

/** How old `freshSince` may become before `refresh` pings the broker, in ms. */
const RECENT = 500;

/** How long the broker may take to close the connection after our DISCONNECT, in ms. */
const FAREWELL = 1000;

/**
 * One network connection to a broker, from CONNECT to its end. It never reconnects, so that nothing is ever sent twice:
 * at every reconnect mqtt.js repeats what was not acknowledged, even in a clean session.
 */
export class Session {
  readonly #client: MqttClient;
  readonly #events: SessionEvents;
  readonly #publishes: PublishQueue;
  readonly #pings: Pings;
  readonly #subscriptions: Subscriptions;
  /** Collected to explain the end of the connection. */
  readonly #seen: Seen;
  /** Undefined until the broker accepts the connection. */
  #accepted: Accepted | undefined;
  #heardAt = performance.now();
  #started = false;
  #ended = false;

  /** @throws {HomieError} BROKER_SETTINGS: the options are invalid */
  constructor(options: ConnectionOptions, protocolVersion: 4 | 5, clientId: string, events: SessionEvents) {
    this.#events = events;
    const url = shownUrl(options.url);
    this.#seen = {
      protocolVersion,
      secure: isEncrypted(url),
      websocket: /^wss?:/.test(url),
      url: options.shownUrl ?? url,
      lastBytes: Buffer.alloc(0),
    };
    this.#client = connect({
      ...clientOptions(options, protocolVersion, clientId),
      timerVariant: {
        // During a publish, its own deadline watches the link. A ping would wait behind a large publish on a slow link,
        // and its answer would arrive too late.
        set: (tick, ms) => Number(setInterval(() => this.#publishes.isEmpty && tick(), ms)),
        clear: (timer) => clearInterval(timer),
      },
    });
    this.#subscriptions = new Subscriptions(this.#client);
    this.#pings = new Pings(this.#client);
    this.#publishes = new PublishQueue(this.#client, () => {
      this.#cut();
      this.#end();
    });
  }

  /** Sends CONNECT. Call it once. */
  open(): void {
    const client = this.#client;
    client.on('connect', ({ properties }) => {
      // The session may already have ended, if the bytes after the CONNACK could not be parsed.
      if (this.#ended) return;
      const { maximumPacketSize } = properties ?? {};
      this.#accepted = { maximumPacketSize, lacks: lacksOf(properties) };
      this.#events.opened(maximumPacketSize, this.#accepted.lacks);
    });
    client.on('message', (topic, payload, { retain }) => {
      if (!this.#ended) this.#events.message(topic, payload, retain);
    });
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'connack' || packet.cmd === 'disconnect')
        this.#seen.server = packet.properties?.serverReference;
    });
    client.on('disconnect', ({ reasonCode }) => {
      if (reasonCode !== 0) this.#seen.disconnect = reasonCode;
    });
    client.on('error', (error) => this.#fail(error));
    client.on('close', () => this.#end());
    try {
      client.connect();
      this.#started = true;
      client.stream.on('drain', () => this.#publishes.drained());
      this.#limitPackets(client.stream);
      client.stream.prependListener('data', (bytes: Buffer) => (this.#seen.lastBytes = bytes));
      // mqtt.js does not report errors without a code.
      client.stream.on('error', (error: unknown) => this.#fail(error));
    } catch (error) {
      // node:tls throws at once if it cannot read a certificate.
      this.#seen.error = error;
      queueMicrotask(() => this.#end());
    }
  }

  /** Subscribes. See `Subscriptions.add`. */
  subscribe(filters: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#subscriptions.add(filters);
  }

  unsubscribe(filters: readonly string[]): Promise<void> {
    return this.#subscriptions.remove(filters);
  }

  /** Publishes once. See `Connection.publish`. */
  async publish(topic: string, payload: Buffer | string, options: PublishOptions): Promise<Published> {
    const { maximumPacketSize: limit = Infinity, lacks = [] } = this.#accepted ?? {};
    const size = packetSize(topic, Buffer.byteLength(payload), options.qos, this.#seen.protocolVersion);
    if (size > limit) throw new HomieError('PACKET_TOO_LARGE.limit', { limit, size });
    if (options.qos === 1 && lacks.includes('qos1')) throw new HomieError('PUBLISH_REFUSED.qos1');
    return this.#publishes.add(topic, payload, options);
  }

  /** When the broker last sent something, in ms of `performance.now()`. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** See `Connection.freshSince`. */
  get freshSince(): number {
    return this.#pings.freshSince;
  }

  /** See `Connection.refresh`. */
  refresh(): void {
    if (this.#accepted === undefined || this.#ended || this.#client.disconnecting) return;
    if (this.#pings.areAwaited || performance.now() - this.freshSince < RECENT) return;
    void this.#pings.send().catch(() => undefined);
  }

  /** Pings the broker. See `Connection.ping`. */
  async ping(): Promise<void> {
    if (this.#ended || this.#client.disconnecting) throw new HomieError('NOT_CONNECTED');
    return this.#pings.send();
  }

  /**
   * Disconnects within a second. Sends DISCONNECT unless the broker has not accepted the connection or a publish is
   * open. Resolves when the connection is gone.
   */
  close(): Promise<void> {
    if (this.#ended || !this.#started) return Promise.resolve();
    const client = this.#client;
    return new Promise((resolve) => {
      // A second `end` of mqtt.js has no effect, even a forced one.
      const force = setTimeout(() => client.stream.destroy(), FAREWELL);
      client.once('close', () => {
        clearTimeout(force);
        resolve();
      });
      client.end(this.#accepted === undefined || !this.#publishes.isEmpty);
    });
  }

  /** Filters data before mqtt.js reads it, because mqtt.js buffers a packet until it is complete. */
  #limitPackets(stream: MqttClient['stream']): void {
    const limit = new PacketLimit(MAX_PACKET, (topic, size) => {
      if (!this.#ended) this.#events.skipped(topic, size);
    });
    const push = stream.push.bind(stream);
    stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
      this.#heardAt = performance.now();
      return push(Buffer.isBuffer(chunk) ? limit.filter(chunk) : chunk, encoding);
    };
  }

  /** Ends the connection so that nothing still in transit reaches the broker later, not even from the socket buffer. */
  #cut(): void {
    const { stream } = this.#client;
    // A TLS socket cannot be reset.
    if (stream instanceof Socket && !(stream instanceof TLSSocket)) stream.resetAndDestroy();
    else stream.destroy();
  }

  #fail(error: unknown): void {
    this.#seen.error ??= error;
    if (error instanceof Error && error.message === 'Invalid puback reason code') {
      this.#publishes.readStrangePubacks(this.#seen.lastBytes);
    }
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const { lastBytes, disconnect, server, ...seen } = this.#seen;
    const opened = this.#accepted !== undefined;
    this.#publishes.end(disconnect === 149, disconnect === undefined ? undefined : byReasonCode(disconnect, opened));
    this.#pings.end();
    this.#subscriptions.end();
    if (this.#started) this.#client.end(true);
    this.#events.closed({
      ...seen,
      opened,
      subscribing: this.#subscriptions.isPending,
      tlsAlert: isTlsAlert(lastBytes),
      ...(server !== undefined && { server }),
      ...(disconnect !== undefined && { disconnect }),
    });
  }
}

/**
 * Returns what a broker lacks, from the properties of its CONNACK. A feature that is not mentioned there is available.
 */
function lacksOf(properties: IConnackPacket['properties']): Lack[] {
  const { retainAvailable, wildcardSubscriptionAvailable, maximumQoS } = properties ?? {};
  return [
    ...(retainAvailable === false ? (['retained'] as const) : []),
    ...(wildcardSubscriptionAvailable === false ? (['wildcards'] as const) : []),
    ...(maximumQoS === 0 ? (['qos1'] as const) : []),
  ];
}
