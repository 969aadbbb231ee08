import { decodeBlock, isBase64Character, newDecodeState } from './base64';
import { type OtaHost, type Part, type Receipt, reasonOf } from './ota';

const MD5_LEVEL = /^[0-9a-fA-F]{32}$/;
const START = 0xe9;
/** First character of an image in base64. */
const START_OF_BASE64 = 0x36;
const PAD = 0x3d;
/** Number of parts between two 206. */
const PROGRESS = 100;

/**
 * Receives firmware part by part and answers it, as version 4 of the maintained fork does (BootNormalOta.ipp). An update
 * always ends: with its last byte, with the connection, or when no byte comes for a minute. While a reboot waits,
 * nothing is received.
 */
export class ForkReceipt implements Receipt {
  readonly #host: OtaHost;
  ongoing = false;
  finished = false;
  /** MD5 of the image that arrives or is staged. */
  #requested = '';
  /** Whether the updater has begun. */
  #started = false;
  #base64 = false;
  #pads = 0;
  #state = newDecodeState();
  #total = 0;
  #done = 0;
  #parts = 0;
  #lastByteAt = 0;

  constructor(host: OtaHost) {
    this.#host = host;
  }

  receive(level: string, part: Part): void {
    if (this.#host.rebootWaits?.()) {
      if (part.index === 0) this.#host.status(level === this.#requested ? '200' : '503 REBOOT_PENDING');
      return;
    }
    if (part.retained) return this.#fail('400 RETAINED_FIRMWARE');
    if (part.index === 0 ? !this.#accept(level, part) : !this.ongoing) return;
    const bytes = this.#base64 ? this.#decode(part) : part.payload;
    if (!bytes || (bytes.length > 0 && !this.#write(bytes))) return;
    this.#lastByteAt = performance.now();
    if (part.index + part.payload.length === part.total) return this.#end();
    if (bytes.length === 0) return;
    this.#parts += 1;
    if (this.#parts < PROGRESS) return;
    this.#host.status(`206 ${this.#done}/${this.#total}`);
    this.#parts = 0;
  }

  /** Nothing is left of an update on another connection. */
  connected(): void {}

  disconnected(): void {
    if (this.ongoing) this.#fail('500 DISCONNECTED');
  }

  service(): void {
    const silence = performance.now() - this.#lastByteAt;
    if (this.ongoing && silence >= (this.#host.patience ?? Infinity)) this.#fail('408 TIMEOUT');
  }

  #accept(level: string, { payload, total }: Part): boolean {
    const { enabled, checksum, updater } = this.#host;
    if (!enabled) this.#host.status('403');
    else if (!MD5_LEVEL.test(level)) this.#failWith(updater.codes.MD5, 'VALIDATE');
    else if (level === checksum) this.#host.status('304');
    else return this.#prepare(level, payload[0] !== START, payload, total);
    return false;
  }

  #prepare(level: string, base64: boolean, payload: Buffer, total: number): boolean {
    if (base64 && (payload[0] !== START_OF_BASE64 || total % 4 !== 0)) {
      this.#failWith(this.#host.updater.codes.MAGIC_BYTE, 'VALIDATE');
      return false;
    }
    this.#requested = level;
    this.#base64 = base64;
    this.#total = base64 ? (total / 4) * 3 : total;
    this.ongoing = true;
    this.#host.status('202');
    return true;
  }

  /** Decodes a part into memory of its own. @returns undefined if the part is refused */
  #decode({ payload, index, total }: Part): Buffer | undefined {
    let characters = 0;
    for (const [i, byte] of payload.entries()) {
      if (isBase64Character(byte) && this.#pads === 0) {
        characters += 1;
      } else if (byte === PAD && index + i >= total - 2) {
        this.#pads += 1;
      } else {
        this.#failWith(this.#host.updater.codes.MAGIC_BYTE, 'BASE64');
        return undefined;
      }
    }
    const decoded = Buffer.alloc(characters + 1);
    return decoded.subarray(0, decodeBlock(payload, 0, characters, decoded, 0, this.#state));
  }

  #write(bytes: Buffer): boolean {
    const { updater } = this.#host;
    if (!this.#started) {
      if (bytes[0] !== START) return this.#failWith(updater.codes.MAGIC_BYTE, 'VALIDATE');
      if (!updater.begin(this.#total)) return this.#failWith(updater.error, 'BEGIN');
      this.#started = true;
      // After begin(), which forgets it on core 3.
      updater.setMd5(this.#requested);
    }
    if (updater.write(bytes) !== bytes.length) return this.#failWith(updater.error, 'WRITE');
    this.#done += bytes.length;
    return true;
  }

  #end(): void {
    const { updater } = this.#host;
    if (this.#base64) {
      this.#total -= this.#pads;
      const step = this.#pads === 0 ? 0 : 4 - this.#pads;
      const rest = this.#pads > 0 && this.#state.plain !== 0;
      if (this.#state.step !== step || rest) {
        this.#failWith(updater.codes.MAGIC_BYTE, 'BASE64');
        return;
      }
    }
    if (!this.#started || this.#done !== this.#total) {
      this.#failWith(updater.codes.SIZE, 'LENGTH');
      return;
    }
    if (!updater.end(this.#base64)) {
      this.#failWith(updater.error, 'END');
      return;
    }
    this.finished = true;
    this.#started = false;
    this.#clear();
    this.#host.status('200');
  }

  /** @param phase what the firmware was doing */
  #failWith(error: number, phase: string): false {
    this.#fail(`${reasonOf(error, this.#host.updater.codes) ?? '500 INTERNAL_ERROR'} ${error} ${phase}`);
    return false;
  }

  #fail(status: string): void {
    const { updater } = this.#host;
    if (this.#started) {
      // An MD5 that no image has: otherwise end() stages an image that is complete.
      updater.setMd5('x'.repeat(32));
      updater.end(false);
      this.#started = false;
    }
    this.#requested = '';
    this.#clear();
    this.#host.status(status);
  }

  #clear(): void {
    this.ongoing = false;
    this.#base64 = false;
    this.#pads = this.#total = this.#done = this.#parts = 0;
    this.#state = newDecodeState();
  }
}
