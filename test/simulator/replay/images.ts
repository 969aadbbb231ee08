import { createHash } from 'node:crypto';
import {
  type ImageFacts,
  isFirmware,
  isPublish,
  type PayloadFacts,
  type PublishStep,
  type Recording,
} from './recording';
import { md5 } from '../../support/md5';

const NAME = 'bf84e413546d792d6c6967687493446ba775';
const version = (text: string) => `6a3f3e0ee1${Buffer.from(text).toString('hex')}b03048d41a`;
/** Approximate offset of the marks in the images of the recordings, in bytes. */
const MARKS_AT = 1000;

/** Returns pseudo-random bytes, which are the same for the same seed. */
function noise(length: number, seed: string): Buffer {
  let state = createHash('md5').update(seed).digest().readUInt32LE() | 1;
  const bytes = Buffer.alloc(Math.ceil(length / 4) * 4);
  for (let at = 0; at < bytes.length; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state, at);
  }
  return bytes.subarray(0, length);
}

/**
 * Images in place of those of a recording. They have the same lengths, first bytes and differences between them, but
 * otherwise other bytes, and so other MD5s.
 */
export class StandIns {
  readonly #running: Buffer;
  /** Our images by their MD5 in the recording. */
  readonly #images = new Map<string, Buffer>();
  /** MD5s in the recording by the MD5s of our images. */
  readonly #recorded = new Map<string, string>();

  constructor({ input }: Recording) {
    this.#running = this.#add(input.firmware.md5, make(input.firmware, '1.0.0'));
    for (const step of input.steps.filter(isPublish).filter(isFirmware)) this.#learn(step);
  }

  /** The image that the device runs at the start. */
  get running(): Buffer {
    return this.#running;
  }

  /** Returns the topic of the step, with our MD5 in place of one of the recording. */
  topic({ publish }: PublishStep): string {
    const level = lastLevel(publish);
    const image = this.#images.get(level.toLowerCase());
    if (!image) return publish;
    const ours = md5(image);
    return publish.slice(0, -level.length) + (level === level.toLowerCase() ? ours : ours.toUpperCase());
  }

  payload({ publish, text, hex, bytes, payload }: PublishStep): Buffer {
    if (text !== undefined) return Buffer.from(text);
    if (hex !== undefined) return Buffer.from(hex, 'hex');
    if (!payload || payload.encoding === 'empty') return Buffer.alloc(0);
    const image = this.#images.get(payload.image?.md5 ?? lastLevel(publish));
    if (!image) throw new Error(`The recording does not describe the image of ${publish}`);
    const encoded = payload.encoding.startsWith('base64') ? base64(image, payload, bytes) : image;
    if (encoded.length !== bytes) throw new Error(`The payload has ${encoded.length} bytes instead of ${bytes}`);
    return encoded;
  }

  /** Returns the MD5 in the recording of the image that has this MD5 here; undefined if there is none. */
  recordedAs(ours: string): string | undefined {
    return this.#recorded.get(ours);
  }

  #learn({ publish, hex, bytes = 0, payload }: PublishStep): void {
    const level = lastLevel(publish).toLowerCase();
    if (hex !== undefined) {
      // The topic may name the running image although these are not its bytes: to ask whether an update was cut off.
      if (!this.#images.has(level)) this.#add(level, Buffer.from(hex, 'hex'));
    } else if (payload?.image) {
      const { image } = payload;
      const meant = image.differsAt ? this.#image(level, { ...image, md5: level }) : this.#image(image.md5, image);
      if (!image.differsAt) return;
      const damaged = Buffer.from(meant);
      for (const at of image.differsAt) damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      this.#add(image.md5, damaged);
    } else if (payload?.encoding === 'gzip') {
      this.#image(level, { md5: level, length: bytes, head: '1f8b0800' });
    }
  }

  #image(recorded: string, facts: ImageFacts): Buffer {
    return this.#images.get(recorded) ?? this.#add(recorded, make(facts, '1.1.0'));
  }

  #add(recorded: string, image: Buffer): Buffer {
    this.#images.set(recorded, image);
    this.#recorded.set(md5(image), recorded);
    return image;
  }
}

const lastLevel = (topic: string) => topic.slice(topic.lastIndexOf('/') + 1);

function make(facts: ImageFacts, marked: string): Buffer {
  const image = noise(facts.length, facts.md5);
  Buffer.from(facts.head, 'hex').copy(image);
  const marks = Buffer.from(`${NAME}00${version(marked)}`, 'hex');
  if (facts.length > MARKS_AT + marks.length) marks.copy(image, MARKS_AT);
  return image;
}

/** Encodes an image. @param length of the text in bytes, which may end with several newlines */
function base64(image: Buffer, { lineLength, trailingNewline }: PayloadFacts, length = 0): Buffer {
  const plain = image.toString('base64');
  const lines = lineLength === undefined ? [plain] : (plain.match(new RegExp(`.{1,${lineLength}}`, 'g')) ?? []);
  const text = lines.join('\n');
  return Buffer.from(trailingNewline ? text.padEnd(length, '\n') : text);
}
