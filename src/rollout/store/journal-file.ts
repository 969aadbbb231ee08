import { open, type FileHandle } from 'node:fs/promises';
import { writeWhole } from './whole-file';

/** A file is rewritten when it has more than so many bytes, and four times as many as its content needs. */
const COMPACT_ABOVE = 256 * 1024;

/** How long a file stays open after a write, in ms: in a rollout one follows another. */
const LINGER = 200;

/** The file of a journal on the disk: lines are appended, and the file is compacted from time to time. */
export class JournalFile {
  readonly path: string;
  /** Bytes. */
  #size = 0;
  /** Its contents are not known to be complete, so it must be rewritten. */
  #stale = true;
  #handle: FileHandle | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** Notes what was read. @param isSound whether lines can be appended */
  wasRead(size: number, isSound: boolean): void {
    this.#size = size;
    this.#stale = !isSound;
  }

  /**
   * Appends lines, or rewrites the file if it is stale or too large.
   *
   * @param content bytes that it needs at least
   * @param whole returns its whole text, with the lines
   * @throws the error of the system; half of the lines may be there
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
