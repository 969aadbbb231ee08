import { EventEmitter } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import { generate, parser as packetParser, type IConnectPacket, type Packet } from 'mqtt-packet';
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
  /** Bytes have come. */
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
  readonly #pings: NodeJS.Timeout;
  readonly #acknowledged = new Map<number, () => void>();
  #messageId = 0;
  #alive = true;
  #error: Error | undefined;

  constructor(options: LinkOptions) {
    super();
    const { hostname, port, protocol } = new URL(options.url);
    const secure = protocol === 'mqtts:';
    const address = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (secure ? 8883 : 1883) };
    this.#socket = secure ? connectTls({ ...options.tls, ...address }) : connectTcp(address);
    this.#socket.setNoDelay(true);
    this.#segments = new Segments(options.segment);
    this.#socket.once(secure ? 'secureConnect' : 'connect', () => this.send(connectPacket(options)));
    this.#socket.on('data', (chunk) => {
      if (!this.#alive) return;
      this.#segments.push(chunk);
      this.emit('data');
    });
    this.#socket.on('error', (error) => (this.#error = error));
    this.#socket.once('end', () => this.destroy());
    this.#socket.once('close', () => this.#closed());
    // AsyncMqttClient pings when nothing was sent for 70 % of the keepalive; here it pings at that pace regardless.
    this.#pings = setInterval(() => this.send({ cmd: 'pingreq' }), options.keepalive * 700);
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Bytes read so far: whether the connection is quiet. */
  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  send(packet: Packet): void {
    if (this.#alive && this.#socket.writable) this.#socket.write(generate(packet, { protocolVersion: 4 }));
  }

  /** @returns resolves when the broker has acknowledged it; never when the connection is lost before */
  publish(topic: string, payload: string, qos: 0 | 1): Promise<void> {
    const messageId = qos === 0 ? undefined : this.#nextId();
    this.send({ cmd: 'publish', topic, payload, qos, retain: true, dup: false, ...(messageId && { messageId }) });
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
      if (piece.kind === 'publish') return piece;
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
    clearInterval(this.#pings);
    this.#segments.clear();
  }

  #closed(): void {
    this.#die();
    this.emit('close', this.#error);
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
