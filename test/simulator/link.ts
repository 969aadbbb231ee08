import { EventEmitter } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import { generate, parser as packetParser, type IConnectPacket, type Packet } from 'mqtt-packet';
import { bytesOf } from './bytes';
import { Keepalive } from './keepalive';
import { type Piece, Segments } from './segments';

export interface LinkOptions {
  /** `mqtt://` or `mqtts://`. */
  readonly url: string;
  readonly tls?: TlsOptions;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  readonly will: { topic: string; payload: string };
  /** Seconds. */
  readonly keepalive: number;
  /** Bytes of a TCP segment. */
  readonly segment: number;
}

interface LinkEvents {
  /** The broker has accepted the connection. */
  open: [];
  /** Bytes have come, or the end behind them. */
  data: [];
  /** The connection is gone, or was never there; whatever had come and was not taken is lost. */
  close: [error: Error | undefined];
}

/**
 * One MQTT 3.1.1 connection of a device, clean session and all. It hands out what the broker sends piece by piece,
 * which an ordinary client does not: the device acts on the first segment of a payload before the last has come.
 */
export class Link extends EventEmitter<LinkEvents> {
  readonly #socket: Socket;
  readonly #segments: Segments;
  readonly #keepalive: Keepalive;
  readonly #acknowledged = new Map<number, () => void>();
  #messageId = 0;
  #alive = true;
  /** What waits in the client for acknowledgements that have not come. */
  #waiting: Packet[] | undefined;
  #ended = false;
  #error: Error | undefined;

  constructor(options: LinkOptions) {
    super();
    const { hostname, port, protocol } = new URL(options.url);
    const secure = protocol === 'mqtts:';
    const address = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (secure ? 8883 : 1883) };
    this.#socket = secure
      ? connectTls({ ...options.tls, ...address })
      : connectTcp({ ...address, allowHalfOpen: true });
    this.#socket.setNoDelay(true);
    this.#segments = new Segments(options.segment);
    this.#socket.once(secure ? 'secureConnect' : 'connect', () => this.send(connectPacket(options)));
    this.#socket.on('data', (chunk) => {
      if (!this.#alive) return;
      this.#segments.push(chunk);
      this.emit('data');
    });
    this.#socket.on('error', (error) => (this.#error = error));
    this.#socket.once('end', () => this.#endedByBroker());
    this.#socket.once('close', () => this.#closed());
    this.#keepalive = new Keepalive(
      options.keepalive,
      () => this.send({ cmd: 'pingreq' }),
      // A DISCONNECT waits like any other packet.
      () => !this.#waiting && this.disconnect(),
    );
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Bytes read so far: whether the connection is quiet. */
  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /** The broker has ended the connection; what it had sent before can still be taken in. */
  get endedByBroker(): boolean {
    return this.#ended;
  }

  send(packet: Packet): void {
    if (this.#waiting) this.#waiting.push(packet);
    else if (this.#alive && this.#socket.writable) this.#write(packet);
  }

  /**
   * From now on nothing goes out, not even a PINGREQ. What the broker has sent is taken in all the same, even after it
   * has given up the connection.
   */
  holdBack(): void {
    this.#waiting ??= [];
  }

  /** No more of the image will come: what waited goes out, or the connection ends if the broker has ended it. */
  release(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    if (this.#ended) this.destroy();
    for (const packet of waiting) this.send(packet);
  }

  /** @returns resolves when the broker has acknowledged it; never when the connection is lost before */
  publish(topic: string, payload: string, qos: 0 | 1): Promise<void> {
    const messageId = qos === 0 ? undefined : this.#nextId();
    this.send({
      cmd: 'publish',
      topic,
      payload: bytesOf(payload),
      qos,
      retain: true,
      dup: false,
      ...(messageId && { messageId }),
    });
    return this.#acknowledgement(messageId);
  }

  subscribe(topic: string, qos: 1 | 2): Promise<void> {
    const messageId = this.#nextId();
    this.send({ cmd: 'subscribe', messageId, subscriptions: [{ topic, qos }] });
    return this.#acknowledgement(messageId);
  }

  /** The next piece of a PUBLISH; other packets are dealt with on the way. @returns undefined when none has come */
  next(): Extract<Piece, { kind: 'publish' }> | undefined {
    for (let piece = this.#segments.next(); piece; piece = this.#segments.next()) {
      if (piece.kind === 'publish') {
        this.#keepalive.received();
        return piece;
      }
      this.#handle(parse(piece.bytes));
    }
    return undefined;
  }

  /** Ends the connection as a rebooting device does: what was sent arrives, then FIN, and no DISCONNECT. */
  end(): void {
    this.#die();
    this.#socket.end();
    this.#socket.resume();
  }

  /** Ends the connection as MQTT has it: the broker forgets the will. */
  disconnect(): void {
    this.send({ cmd: 'disconnect' });
    this.end();
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#die();
    this.#socket.destroy();
  }

  /** The device is dead, and nobody tells the broker: it answers and pings no more, and the socket stays open. */
  freeze(): void {
    this.#die();
    this.#socket.pause();
  }

  #die(): void {
    this.#alive = false;
    this.#waiting = undefined;
    this.#keepalive.stop();
    this.#segments.clear();
  }

  #closed(): void {
    this.#die();
    this.emit('close', this.#error);
  }

  #endedByBroker(): void {
    if (!this.#waiting) return this.destroy();
    this.#ended = true;
    this.emit('data');
  }

  #write(packet: Packet): void {
    this.#keepalive.sent();
    this.#socket.write(generate(packet, { protocolVersion: 4 }));
  }

  #nextId(): number {
    this.#messageId = (this.#messageId % 0xffff) + 1;
    return this.#messageId;
  }

  #acknowledgement(messageId: number | undefined): Promise<void> {
    if (messageId === undefined) return Promise.resolve();
    return new Promise((resolve) => this.#acknowledged.set(messageId, resolve));
  }

  #handle(packet: Packet): void {
    const { messageId = 0 } = packet;
    this.#keepalive.received(packet.cmd === 'pingresp');
    if (packet.cmd === 'connack') {
      if (packet.returnCode === 0) this.emit('open');
      else this.#socket.destroy(new Error(`The broker refused the connection (${packet.returnCode})`));
    } else if (packet.cmd === 'puback' || packet.cmd === 'suback') {
      this.#acknowledged.get(messageId)?.();
      this.#acknowledged.delete(messageId);
    } else if (packet.cmd === 'pubrel') {
      this.send({ cmd: 'pubcomp', messageId });
    }
  }
}

function connectPacket({ clientId, keepalive, username, password, will }: LinkOptions): IConnectPacket {
  return {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    clientId,
    keepalive,
    will: { ...will, payload: Buffer.from(will.payload), qos: 1, retain: true },
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password: Buffer.from(password) }),
  };
}

function parse(bytes: Buffer): Packet {
  const packets: Packet[] = [];
  const parser = packetParser({ protocolVersion: 4 });
  parser.on('packet', (packet: Packet) => packets.push(packet));
  parser.parse(bytes);
  const [packet] = packets;
  if (!packet) throw new Error('The broker sent a packet that cannot be read');
  return packet;
}
