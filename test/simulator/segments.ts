/** The part of a PUBLISH before its payload. */
interface PublishHeader {
  readonly topic: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly messageId: number | undefined;
  /** Bytes of the payload. */
  readonly total: number;
}

/** A piece of the stream: the part of a PUBLISH that is in one TCP segment, or a whole packet of another type. */
export type Piece =
  | {
      readonly kind: 'publish';
      readonly header: PublishHeader;
      readonly payload: Buffer;
      readonly index: number;
      /** Whether this piece is the last one in its segment. */
      readonly endsSegment: boolean;
    }
  | { readonly kind: 'packet'; readonly bytes: Buffer };

/** Packet type, from the upper four bits of the first byte (MQTT 3.1.1, 2.2.1). */
const PUBLISH = 3;

/**
 * Cuts the byte stream from the broker as a device's TCP stack does: into segments of a fixed size, counted from the
 * first byte of a PUBLISH. A PUBLISH directly behind another one continues in the same segment. The chunks in which
 * Node.js reads the stream do not matter. Short packets in between count as segments of their own.
 */
export class Segments {
  readonly #size: number;
  #bytes = Buffer.alloc(0);
  #current: { header: PublishHeader; index: number } | undefined;
  /** Bytes of the current segment that have been returned already. */
  #used = 0;

  /** @param size bytes of a full segment: 1460, or 536 with lwIP's "low memory" variant */
  constructor(size: number) {
    this.#size = size;
  }

  push(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
  }

  /** Discards all unread bytes when the connection has ended. */
  clear(): void {
    this.#bytes = Buffer.alloc(0);
    this.#current = undefined;
    this.#used = 0;
  }

  /** Returns the next piece; undefined until more bytes arrive. */
  next(): Piece | undefined {
    if (!this.#current) {
      const packet = readFixedHeader(this.#bytes);
      if (!packet) return undefined;
      if (packet.type !== PUBLISH) return this.#packet(packet.start + packet.length);
      const publish = readPublishHeader(this.#bytes, packet);
      if (!publish) return undefined;
      this.#bytes = this.#bytes.subarray(publish.bytes);
      this.#used = (this.#used + publish.bytes) % this.#size;
      this.#current = { header: publish.header, index: 0 };
    }
    return this.#part(this.#current);
  }

  #part({ header, index }: { header: PublishHeader; index: number }): Piece | undefined {
    const length = Math.min(this.#size - this.#used, header.total - index);
    if (this.#bytes.length < length) return undefined;
    const payload = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    const complete = index + length === header.total;
    this.#current = complete ? undefined : { header, index: index + length };
    this.#used = (this.#used + length) % this.#size;
    const followed = complete && this.#bytes.length > 0 && (this.#bytes[0] ?? 0) >> 4 === PUBLISH;
    if (complete && !followed) this.#used = 0;
    return { kind: 'publish', header, payload, index, endsSegment: this.#used === 0 };
  }

  #packet(length: number): Piece | undefined {
    if (this.#bytes.length < length) return undefined;
    const bytes = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return { kind: 'packet', bytes };
  }
}

interface FixedHeader {
  readonly type: number;
  /** Where the variable header starts, in bytes. */
  readonly start: number;
  /** Bytes from there to the end of the packet. */
  readonly length: number;
}

/** Reads the type and the remaining length, which has one to four bytes (MQTT 3.1.1, 2.2). */
function readFixedHeader(bytes: Buffer): FixedHeader | undefined {
  let length = 0;
  for (let i = 1; i <= 4; i++) {
    const byte = bytes[i];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 128 ** (i - 1);
    if (byte < 0x80) return { type: (bytes[0] ?? 0) >> 4, start: i + 1, length };
  }
  throw new Error('The broker sent a packet with a malformed length');
}

/** Reads the topic and, at QoS 1 and 2, the packet id (MQTT 3.1.1, 3.3). */
function readPublishHeader(
  bytes: Buffer,
  { start, length }: FixedHeader,
): { header: PublishHeader; bytes: number } | undefined {
  if (bytes.length < start + 2) return undefined;
  const flags = bytes[0] ?? 0;
  const qos = (flags >> 1) & 3;
  const topicEnd = start + 2 + bytes.readUInt16BE(start);
  const end = topicEnd + (qos > 0 ? 2 : 0);
  if (bytes.length < end) return undefined;
  return {
    bytes: end,
    header: {
      topic: bytes.toString('utf8', start + 2, topicEnd),
      qos,
      retain: (flags & 1) === 1,
      messageId: qos > 0 ? bytes.readUInt16BE(topicEnd) : undefined,
      total: start + length - end,
    },
  };
}
