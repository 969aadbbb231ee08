import fs, { type FileHandle } from 'node:fs/promises';

type Content = Parameters<FileHandle['writeFile']>[0];

/**
 * Stands between the package and the disk: shows each state in which the process could be killed, and can be full. Ends
 * with `remove`.
 */
export class Disk {
  /** Called before each change in a folder, and in the middle of each write. */
  beforeChange: (file: string) => void = () => undefined;
  /** Bytes that can still be written. */
  free = Infinity;
  readonly #folder: string;
  readonly #real = { open: fs.open, rename: fs.rename, rm: fs.rm };

  constructor(folder: string) {
    this.#folder = folder;
    const { open, rename, rm } = this.#real;
    fs.open = async (file, ...rest) => {
      const handle = await open(file, ...rest);
      if (this.#isOurs(file)) this.#standBefore(handle, String(file));
      return handle;
    };
    fs.rename = async (from, to) => {
      if (this.#isOurs(to)) this.beforeChange(String(to));
      return rename(from, to);
    };
    fs.rm = async (file, options) => {
      if (this.#isOurs(file)) this.beforeChange(String(file));
      return rm(file, options);
    };
  }

  remove(): void {
    Object.assign(fs, this.#real);
  }

  #isOurs(file: unknown): boolean {
    return String(file).startsWith(this.#folder) && !/owner\.\d+\.json/.test(String(file));
  }

  #standBefore(handle: FileHandle, file: string): void {
    const write = handle.appendFile.bind(handle);
    const writeInParts = async (content: Content): Promise<void> => {
      const bytes = Buffer.from(content);
      const half = bytes.subarray(0, Math.min(bytes.length >> 1, this.free));
      this.beforeChange(file);
      await write(half);
      this.beforeChange(file);
      const rest = bytes.subarray(half.length, Math.min(bytes.length, this.free));
      await write(rest);
      const isFull = this.free < bytes.length;
      this.free -= half.length + rest.length;
      if (isFull) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    handle.appendFile = writeInParts;
    handle.writeFile = writeInParts;
  }
}
