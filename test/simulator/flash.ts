/** The flash of a simulated chip: the image staged for the next boot, and faults and delays. */

export const SECTOR = 4096;

/** Faults of a flash, by byte of the image that is written. */
export interface FlashFaults {
  /** Erasing the sector with this byte, or a later one, fails. */
  failEraseAt?: number;
  /** Writing the sector with this byte, or a later one, fails. */
  failWriteAt?: number;
  /** Reading back an image that has this byte fails. The updater reads the head of the image again at the end. */
  failReadAt?: number;
}

/** A flash whose erased bytes read as 0xFF. Addresses and sizes are in bytes. */
export class Flash {
  readonly #faults: () => FlashFaults;
  readonly #sectors = new Map<number, Buffer>();
  #staged: { address: number; size: number } | undefined;
  /** Number of writes since this was last set to 0. The session delays for each of them. */
  written = 0;

  /** @param faults called before each operation */
  constructor(faults: () => FlashFaults) {
    this.#faults = faults;
  }

  /** Erases a sector. @param done bytes of the image that are already written @returns false when that fails */
  erase(address: number, done: number): boolean {
    if (done + SECTOR > (this.#faults().failEraseAt ?? Infinity)) return false;
    this.#sectors.set(Math.floor(address / SECTOR), Buffer.alloc(SECTOR, 0xff));
    return true;
  }

  /** Writes bytes. @param done bytes of the image that are already written @returns false when that fails */
  write(address: number, bytes: Buffer, done: number): boolean {
    if (done + bytes.length > (this.#faults().failWriteAt ?? Infinity)) return false;
    for (let at = 0; at < bytes.length;) {
      at += bytes.copy(this.#sector(address + at), (address + at) % SECTOR, at);
    }
    this.written += 1;
    return true;
  }

  /** Reads back the head (4 bytes) of an image. @param size of the image @returns undefined when that fails */
  readHead(address: number, size: number): Buffer | undefined {
    if (size > (this.#faults().failReadAt ?? Infinity)) return undefined;
    return this.#read(address, 4);
  }

  /** Orders the boot loader to copy the bytes that are there at the next boot over the running image. */
  stage(address: number, size: number): void {
    this.#staged = { address, size };
  }

  /** Returns the image that the boot loader copies when the device starts, if one is staged. Clears the flash. */
  takeStaged(): Buffer | undefined {
    const staged = this.#staged;
    this.#staged = undefined;
    const image = staged && this.#read(staged.address, staged.size);
    this.#sectors.clear();
    return image;
  }

  #read(address: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length;) {
      at += this.#sector(address + at).copy(bytes, at, (address + at) % SECTOR);
    }
    return bytes;
  }

  #sector(address: number): Buffer {
    const number = Math.floor(address / SECTOR);
    const sector = this.#sectors.get(number) ?? Buffer.alloc(SECTOR, 0xff);
    this.#sectors.set(number, sector);
    return sector;
  }
}
