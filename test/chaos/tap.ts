/** A PUBLISH on the wire. */
export interface Publish {
  readonly topic: string;
  readonly dup: boolean;
  /** Bytes behind the topic: the payload, and at most a few more. */
  readonly bytes: number;
}

/** PUBLISH, in the upper half of the first byte of a packet (MQTT 3.1.1, section 2.2.1). */
const PUBLISH = 3;

/** Reads the bytes of one client, and reports each PUBLISH twice: when it begins, and when all of it has passed. */
export class Tap {
  readonly #begun: (publish: Publish) => void;
  readonly #passed: (publish: Publish) => void;
  #head = Buffer.alloc(0);
  /** Remaining bytes of the current packet. */
  #left = 0;
  #publish: Publish | undefined;

  constructor(begun: (publish: Publish) => void, passed: (publish: Publish) => void) {
    this.#begun = begun;
    this.#passed = passed;
  }

  hear(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left > 0) {
        const part = Math.min(this.#left, rest.length);
        this.#left -= part;
        rest = rest.subarray(part);
        if (this.#left === 0 && this.#publish !== undefined) this.#passed(this.#publish);
        continue;
      }
      this.#head = Buffer.concat([this.#head, rest]);
      const packet = readHead(this.#head);
      if (packet === undefined) return;
      rest = this.#head.subarray(packet.bytes);
      this.#head = Buffer.alloc(0);
      this.#publish = packet.publish;
      this.#left = packet.left;
      if (packet.publish === undefined) continue;
      this.#begun(packet.publish);
      if (this.#left === 0) this.#passed(packet.publish);
    }
  }
}

/**
 * Reads the start of a packet.
 * @returns the `bytes` read and those `left` in the packet; undefined if more are needed
 */
function readHead(head: Buffer): { bytes: number; left: number; publish?: Publish } | undefined {
  let length = 0;
  for (let at = 1; at <= 4; at += 1) {
    const byte = head[at];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 128 ** (at - 1);
    if (byte < 0x80) return withTopic(head, at + 1, length);
  }
  throw new Error('The client has sent something that is not MQTT');
}

function withTopic(head: Buffer, start: number, length: number): ReturnType<typeof readHead> {
  const first = head[0] ?? 0;
  if (first >> 4 !== PUBLISH) return { bytes: start, left: length };
  if (head.length < start + 2) return undefined;
  const end = start + 2 + head.readUInt16BE(start);
  if (head.length < end) return undefined;
  const topic = head.toString('utf8', start + 2, end);
  return {
    bytes: end,
    left: length - (end - start),
    publish: { topic, dup: (first & 8) !== 0, bytes: length - (end - start) },
  };
}
