import { decodeBlock, decodeInPlace, isBase64Character, newDecodeState } from './base64';
import type { ErrorCodes, Updater } from './updater';

/** A part of a message as AsyncMqttClient delivers it: one for each TCP segment. */
export interface Part {
  readonly payload: Buffer;
  /** Offset of the part in the payload, in bytes. */
  readonly index: number;
  /** Bytes of the whole payload. */
  readonly total: number;
  /** Whether the broker has kept the message for the device. */
  readonly retained?: boolean;
}

/** What a `Receipt` needs from the device around it. */
export interface OtaHost {
  readonly enabled: boolean;
  /** MD5 of the running image, lower case. */
  readonly checksum: string;
  readonly implementation: 'esp8266' | 'esp32';
  /** Homie 2 reports progress at every part, Homie 3 at every hundredth. */
  readonly homie: 2 | 3;
  readonly updater: Updater;
  status(text: string): void;
  /** Returns whether the device is to reboot. Only version 4 of the fork asks. */
  readonly rebootWaits?: () => boolean;
  /** Milliseconds without a byte after which version 4 of the fork ends an update. */
  readonly patience?: number;
}

/** The way in which a firmware receives images. */
export interface Receipt {
  /** Whether an update is running or, with the original firmware, was cut off. */
  readonly ongoing: boolean;
  /** Whether a new image is staged, and waits for an idle moment to be booted. */
  readonly finished: boolean;
  /** Processes one part. @param level the last level of the topic, which should be the MD5 of the image */
  receive(level: string, part: Part): void;
  /** Called at the start of a connection. */
  connected(): void;
  /** Called at the end of a connection. */
  disconnected(): void;
  /** Called by the loop. */
  service(): void;
}

/** What version 3.7 of the maintained fork does in another way than the original (BootNormal.cpp of 3.7). */
interface Habits {
  /** The end of the connection discards an update. */
  readonly discardsDrops?: boolean;
  /** The MD5 of a staged image is answered with `200` again, until another update fails. */
  readonly remembersStaged?: boolean;
  /** The parts since the last 206 are counted for each update. */
  readonly countsPerUpdate?: boolean;
  /** Each error has its own status on ESP32 too. */
  readonly esp32Reasons?: boolean;
}

const MD5_LEVEL = /^[0-9a-fA-F]{32}$/;
const START = 0xe9;
const PAD = 0x3d;

/** Receives firmware part by part and answers it (homie-esp8266 BootNormal.cpp, __handleOTAUpdates). */
export class OtaReceipt implements Receipt {
  readonly #host: OtaHost;
  readonly #habits: Habits;
  /** Whether an update is running or was cut off. Only the end of an update or a boot clears this in the original. */
  ongoing = false;
  finished = false;
  /** MD5 of the last image, if its update did not fail. */
  #requested = '';
  #base64 = false;
  #pads = 0;
  #state = newDecodeState();
  #total = 0;
  #done = 0;
  /** Parts since the last 206, counted across updates. */
  #parts = 0;

  constructor(host: OtaHost, habits: Habits = {}) {
    this.#host = host;
    this.#habits = habits;
  }

  /** Discards the rest of an update that was cut off. In the original `ongoing` stays set. */
  connected(): void {
    this.#host.updater.end(false);
  }

  disconnected(): void {
    if (!this.#habits.discardsDrops || !this.ongoing) return;
    this.#host.updater.end(false);
    this.#forget();
  }

  service(): void {}

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
    if (this.#habits.remembersStaged && this.finished && level === this.#requested) {
      this.#host.status('200');
      return false;
    }
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
    this.#requested = level;
    if (this.#habits.countsPerUpdate) this.#parts = 0;
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
    if (!success) this.#forget();
  }

  #forget(): void {
    this.ongoing = false;
    this.#requested = '';
  }

  /** Returns the status of a failed update. On ESP32 the cases of the original fall through to the next one. */
  #describe(error: number): string {
    const { codes } = this.#host.updater;
    const reason = reasonOf(error, codes);
    const fallsThrough = this.#host.implementation === 'esp32' && !this.#habits.esp32Reasons;
    if (reason === '400 BAD_FIRMWARE' && fallsThrough) return '400 BAD_CHECKSUM';
    return reason ?? `500 INTERNAL_ERROR ${error}`;
  }
}

/** Returns the text for an error of the updater, if there is one (homie-esp8266 BootNormal.cpp, _endOtaUpdate). */
export function reasonOf(error: number, codes: ErrorCodes): string | undefined {
  switch (error) {
    case codes.SIZE:
    case codes.MAGIC_BYTE:
    case codes.NEW_FLASH_CONFIG:
      return '400 BAD_FIRMWARE';
    case codes.MD5:
      return '400 BAD_CHECKSUM';
    case codes.SPACE:
      return '400 NOT_ENOUGH_SPACE';
    case codes.WRITE:
    case codes.ERASE:
    case codes.READ:
      return '500 FLASH_ERROR';
    default:
      return undefined;
  }
}
