import { decodeBlock, decodeInPlace, isBase64Character, newDecodeState } from './base64';
import type { Updater } from './updater';

/** A part of a message as AsyncMqttClient delivers it: one for each TCP segment. */
export interface Part {
  readonly payload: Buffer;
  /** Offset of the part in the payload, in bytes. */
  readonly index: number;
  /** Bytes of the whole payload. */
  readonly total: number;
}

/** What `OtaReceipt` needs from the device around it. */
export interface OtaHost {
  readonly enabled: boolean;
  /** MD5 of the running image, lower case. */
  readonly checksum: string;
  readonly implementation: 'esp8266' | 'esp32';
  /** Homie 2 reports progress at every part, Homie 3 at every hundredth. */
  readonly homie: 2 | 3;
  readonly updater: Updater;
  status(text: string): void;
}

const MD5_LEVEL = /^[0-9a-fA-F]{32}$/;
const START = 0xe9;
const PAD = 0x3d;

/** Receives firmware part by part and answers it (homie-esp8266 BootNormal.cpp, __handleOTAUpdates). */
export class OtaReceipt {
  readonly #host: OtaHost;
  /** Whether an update is running or was cut off. Only the end of an update or a boot clears this. */
  ongoing = false;
  /** Whether a new image is staged, and waits for an idle moment to be booted. */
  finished = false;
  #base64 = false;
  #pads = 0;
  #state = newDecodeState();
  #total = 0;
  #done = 0;
  /** Parts since the last 206, counted across updates. */
  #parts = 0;

  constructor(host: OtaHost) {
    this.#host = host;
  }

  /** Processes one part. @param level the last level of the topic, which should be the MD5 of the image */
  receive(level: string, part: Part): void {
    if (part.index === 0 ? !this.#accept(level) || !this.#begin(part) : !this.ongoing) return;
    const bytes = this.#base64 ? this.#decode(part) : part.payload;
    if (!bytes || bytes.length === 0) return;
    const { updater } = this.#host;
    if (updater.write(bytes) === 0) return this.#end(false, updater.error);
    this.#done += bytes.length;
    const last = part.index + part.payload.length === part.total;
    if (this.#base64 && last) this.#total -= this.#pads;
    if (this.#parts === 100 || this.#host.homie === 2) {
      this.#host.status(`206 ${this.#done}/${this.#total}`);
      this.#parts = 0;
    }
    this.#parts += 1;
    if (!last) return;
    if (this.#base64 && this.#done !== this.#total) return this.#end(false, this.#host.updater.codes.SIZE);
    const success = updater.end(this.#base64);
    this.#end(success, updater.error);
  }

  #accept(level: string): boolean {
    const { enabled, checksum, updater } = this.#host;
    if (!enabled) {
      this.#host.status('403');
      return false;
    }
    if (!MD5_LEVEL.test(level)) {
      this.#end(false, this.#host.updater.codes.MD5);
      return false;
    }
    // After an update that was cut off, `ongoing` is still set, so the parts after this one are not skipped. That is
    // why such a device answers 304 and then 500 INTERNAL_ERROR 0.
    if (level === checksum) {
      this.#host.status('304');
      return false;
    }
    updater.setMd5(level);
    this.#host.status('202');
    this.ongoing = true;
    return true;
  }

  #begin({ payload, total }: Part): boolean {
    this.#base64 = payload[0] !== START;
    if (this.#base64) {
      const plain = Buffer.alloc(2);
      const length = decodeBlock(payload, 0, 2, plain, 0, newDecodeState());
      if (length !== 1 || plain[0] !== START || total % 4 !== 0) {
        this.#end(false, this.#host.updater.codes.MAGIC_BYTE);
        return false;
      }
      this.#pads = 0;
      this.#state = newDecodeState();
    }
    this.#done = 0;
    this.#total = this.#base64 ? Math.floor((total * 3) / 4) : total;
    const { updater } = this.#host;
    if (updater.begin(this.#total)) return true;
    this.#end(false, updater.error);
    return false;
  }

  /** Decodes a part. @returns undefined if the part is refused */
  #decode({ payload, index, total }: Part): Buffer | undefined {
    let characters = 0;
    for (const [i, byte] of payload.entries()) {
      if (isBase64Character(byte)) {
        characters += 1;
      } else if (byte === PAD && index + i >= total - 2) {
        this.#pads += 1;
      } else {
        this.#end(false, this.#host.updater.codes.MAGIC_BYTE);
        return undefined;
      }
    }
    if (characters === 0) return Buffer.alloc(0);
    const segment = Buffer.from(payload);
    return segment.subarray(0, decodeInPlace(segment, characters, this.#state));
  }

  #end(success: boolean, error: number): void {
    this.#host.status(success ? '200' : this.#describe(error));
    this.finished ||= success;
    this.ongoing = false;
  }

  /**
   * Returns the status of a failed update (homie-esp8266 BootNormal.cpp, _endOtaUpdate). On ESP32 the cases fall
   * through.
   */
  #describe(error: number): string {
    const { codes } = this.#host.updater;
    switch (error) {
      case codes.SIZE:
      case codes.MAGIC_BYTE:
      case codes.NEW_FLASH_CONFIG:
        return this.#host.implementation === 'esp8266' ? '400 BAD_FIRMWARE' : '400 BAD_CHECKSUM';
      case codes.MD5:
        return '400 BAD_CHECKSUM';
      case codes.SPACE:
        return '400 NOT_ENOUGH_SPACE';
      case codes.WRITE:
      case codes.ERASE:
      case codes.READ:
        return '500 FLASH_ERROR';
      default:
        return `500 INTERNAL_ERROR ${error}`;
    }
  }
}
