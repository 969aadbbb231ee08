import { createHash } from 'node:crypto';
import { type Chip, type ErrorCodes, type Updater } from './updater';
import { SECTOR } from './flash';

/** Error numbers of the ESP32 Arduino core, Update.h. */
const Esp32Error = {
  OK: 0,
  WRITE: 1,
  ERASE: 2,
  READ: 3,
  SPACE: 4,
  SIZE: 5,
  MD5: 7,
  MAGIC_BYTE: 8,
  ACTIVATE: 9,
  ABORT: 12,
} as const;

/** Bytes of a partition in the default scheme of Arduino boards. */
const PARTITION = 0x140000;

/**
 * `Update` of the ESP32 Arduino core (libraries/Update/src/Updater.cpp). It writes to the other one of two partitions
 * and leaves the flash mode as it is. Only the newer generation forgets the MD5 that was set before `begin()`.
 */
export class Esp32Updater implements Updater {
  readonly codes: ErrorCodes = Esp32Error;
  readonly #chip: Chip;
  readonly #core: 2 | 3;
  #error: number = Esp32Error.OK;
  #md5 = '';
  #hash = createHash('md5');
  #buffer = Buffer.alloc(0);
  #buffered = 0;
  #written: Buffer[] = [];
  #progress = 0;
  #size = 0;

  constructor(chip: Chip, core: 2 | 3) {
    this.#chip = chip;
    this.#core = core;
  }

  get error(): number {
    return this.#error;
  }

  setMd5(md5: string): void {
    this.#md5 = md5.toLowerCase();
  }

  begin(size: number): boolean {
    // As on the ESP8266, "already running" sets no error.
    if (this.#size > 0) return false;
    this.#abort(Esp32Error.OK);
    if (this.#core === 3) this.#md5 = '';
    if (size === 0 || size > (this.#chip.freeSpace ?? PARTITION)) return this.#abort(Esp32Error.SIZE);
    this.#hash = createHash('md5');
    this.#buffer = Buffer.alloc(SECTOR);
    this.#size = size;
    return true;
  }

  write(bytes: Buffer): number {
    if (this.#error !== Esp32Error.OK || this.#size === 0) return 0;
    if (bytes.length > this.#size - this.#progress) {
      this.#abort(Esp32Error.SPACE);
      return 0;
    }
    let done = 0;
    while (this.#buffered + bytes.length - done > SECTOR) {
      const part = bytes.copy(this.#buffer, this.#buffered, done, done + SECTOR - this.#buffered);
      this.#buffered += part;
      if (!this.#writeBuffer()) return done;
      done += part;
    }
    this.#buffered += bytes.copy(this.#buffer, this.#buffered, done);
    if (this.#buffered === this.#size - this.#progress && !this.#writeBuffer()) return done;
    return bytes.length;
  }

  end(evenIfRemaining: boolean): boolean {
    if (this.#error !== Esp32Error.OK || this.#size === 0) return false;
    if (this.#progress !== this.#size && !evenIfRemaining) return this.#abort(Esp32Error.ABORT);
    if (evenIfRemaining) {
      if (this.#buffered > 0) this.#writeBuffer();
      this.#size = this.#progress;
    }
    if (this.#md5 !== '' && this.#hash.digest('hex') !== this.#md5) return this.#abort(Esp32Error.MD5);
    if (!this.#chip.flash.readHead(0, this.#size)) return this.#abort(Esp32Error.READ);
    if (!isValid(Buffer.concat(this.#written))) return this.#abort(Esp32Error.ACTIVATE);
    this.#chip.flash.stage(0, this.#size);
    this.#abort(Esp32Error.OK);
    return true;
  }

  #writeBuffer(): boolean {
    const { flash } = this.#chip;
    const bytes = Buffer.from(this.#buffer.subarray(0, this.#buffered));
    if (this.#progress === 0 && bytes[0] !== 0xe9) return this.#abort(Esp32Error.MAGIC_BYTE);
    if (!flash.erase(this.#progress, this.#progress)) return this.#abort(Esp32Error.ERASE);
    if (!flash.write(this.#progress, bytes, this.#progress)) return this.#abort(Esp32Error.WRITE);
    this.#hash.update(bytes);
    this.#written.push(bytes);
    this.#progress += bytes.length;
    this.#buffered = 0;
    return true;
  }

  #abort(error: number): false {
    this.#error = error;
    this.#buffer = Buffer.alloc(0);
    this.#written = [];
    this.#buffered = this.#progress = this.#size = 0;
    return false;
  }
}

/** Checks the SHA-256 as ESP-IDF does before it boots a partition. Byte 23 says whether the image has one. */
function isValid(image: Buffer): boolean {
  if (image[23] !== 1) return true;
  const end = image.length - 32;
  return createHash('sha256').update(image.subarray(0, end)).digest().equals(image.subarray(end));
}
