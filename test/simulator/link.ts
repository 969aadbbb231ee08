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
  /** Bytes have arrived, or the broker has ended the connection. */
  data: [];
  /** The connection has ended or could not be made. Bytes that were not read are lost. */
  close: [error: Error | undefined];
}

/**
 * One MQTT 3.1.1 connection of a device, with a clean session. Unlike an ordinary client it returns what the broker
 * sends piece by piece: a device acts on the first segment of a payload before the last one has arrived.
 */
export class Link extends EventEmitter<LinkEvents> {
  readonly #socket: Socket;
  readonly #segments: Segments;
  readonly #keepalive: Keepalive;
  readonly #acknowledged = new Map<number, () => void>();
  #messageId = 0;
  #alive = true;
  /** Packets that the client holds back until outstanding acknowledgements arrive. */
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
      // A DISCONNECT is held back like any other packet.
      () => !this.#waiting && this.disconnect(),
    );
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Number of bytes read so far. If it does not grow, the connection is quiet. */
  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /** Whether the broker has ended the connection. What it sent before can still be read. */
  get endedByBroker(): boolean {
    return this.#ended;
  }

  send(packet: Packet): void {
    if (this.#waiting) this.#waiting.push(packet);
    else if (this.#alive && this.#socket.writable) this.#write(packet);
  }

  /**
   * Holds back all packets from now on, even a PINGREQ. What the broker has sent can still be read, even after it has
   * given up the connection.
   */
  holdBack(): void {
    this.#waiting ??= [];
  }

  /** Sends what was held back once no more of the image will arrive; closes the connection if the broker ended it. */
  release(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    if (this.#ended) this.destroy();
    for (const packet of waiting) this.send(packet);
  }

  /** Publishes, retained. Resolves when the broker has acknowledged it; never if the connection is lost before. */
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

  /** Returns the next piece of a PUBLISH, or undefined if none has arrived. Handles other packets on the way. */
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

  /** Ends the connection as a rebooting device does: with a FIN behind what was sent, and without a DISCONNECT. */
  end(): void {
    this.#die();
    this.#socket.end();
    this.#socket.resume();
  }

  /** Ends the connection with a DISCONNECT, so that the broker does not publish the will. */
  disconnect(): void {
    this.send({ cmd: 'disconnect' });
    this.end();
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#die();
    this.#socket.destroy();
  }

  /** Lets the device die without notifying the broker: it no longer answers or pings, and the socket stays open. */
  freeze(): void {
    this.#die();
    this.#socket.pause();
  }

  /** Reads nothing any more, so that the broker's bytes do not arrive. */
  stall(): void {
    this.#segments.clear();
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
