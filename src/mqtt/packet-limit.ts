/** MQTT 5, section 2.1.2: the type in the upper half of the first byte. */
const PUBLISH = 3;

/** The longest fixed header: one byte, and a length of up to four (MQTT 5, section 1.5.5). */
const LONGEST_HEADER = 5;

interface LargePacket {
  readonly size: number;
  readonly isPublish: boolean;
  topic: Buffer;
}

/**
 * Takes packets out of what a broker sends that are larger than a limit, as they come and without keeping them: MQTT 3.1.1
 * cannot announce one to the broker. A retained message would come again at each connection, so that to close the connection
 * would shut everybody out. What is taken out is never acknowledged, which QoS 0 does not need.
 */
export class PacketLimit {
  readonly #limit: number;
  readonly #skipped: (topic: string, size: number) => void;
  /** A fixed header that is not complete. */
  #header: Buffer = Buffer.alloc(0);
  /** Bytes of the present packet that are still to come. */
  #left = 0;
  /** Of a packet that is taken out: how large it is, and what has come of its topic. */
  #large: LargePacket | undefined;

  /**
   * @param limit the largest packet, in bytes after its fixed header; at least as much as a topic may take
   * @param skipped called once the topic of a larger one has come; it is empty where that is no message
   */
  constructor(limit: number, skipped: (topic: string, size: number) => void) {
    this.#limit = limit;
    this.#skipped = skipped;
  }

  /** @returns what of these bytes belongs to packets within the limit */
  filter(chunk: Buffer): Buffer {
    const bytes = this.#header.length === 0 ? chunk : Buffer.concat([this.#header, chunk]);
    this.#header = Buffer.alloc(0);
    const kept: Buffer[] = [];
    /** Where the bytes begin that are kept and not yet in `kept`. */
    let from = 0;
    let at = 0;
    while (at < bytes.length) {
      if (this.#left > 0) {
        const end = Math.min(bytes.length, at + this.#left);
        this.#left -= end - at;
        if (this.#large !== undefined) {
          this.#readTopic(this.#large, bytes.subarray(at, end));
          from = end;
        }
        at = end;
        continue;
      }
      this.#large = undefined;
      const header = readHeader(bytes, at);
      if (header === undefined) {
        this.#header = Buffer.from(bytes.subarray(at));
        break;
      }
      this.#left = header.size;
      if (header.size > this.#limit) {
        kept.push(bytes.subarray(from, at));
        from = header.end;
        const isPublish = header.type === PUBLISH;
        this.#large = { size: header.size, isPublish, topic: Buffer.alloc(0) };
        if (!isPublish) this.#skipped('', header.size);
      }
      at = header.end;
    }
    const end = bytes.length - this.#header.length;
    if (kept.length === 0 && from < end) return bytes.subarray(from, end);
    return Buffer.concat([...kept, bytes.subarray(from, end)]);
  }

  /** Tells of a message once its topic has come: two bytes of length, and the text (section 3.3.2.1). */
  #readTopic(large: LargePacket, bytes: Buffer): void {
    if (!large.isPublish || isComplete(large.topic)) return;
    const missing = 2 + 0xffff - large.topic.length;
    large.topic = Buffer.concat([large.topic, bytes.subarray(0, missing)]);
    if (isComplete(large.topic)) {
      this.#skipped(large.topic.subarray(2, 2 + large.topic.readUInt16BE(0)).toString(), large.size);
    }
  }
}

function isComplete(topic: Buffer): boolean {
  return topic.length >= 2 && topic.length >= 2 + topic.readUInt16BE(0);
}

/** @returns undefined where it is not complete. A length of more than four bytes passes, and mqtt.js refuses it. */
function readHeader(
  bytes: Buffer,
  at: number,
): { readonly type: number; readonly size: number; readonly end: number } | undefined {
  const type = (bytes[at] ?? 0) >> 4;
  let size = 0;
  for (let i = 1; i < LONGEST_HEADER; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    size += (byte & 0x7f) * 128 ** (i - 1);
    if (byte < 0x80) return { type, size, end: at + i + 1 };
  }
  return { type, size: 0, end: at + LONGEST_HEADER };
}
