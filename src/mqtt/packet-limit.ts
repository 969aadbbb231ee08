/** The packet type in the upper half of the first byte (MQTT 5, section 2.1.2). */
const PUBLISH = 3;

/** The longest fixed header in bytes: one byte for the type, and up to four for the length (MQTT 5, section 1.5.5). */
const LONGEST_HEADER = 5;

interface LargePacket {
  readonly size: number;
  readonly isPublish: boolean;
  topic: Buffer;
}

/**
 * Removes packets over a limit from the stream of a broker as they arrive, without buffering them, because MQTT 3.1.1
 * cannot announce a limit to the broker. Closing the connection instead would not help: a retained message would arrive
 * again at each reconnect and keep everybody out. Removed packets are never acknowledged, which QoS 0 does not need.
 */
export class PacketLimit {
  readonly #limit: number;
  readonly #skipped: (topic: string, size: number) => void;
  /** An incomplete fixed header. */
  #header: Buffer = Buffer.alloc(0);
  /** Bytes of the current packet that have not arrived yet. */
  #left = 0;
  /** The packet that is being removed: its size, and what has arrived of its topic. */
  #large: LargePacket | undefined;

  /**
   * @param limit the largest packet, in bytes after its fixed header; must not be less than the longest topic
   * @param skipped called once the topic of a larger packet has arrived; the topic is empty if the packet is not a
   *   PUBLISH
   */
  constructor(limit: number, skipped: (topic: string, size: number) => void) {
    this.#limit = limit;
    this.#skipped = skipped;
  }

  /** Returns the bytes that belong to packets within the limit. */
  filter(chunk: Buffer): Buffer {
    const bytes = this.#header.length === 0 ? chunk : Buffer.concat([this.#header, chunk]);
    this.#header = Buffer.alloc(0);
    const kept: Buffer[] = [];
    /** Start of the bytes that are kept but not yet in `kept`. */
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

  /** Reports a message once its topic has arrived: a length of two bytes, and the text (MQTT 5, section 3.3.2.1). */
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

/** Returns undefined if the header is incomplete. Lets a length of more than four bytes pass: mqtt.js refuses it. */
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
