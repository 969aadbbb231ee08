import { createHash } from 'node:crypto';
import { type Flash, SECTOR } from './flash';

/** Error numbers of the ESP8266 Arduino core, Updater.h. */
const UpdateError = {
  OK: 0,
  WRITE: 1,
  ERASE: 2,
  READ: 3,
  SPACE: 4,
  SIZE: 5,
  MD5: 7,
  FLASH_CONFIG: 8,
  NEW_FLASH_CONFIG: 9,
  MAGIC_BYTE: 10,
  BOOTSTRAP: 11,
  NO_DATA: 13,
} as const;

/** The error numbers that homie-esp8266 has a text for, as the chip's core numbers them. */
export type ErrorCodes = Readonly<
  Record<'WRITE' | 'ERASE' | 'READ' | 'SPACE' | 'SIZE' | 'MD5' | 'MAGIC_BYTE', number>
> & {
  readonly NEW_FLASH_CONFIG?: number;
};

/** What the updater needs to know of the chip. Sizes are in bytes. */
export interface Chip {
  readonly flash: Flash;
  /** Free space beside the first image; undefined if the options do not set it. */
  readonly freeSpace: number | undefined;
  /** Real size of the flash. */
  readonly chipSize: number;
  /** End of the space that the running image and the new one share. */
  readonly updateEnd: number;
  /** Size of the running image. */
  readonly sketchSize: number;
  /** Flash mode of the running image: byte 2 of its header. */
  readonly flashMode: number;
  /** Flash size and frequency of the running image: byte 3 of its header. */
  readonly flashConfig: number;
}

/** The part of the Arduino class `Update` that homie-esp8266 uses. */
export interface Updater {
  readonly codes: ErrorCodes;
  readonly error: number;
  setMd5(md5: string): void;
  begin(size: number): boolean;
  /** Writes bytes. @returns the number of bytes accepted; 0 is a failure */
  write(bytes: Buffer): number;
  end(evenIfRemaining: boolean): boolean;
}

/** Flash size in bytes by the upper four bits of byte 3 (`ESP.magicFlashChipSize`). Unknown sizes count as 0. */
const FLASH_SIZES: Readonly<Record<number, number>> = {
  0: 512 << 10,
  1: 256 << 10,
  2: 1 << 20,
  3: 2 << 20,
  4: 4 << 20,
  8: 8 << 20,
  9: 16 << 20,
};
const flashSize = (config: number) => FLASH_SIZES[config >> 4] ?? 0;
/** Byte 2 as `ESP.magicFlashChipMode` reads it. */
const flashMode = (mode: number) => (mode > 3 ? 0xff : mode);
const isUnknownMode = (head: Buffer) => head[0] !== 0x1f && (head[2] ?? 0) > 3;
const roundUp = (size: number) => Math.ceil(size / SECTOR) * SECTOR;

/**
 * `Update` of the ESP8266 Arduino core, as far as firmware updates use it (cores/esp8266/Updater.cpp of 2.7.4 and
 * 3.1.2). The relevant difference: `begin()` of core 3 forgets the MD5 that was set before it.
 */
export class Esp8266Updater implements Updater {
  readonly codes: ErrorCodes = UpdateError;
  readonly #chip: Chip;
  readonly #core: 2 | 3;
  #error: number = UpdateError.OK;
  #md5 = '';
  #hash = createHash('md5');
  #buffer = Buffer.alloc(0);
  #buffered = 0;
  #start = 0;
  #current = 0;
  #size = 0;

  constructor(chip: Chip, core: 2 | 3) {
    this.#chip = chip;
    this.#core = core;
  }

  get error(): number {
    return this.#error;
  }

  setMd5(md5: string): void {
    this.#md5 = md5;
  }

  begin(size: number): boolean {
    // "Already running" sets no error, so homie-esp8266 reports error 0.
    if (this.#size > 0) return false;
    if (size === 0) return this.#fail(UpdateError.SIZE);
    if (flashSize(this.#chip.flashConfig) > this.#chip.chipSize) return this.#fail(UpdateError.FLASH_CONFIG);
    this.#reset();
    this.#error = UpdateError.OK;
    if (this.#core === 3) this.#md5 = '';
    this.#hash = createHash('md5');
    const start = Math.max(0, this.#chip.updateEnd - roundUp(size));
    if (start < roundUp(this.#chip.sketchSize)) return this.#fail(UpdateError.SPACE);
    this.#start = this.#current = start;
    this.#size = size;
    this.#buffer = Buffer.alloc(SECTOR);
    return true;
  }

  write(bytes: Buffer): number {
    if (this.#error !== UpdateError.OK || this.#size === 0) return 0;
    if (this.#progress + this.#buffered + bytes.length > this.#size) {
      this.#fail(UpdateError.SPACE);
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
    if (this.#size === 0) return this.#drop();
    if (this.#core === 3 && this.#progress === 0) this.#fail(UpdateError.NO_DATA);
    if (this.#error !== UpdateError.OK || (this.#progress !== this.#size && !evenIfRemaining)) return this.#drop();
    if (evenIfRemaining) {
      if (this.#buffered > 0) this.#writeBuffer();
      this.#size = this.#progress;
    }
    if (this.#md5 !== '' && this.#hash.digest('hex') !== this.#md5.toLowerCase()) return this.#fail(UpdateError.MD5);
    if (!this.#verifyEnd()) return false;
    this.#chip.flash.stage(this.#start, this.#size);
    this.#reset();
    return true;
  }

  get #progress(): number {
    return this.#current - this.#start;
  }

  #writeBuffer(): boolean {
    const { flash } = this.#chip;
    const bytes = this.#buffer.subarray(0, this.#buffered);
    if (!flash.erase(this.#current, this.#progress)) return this.#fail(UpdateError.ERASE);
    // The device writes its own flash mode, and then restores the byte in memory so that the MD5 is that of the file.
    const stored = Buffer.from(bytes);
    if (
      this.#progress === 0 &&
      bytes[0] !== 0x1f &&
      bytes.length > 2 &&
      flashMode(bytes[2] ?? 0) !== flashMode(this.#chip.flashMode)
    ) {
      stored[2] = flashMode(this.#chip.flashMode);
    }
    if (!flash.write(this.#current, stored, this.#progress)) return this.#fail(UpdateError.WRITE);
    // For a flash mode over 3, the restored byte is not the original one: on core 2 the MD5 of such an image never
    // matches.
    const hashed = Buffer.from(bytes);
    if (this.#progress === 0 && isUnknownMode(bytes)) hashed[2] = ~(bytes[2] ?? 0);
    this.#hash.update(hashed);
    this.#current += this.#buffered;
    this.#buffered = 0;
    return true;
  }

  #verifyEnd(): boolean {
    const head = this.#chip.flash.readHead(this.#start, this.#size);
    if (!head) return this.#fail(UpdateError.READ);
    if (head[0] === 0x1f && head[1] === 0x8b) return true;
    if (head[0] !== 0xe9) return this.#fail(UpdateError.MAGIC_BYTE);
    if (flashSize(head[3] ?? 0) > this.#chip.chipSize) return this.#fail(UpdateError.NEW_FLASH_CONFIG);
    return true;
  }

  /** Sets the error and ends the update, as every error does. */
  #fail(error: number): false {
    this.#error = error;
    return this.#drop();
  }

  #drop(): false {
    this.#reset();
    return false;
  }

  #reset(): void {
    this.#buffer = Buffer.alloc(0);
    this.#buffered = this.#start = this.#current = this.#size = 0;
  }
}
