import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { connect, type IConnackPacket, type MqttClient } from 'mqtt';
import { MAX_TIMER } from '../deadline';
import { HomieError } from '../errors';
import { clientOptions, isEncrypted, MAX_PACKET, shownUrl, type ConnectionOptions } from './options';
import { PacketLimit } from './packet-limit';
import { packetSize, pubackCode, publishError } from './publish-packet';
import { isTlsAlert, type ConnectionEnd } from './reason';
import { byReasonCode } from './reason-codes';
import { subscribePackets } from './subscribe-packets';

export interface PublishOptions {
  readonly qos: 0 | 1;
  readonly retain?: boolean;
  /** In ms. */
  readonly timeout: number;
  /** Asked when its turn comes: whether it still makes sense. */
  readonly still?: () => boolean;
}

export interface Published {
  /** MQTT 5, reason code 16: the broker knew of nobody who subscribes to the topic. */
  readonly noSubscribers: boolean;
}

/**
 * What a broker does without: by its CONNACK (MQTT 5, section 3.2.2.3), or as it was seen (`retainedByWildcard`: nothing
 * retained is delivered for a filter with a wildcard).
 */
export type Lack = 'retained' | 'wildcards' | 'qos1' | 'retainedByWildcard';

/** What a session tells. */
export interface SessionEvents {
  /** The broker accepted. @param maximumPacketSize in bytes, where the broker says so */
  opened(maximumPacketSize: number | undefined, lacks: readonly Lack[]): void;
  message(topic: string, payload: Buffer, retained: boolean): void;
  /** A message was skipped because it is too large. @param size in bytes */
  skipped(topic: string, size: number): void;
  /** The network connection is gone. Called once, and last. */
  closed(end: ConnectionEnd): void;
}

/** A publish that is not settled. */
interface Pending {
  /** Packet id, with QoS 1. */
  id?: number;
  /** Bytes. */
  readonly size: number;
  /** Begins its deadline. */
  readonly start: () => void;
  readonly settle: (outcome: Published | HomieError) => void;
}

/**
 * While the broker acknowledges a publish, the next one may go out: on a quick link only, where one of that size was
 * acknowledged within so many ms. More than two at a time gain nothing (`npm run bench -- --only 3`), and leave more open
 * when the connection is lost.
 */
const QUICK = 100;
const UNDER_WAY = 2;

/** How long the broker may take to close the connection after our DISCONNECT, in ms. */
const FAREWELL = 1000;

/** MQTT 5, section 3.4.2.1. */
const NO_SUBSCRIBERS = 16;

/**
 * One network connection to a broker, from CONNECT to its end. It never connects again, so that nothing can ever be sent
 * twice: mqtt.js repeats at every reconnect what was not acknowledged, even in a clean session.
 */
export class Session {
  readonly protocolVersion: 4 | 5;
  readonly #client: MqttClient;
  readonly #events: SessionEvents;
  readonly #url: string;
  readonly #shownUrl: string;
  /** In their order. */
  readonly #pending = new Set<Pending>();
  /** Bytes that the link has brought to the broker within `QUICK`. */
  #quick = 0;
  /** Resolved when another publish may go out. */
  #turn: Promise<void> = Promise.resolve();
  /** Called when one might. */
  #room: () => void = () => undefined;
  /** Packet ids of publishes that reached nobody. */
  readonly #unheard = new Set<number>();
  /** Those of mqtt.js, too. */
  #pingsSent = 0;
  #pingsAnswered = 0;
  /** By the number of the ping whose answer is waited for. */
  readonly #pings = new Map<number, { readonly resolve: () => void; readonly reject: (error: HomieError) => void }>();
  #heardAt = performance.now();
  #started = false;
  #opened = false;
  #ended = false;
  #maximumPacketSize: number | undefined;
  #lacks: readonly Lack[] = [];
  /** How many SUBSCRIBE packets are not acknowledged. */
  #subscribing = 0;
  #server: string | undefined;
  #error: unknown;
  #lastBytes: Buffer = Buffer.alloc(0);
  #disconnect: number | undefined;

  /** @throws {HomieError} BROKER_SETTINGS */
  constructor(options: ConnectionOptions, protocolVersion: 4 | 5, clientId: string, events: SessionEvents) {
    this.protocolVersion = protocolVersion;
    this.#events = events;
    this.#url = shownUrl(options.url);
    this.#shownUrl = options.shownUrl ?? this.#url;
    this.#client = connect({
      ...clientOptions(options, protocolVersion, clientId),
      timerVariant: {
        // While a publish is on its way its own deadline watches the link: a ping would wait behind a large one on a slow
        // link, and its answer would come too late.
        set: (tick, ms) => Number(setInterval(() => this.#pending.size === 0 && tick(), ms)),
        clear: (timer) => clearInterval(timer),
      },
    });
  }

