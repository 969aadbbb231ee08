/** The flash of a simulated chip: what is staged for the next boot, and what fails or takes time in it. */

export const SECTOR = 4096;

/** Faults and pace of a flash, by byte of the image that is written. */
export interface FlashFaults {
  /** Erasing the sector with this byte, or a later one, fails. */
  failEraseAt?: number;
  /** Writing the sector with this byte, or a later one, fails. */
  failWriteAt?: number;
  /** Reading an image back that has this byte fails: the updater looks at its head again in the end. */
  failReadAt?: number;
}

/** Erased flash reads as 0xFF. Addresses and sizes are in bytes. */
export class Flash {
  readonly #faults: () => FlashFaults;
  readonly #sectors = new Map<number, Buffer>();
  #staged: { address: number; size: number } | undefined;
  /** Writes since this was last set to 0: each takes its time. */
  written = 0;

  /** @param faults asked again each time */
  constructor(faults: () => FlashFaults) {
    this.#faults = faults;
  }

  /** Erases a sector. @param done bytes of the image that were written before */
  erase(address: number, done: number): boolean {
    if (done + SECTOR > (this.#faults().failEraseAt ?? Infinity)) return false;
    this.#sectors.set(Math.floor(address / SECTOR), Buffer.alloc(SECTOR, 0xff));
    return true;
  }

  /** @param done bytes of the image that were written before */
  write(address: number, bytes: Buffer, done: number): boolean {
    if (done + bytes.length > (this.#faults().failWriteAt ?? Infinity)) return false;
    for (let at = 0; at < bytes.length;) {
      at += bytes.copy(this.#sector(address + at), (address + at) % SECTOR, at);
    }
    this.written += 1;
    return true;
  }

  /** Reads the head of an image back. @param size of the image @returns undefined when that fails */
  readHead(address: number, size: number): Buffer | undefined {
    if (size > (this.#faults().failReadAt ?? Infinity)) return undefined;
    return this.#read(address, 4);
  }

  /** Leaves the order for the boot loader to copy what is there then over the running image. */
  stage(address: number, size: number): void {
    this.#staged = { address, size };
  }

  /** What the boot loader copies when the device starts, if anything is staged. */
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
