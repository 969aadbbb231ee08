import { rm } from 'node:fs/promises';
import { asHomieError, HomieError } from '../../errors';
import { JournalFile } from './journal-file';
import { copyAside, isMissing, leniently, notWritten, readWhole } from './whole-file';

/**
 * The version in the first line of a file. A file of version 1 becomes one of this version with its first change. A file
 * of a later version is never changed.
 */
const VERSION = 2;

/**
 * Limits of the file size in bytes, and of the nesting of its JSON. Nothing beyond them was written by this package.
 */
const MAX_FILE = 256 * 1024 * 1024;
const MAX_NESTING = 1000;

/** The result of reading a file. */
export interface Reading {
  readonly journal: Journal;
  readonly damage?: Damage;
  /** Whether version 0.1.0 wrote the file, or may have, because the first line is damaged. */
  readonly isVersion1?: boolean;
}

/** The part of a file that could not be read. */
interface Damage {
  /** JOB_FILE_DAMAGED, JOB_FILE_NEWER or JOB_FILE_UNREADABLE. */
  readonly error: HomieError;
  /** The keys of damaged lines, if at least these can be read. */
  readonly keys: readonly string[];
}

/**
 * Stores plain data by key in a file that only its owner can read. Each change appends one line, so that the cost of a
 * change does not depend on the amount of data, and a process that ends during a change loses nothing but that change.
 */
export class Journal {
  readonly #file: JournalFile;
  readonly #lines = new Map<string, string>();
  /** Size of `#lines` in bytes. */
  #content = 0;
  /** Lines that have not been written yet. */
  #queue = '';
  #writing: Promise<void> | undefined;
  #failure: HomieError | undefined;
  #closed = false;
  /** Whether the file is never written, because a later version wrote it or it cannot be read. */
  #detached = false;
  readonly #tell: (error: HomieError) => void;
  readonly #mayWrite: () => boolean;

  /**
   * Creates a journal whose file is new, or replaces an existing one.
   *
   * @param tell called when the file cannot be written: once, until it can be written again
   * @param mayWrite called before each write: while the file belongs to another process, changes stay in memory
   */
  constructor(file: string, tell: (error: HomieError) => void = () => undefined, mayWrite = (): boolean => true) {
    this.#file = new JournalFile(file);
    this.#tell = tell;
    this.#mayWrite = mayWrite;
  }

  /**
   * Opens a file that may or may not exist, with each line that can be read. Copies a damaged file to `*.damaged`
   * before it is written again. A file of a later version, or one that cannot be read at all, is never written: changes
   * then stay in memory. Never rejects.
   *
   * @param tell called for damage, too
   */
  static async openLeniently(
    file: string,
    tell: (error: HomieError) => void,
    mayWrite?: () => boolean,
  ): Promise<Reading> {
    const reading = await Journal.read(file, tell, mayWrite);
    const { journal, damage } = reading;
    if (damage === undefined) return reading;
    if (damage.error.code === 'JOB_FILE_DAMAGED') await copyAside(file).catch(() => undefined);
    else journal.#detached = true;
    tell(leniently(file, damage.error));
    return reading;
  }

  /** Reads what can be read of a file, which need not exist, and changes nothing on the disk. Never rejects. */
  static async read(file: string, tell?: (error: HomieError) => void, mayWrite?: () => boolean): Promise<Reading> {
    const journal = new Journal(file, tell, mayWrite);
    let text: string;
    try {
      text = (await readWhole(file, MAX_FILE)).toString();
    } catch (error) {
      if (isMissing(error)) return { journal };
      return { journal, damage: { error: asHomieError(error), keys: [] } };
    }
    if (text === '') return { journal };
    const [first = '', ...lines] = text.split('\n');
    // Text after the last line break was being written when the process ended. The first line is never written alone.
    lines.pop();
    const keys: string[] = [];
    const version: unknown = Reflect.get(Object(parse(first)), 'version');
    let error = wrongVersion(file, version);
    const isVersion1 = version !== VERSION && error?.code !== 'JOB_FILE_NEWER';
    for (const line of lines) {
      const change = readChange(line);
      if ('key' in change) journal.#take(change.key, change.line);
      else {
        error ??= damaged(file);
        if (change.about !== undefined) keys.push(change.about);
      }
    }
    journal.#file.wasRead(Buffer.byteLength(text), error === undefined && !isVersion1 && text.endsWith('\n'));
    return { journal, isVersion1, ...(error && { damage: { error, keys } }) };
  }

  get file(): string {
    return this.#file.path;
  }

  /** Why the last change could not be written: JOB_NOT_SAVED; undefined if it is on the disk, or not written yet. */
  get failure(): HomieError | undefined {
    return this.#failure;
  }

  /** Whether all values are on the disk. */
  get isWritten(): boolean {
    return (
      !this.#closed &&
      !this.#detached &&
      this.#queue === '' &&
      this.#writing === undefined &&
      this.#failure === undefined
    );
  }