  /** Sends CONNECT. To be called once. */
  open(): void {
    const client = this.#client;
    client.on('connect', ({ properties }) => {
      // What came behind the CONNACK could not be read.
      if (this.#ended) return;
      this.#opened = true;
      this.#maximumPacketSize = properties?.maximumPacketSize;
      this.#lacks = lacksOf(properties);
      this.#events.opened(this.#maximumPacketSize, this.#lacks);
    });
    client.on('message', (topic, payload, { retain }) => {
      if (!this.#ended) this.#events.message(topic, payload, retain);
    });
    // mqtt.js gives the reason code of a PUBACK to nobody when it is not an error.
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'puback' && packet.reasonCode === NO_SUBSCRIBERS) this.#unheard.add(packet.messageId ?? 0);
      if (packet.cmd === 'pingresp') this.#answered();
      if (packet.cmd === 'suback') this.#subscribing -= 1;
      if (packet.cmd === 'connack' || packet.cmd === 'disconnect') this.#server = packet.properties?.serverReference;
    });
    client.on('packetsend', ({ cmd }) => {
      if (cmd === 'pingreq') this.#pingsSent += 1;
      if (cmd === 'subscribe') this.#subscribing += 1;
    });
    client.on('disconnect', ({ reasonCode }) => {
      if (reasonCode !== 0) this.#disconnect = reasonCode;
    });
    client.on('error', (error) => this.#fail(error));
    client.on('close', () => this.#end());
    try {
      client.connect();
      this.#started = true;
      client.stream.on('drain', () => this.#room());
      this.#limitPackets(client.stream);
      client.stream.prependListener('data', (bytes: Buffer) => (this.#lastBytes = bytes));
      // mqtt.js keeps errors without a code to itself.
      client.stream.on('error', (error: unknown) => this.#fail(error));
    } catch (error) {
      // Thrown at once by node:tls for a certificate that cannot be read.
      this.#error = error;
      queueMicrotask(() => this.#end());
    }
  }

  /**
   * Subscribes with one SUBSCRIBE after the other: each waits until the one before it is acknowledged. Mosquitto drops
   * retained messages of a SUBSCRIBE that do not fit into its socket and 1000 more (max_queued_messages), at QoS 0 and 1
   * alike, and acknowledges it after them. With 150,000 retained messages on mosquitto 2.0.11, 15 filters in one SUBSCRIBE
   * lost 62,000 of them, and 15 SUBSCRIBEs at a time lost 60,000; one after the other they lost none. Filters without a
   * wildcard bring one message each and go together.
   *
   * @returns resolves when all are acknowledged: the reason codes of those that the broker refused (MQTT 5, section 3.9.3);
   * rejects when the connection is gone
   */
  async subscribe(filters: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const refused = new Map<string, number>();
    for (const packet of subscribePackets(filters)) {
      const codes = await this.#subscribeTogether(packet);
      for (const [index, filter] of packet.entries()) {
        const code = codes[index] ?? 0;
        if (code >= 0x80) refused.set(filter, code);
      }
    }
    return refused;
  }

  /** @returns what SUBACK says of each filter */
  async #subscribeTogether(filters: string[]): Promise<readonly number[]> {
    try {
      await this.#client.subscribeAsync(filters, { qos: 0 });
      return [];
    } catch (error) {
      if (this.#ended) throw error;
      // mqtt.js rejects as soon as one of them is refused.
      const { granted }: { granted?: unknown } = Object(Reflect.get(Object(error), 'packet'));
      return Array.isArray(granted) ? granted.map(Number) : [];
    }
  }

  async unsubscribe(filters: readonly string[]): Promise<void> {
    await this.#client.unsubscribeAsync([...filters]);
  }

  /**
   * See `Connection.publish`. What is published goes out one by one, or two by two on a quick link, and a deadline begins
   * when what was before is acknowledged. So that of a small message does not pass behind a large one, and what has not gone
   * out when the connection ends is known not to have been sent.
   */
  async publish(topic: string, payload: Buffer | string, options: PublishOptions): Promise<Published> {
    const size = packetSize(topic, Buffer.byteLength(payload), options.qos, this.protocolVersion);
    if (this.#maximumPacketSize !== undefined && size > this.#maximumPacketSize) {
      throw new HomieError('PACKET_TOO_LARGE.limit', { limit: this.#maximumPacketSize, size });
    }
    if (options.qos === 1 && this.#lacks.includes('qos1')) {
      throw new HomieError('PUBLISH_REFUSED.qos1');
    }
    const published = this.#turn.then(() => this.#send(topic, payload, options));
    this.#turn = this.#turn.then(() => this.#untilRoom());
    return published;
  }

  /** When something last came from the broker, in ms of `performance.now()`. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** See `Connection.ping`. */
  ping(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#ended || this.#client.disconnecting) throw new HomieError('NOT_CONNECTED');
      this.#client.sendPing();
      this.#pings.set(this.#pingsSent, { resolve, reject });
    });
  }

  /** Says good-bye and ends the connection, within a second. Resolves when it is gone. */
  close(): Promise<void> {
    if (this.#ended || !this.#started) return Promise.resolve();
    const client = this.#client;
    return new Promise((resolve) => {
      // A second `end` of mqtt.js, even a forced one, does nothing.
      const force = setTimeout(() => client.stream.destroy(), FAREWELL);
      client.once('close', () => {
        clearTimeout(force);
        resolve();
      });
      client.end(!this.#opened || this.#pending.size > 0);
    });
  }

  /** Looks at what comes before mqtt.js does, which keeps a packet until it is complete. */
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

  async #untilRoom(): Promise<void> {
    while (!this.#ended && this.#isFull) await new Promise<void>((resolve) => (this.#room = resolve));
  }

  get #isFull(): boolean {
    const [first] = this.#pending;
    if (first === undefined) return false;
    return this.#pending.size >= UNDER_WAY || first.size > this.#quick || this.#client.stream.writableNeedDrain;
  }

  #send(
    topic: string,
    payload: Buffer | string,
    { qos, retain = false, timeout, still = () => true }: PublishOptions,
  ): Promise<Published> {
    return new Promise((resolve, reject) => {
      if (this.#ended || this.#client.disconnecting) throw new HomieError('NOT_CONNECTED');
      if (!still()) throw new HomieError('NOT_CONNECTED.tooLate');
      let timer: NodeJS.Timeout | undefined;
      let startedAt = 0;
      const timeUp = (): void => {
        pending.settle(new HomieError('PUBLISH_TIMEOUT'));
        this.#cut();
        this.#end();
      };
      const pending: Pending = {
        size: payload.length,
        start: () => {
          if (timer !== undefined) return;
          startedAt = performance.now();
          timer = setTimeout(timeUp, Math.min(timeout, MAX_TIMER));
        },
        settle: (outcome) => {
          if (!this.#pending.delete(pending)) return;
          clearTimeout(timer);
          if (timer !== undefined && performance.now() - startedAt > QUICK) this.#quick = 0;
          else if (qos === 1) this.#quick = Math.max(this.#quick, payload.length);
          const [next] = this.#pending;
          next?.start();
          this.#room();
          if (outcome instanceof HomieError) reject(outcome);
          else resolve(outcome);
        },
      };
      this.#pending.add(pending);
      if (this.#pending.size === 1) pending.start();
      this.#client.publish(topic, payload, { qos, retain }, (error) => {
        if (error) pending.settle(publishError('code' in error ? error.code : undefined));
        else pending.settle({ noSubscribers: pending.id !== undefined && this.#unheard.delete(pending.id) });
      });
      if (qos === 1) pending.id = this.#client.getLastMessageId();
    });
  }

  #answered(): void {
    this.#pingsAnswered += 1;
    this.#pings.get(this.#pingsAnswered)?.resolve();
    this.#pings.delete(this.#pingsAnswered);
  }

  /** Ends the connection so that what is still on its way does not reach the broker later, not even from the socket. */
  #cut(): void {
    const { stream } = this.#client;
    // A TLS socket has no reset.
    if (stream instanceof Socket && !(stream instanceof TLSSocket)) stream.resetAndDestroy();
    else stream.destroy();
  }

  #fail(error: unknown): void {
    this.#error ??= error;
    if (error instanceof Error && error.message === 'Invalid puback reason code') this.#settleStrangePubacks();
    this.#end();
  }

  /**
   * Mosquitto (2.0.11) answers a publish beyond its message_size_limit by a PUBACK with reason code 149. MQTT 5 has no such
   * code there, so that mqtt.js cannot read it.
   */
  #settleStrangePubacks(): void {
    for (const { id, settle } of this.#pending) {
      const code = id === undefined ? undefined : pubackCode(this.#lastBytes, id);
      if (code !== undefined) settle(publishError(code));
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const tooLarge = this.#disconnect === 149 ? Math.max(...[...this.#pending].map(({ size }) => size)) : undefined;
    const cause = this.#disconnect === undefined ? undefined : byReasonCode(this.#disconnect, this.#opened);
    for (const { size, settle } of this.#pending) {
      settle(new HomieError(size === tooLarge ? 'PACKET_TOO_LARGE' : 'CONNECTION_LOST', undefined, { cause }));
    }
    for (const { reject } of this.#pings.values()) reject(new HomieError('CONNECTION_LOST'));
    this.#room();
    if (this.#started) this.#client.end(true);
    this.#events.closed({
      error: this.#error,
      opened: this.#opened,
      protocolVersion: this.protocolVersion,
      subscribing: this.#subscribing > 0,
      tlsAlert: isTlsAlert(this.#lastBytes),
      ...(this.#server !== undefined && { server: this.#server }),
      secure: isEncrypted(this.#url),
      websocket: /^wss?:/.test(this.#url),
      url: this.#shownUrl,
      ...(this.#disconnect !== undefined && { disconnect: this.#disconnect }),
    });
  }
}

/** @param properties of CONNACK; what is left out there is available */
function lacksOf(properties: IConnackPacket['properties']): Lack[] {
  const { retainAvailable, wildcardSubscriptionAvailable, maximumQoS } = properties ?? {};
  return [
    ...(retainAvailable === false ? (['retained'] as const) : []),
    ...(wildcardSubscriptionAvailable === false ? (['wildcards'] as const) : []),
    ...(maximumQoS === 0 ? (['qos1'] as const) : []),
  ];
}
