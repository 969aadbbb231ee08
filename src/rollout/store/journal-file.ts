import { open, type FileHandle } from 'node:fs/promises';
import { writeWhole } from './whole-file';

/** A file is rewritten when it has more bytes than this, and more than four times the bytes that its content needs. */
const COMPACT_ABOVE = 256 * 1024;

/** How long a file stays open after a write, in ms, since writes follow each other in a rollout. */
const LINGER = 200;

/** The file of a journal on the disk: lines are appended, and the file is compacted from time to time. */
export class JournalFile {
  readonly path: string;
  /** Size of the file in bytes. */
  #size = 0;
  /** Whether the file must be rewritten, because its content may be incomplete. */
  #stale = true;
  #handle: FileHandle | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Records the state of the file as it was read.
   *
   * @param size bytes
   * @param isSound whether lines can be appended
   */
  wasRead(size: number, isSound: boolean): void {
    this.#size = size;
    this.#stale = !isSound;
  }

  /**
   * Appends lines, or rewrites the file if it is stale or too large.
   *
   * @param content bytes that the content needs
   * @param whole returns the whole text of the file, including the lines
   * @throws the error of the system; the lines may have been written in part
   */
  async write(lines: string, content: number, whole: () => string): Promise<void> {
    try {
      const isTooLarge = this.#size > COMPACT_ABOVE && this.#size > 4 * content;
      if (this.#stale || isTooLarge) await this.#rewrite(whole());
      else await this.#append(lines);
    } catch (error) {
      this.#stale = true;
      await this.close();
      throw error;
    }
    this.#idle = setTimeout(() => void this.close(), LINGER).unref();
  }

  /** Closes the file until the next write. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => undefined);
  }

  async #append(lines: string): Promise<void> {
    clearTimeout(this.#idle);
    this.#handle ??= await open(this.path, 'a', 0o600);
    await this.#handle.appendFile(lines);
    await this.#handle.datasync();
    this.#size += Buffer.byteLength(lines);
  }

  async #rewrite(text: string): Promise<void> {
    await this.close();
    await writeWhole(this.path, text);
    this.#stale = false;
    this.#size = Buffer.byteLength(text);
  }
}