  /** Returns the entries whose keys begin with `prefix`, in the order of their last change. */
  *entries(prefix = ''): Generator<[key: string, value: unknown]> {
    for (const [key, line] of this.#lines) if (key.startsWith(prefix)) yield [key, JSON.parse(line)[1]];
  }

  get(key: string): unknown {
    const line = this.#lines.get(key);
    return line === undefined ? undefined : JSON.parse(line)[1];
  }

  /**
   * Stores a value; undefined removes it. A value that has not changed is not written again. Resolves when the value is
   * on the disk or could not be written. Never rejects.
   *
   * @param value plain data
   */
  async set(key: string, value: unknown): Promise<void> {
    const line = `${JSON.stringify(value === undefined ? [key] : [key, value])}\n`;
    if (value === undefined ? this.#lines.has(key) : this.#lines.get(key) !== line) {
      this.#take(key, value === undefined ? undefined : line);
      if (!this.#detached) this.#queue += line;
    }
    await this.#write();
  }

  /** Writes the whole file again. Resolves when that is done or has failed. */
  async rewrite(): Promise<void> {
    if (!this.#detached) this.#queue += this.#text.slice(this.#text.indexOf('\n') + 1);
    await this.#write();
  }

  /** Resolves when all values are on the disk, or could not be written. */
  written(): Promise<void> {
    return this.#write();
  }

  /** Leaves the file as it is: nothing is written any more. */
  close(): void {
    this.#closed = true;
    if (this.#writing === undefined) void this.#file.close();
  }

  /** Deletes the file. Nothing is written any more. */
  async remove(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await this.#file.close();
    if (this.#mayWrite()) await rm(this.file, { force: true }).catch(() => undefined);
  }

  #take(key: string, line: string | undefined): void {
    this.#content -= Buffer.byteLength(this.#lines.get(key) ?? '');
    this.#lines.delete(key);
    if (line === undefined) return;
    this.#lines.set(key, line);
    this.#content += Buffer.byteLength(line);
  }

  /** Writes the queue. Changes during a write are written together after it. */
  async #write(): Promise<void> {
    while ((this.#queue !== '' || this.#writing !== undefined) && !this.#closed) {
      // Asked once for each write, because it looks at the disk.
      if (this.#writing === undefined && !this.#mayWrite()) return;
      this.#writing ??= this.#writeQueue().finally(() => (this.#writing = undefined));
      await this.#writing;
    }
  }

  async #writeQueue(): Promise<void> {
    const lines = this.#queue;
    this.#queue = '';
    try {
      await this.#file.write(lines, this.#content, () => this.#text);
      this.#failure = undefined;
    } catch (error) {
      const failure = notWritten(this.file, error);
      if (this.#failure === undefined) this.#tell(failure);
      this.#failure = failure;
    }
    if (this.#closed) void this.#file.close();
  }

  /** The whole text of the file. */
  get #text(): string {
    return `${JSON.stringify({ version: VERSION })}\n${[...this.#lines.values()].join('')}`;
  }
}

/** Returns what is wrong with the version of a file, if anything. */
function wrongVersion(file: string, version: unknown): HomieError | undefined {
  if (version === VERSION || version === 1) return undefined;
  if (typeof version !== 'number' || version < VERSION) return damaged(file);
  return new HomieError('JOB_FILE_NEWER.file', { file });
}

/** Reads a line: a change or, if the line is damaged, the key (`about`) as far as it can be read. */
function readChange(line: string): { key: string; line: string | undefined } | { about: string | undefined } {
  const change = parse(line);
  if (Array.isArray(change) && typeof change[0] === 'string' && change.length <= 2) {
    return { key: change[0], line: change.length === 1 ? undefined : `${line}\n` };
  }
  const about = parse(line.slice(1, line.indexOf('",') + 1));
  return { about: typeof about === 'string' ? about : undefined };
}

/** Parses JSON. Returns undefined if it is invalid, or nested too deeply to have been written by this package. */
function parse(json: string): unknown {
  if (nestingOf(json) > MAX_NESTING) return undefined;
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function damaged(file: string): HomieError {
  return new HomieError('JOB_FILE_DAMAGED.file', { file });
}

/** Returns the maximum nesting of JSON text. The engine can parse deeper nesting than it can copy. */
function nestingOf(json: string): number {
  // Each level needs a bracket, so short text cannot be nested too deeply.
  if (json.length <= MAX_NESTING) return 0;
  let [depth, most, quoted] = [0, 0, false];
  for (let index = 0; index < json.length; index += 1) {
    const character = json[index];
    if (character === '"') quoted = !quoted;
    else if (quoted) index += character === '\\' ? 1 : 0;
    else if (character === '[' || character === '{') most = Math.max(most, (depth += 1));
    else if (character === ']' || character === '}') depth -= 1;
  }
  return most;
}
