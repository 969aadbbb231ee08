import { rm } from 'node:fs/promises';
import { asHomieError, HomieError } from '../../errors';
import { JournalFile } from './journal-file';
import { copyAside, isMissing, leniently, notWritten, readWhole } from './whole-file';

/** What the first line of a file says. A file of a later version is not touched. */
const VERSION = 1;

/** What is larger, in bytes, or nested deeper was not written here. */
const MAX_FILE = 256 * 1024 * 1024;
const MAX_NESTING = 1000;

/** What was read of a file. */
export interface Reading {
  readonly journal: Journal;
  readonly damage?: Damage;
}

/** What could not be read of a file. */
interface Damage {
  /** JOB_FILE_DAMAGED, JOB_FILE_NEWER or JOB_FILE_UNREADABLE. */
  readonly error: HomieError;
  /** The keys of the damaged lines, where at least these can be read. */
  readonly keys: readonly string[];
}

/**
 * Plain data by keys, kept in a file that only the owner can read. Each change is one line at its end, so that a change
 * costs the same however much is kept, and a process that ends in the middle of one loses that change and nothing else.
 */
export class Journal {
  readonly #file: JournalFile;
  readonly #lines = new Map<string, string>();
  /** Bytes of the lines. */
  #content = 0;
  /** Lines that are still to be written. */
  #queue = '';
  #writing: Promise<void> | undefined;
  #failed = false;
  #closed = false;
  /** The file belongs to a later version, or cannot be read: it is not written. */
  #detached = false;
  readonly #tell: (error: HomieError) => void;
  readonly #mayWrite: () => boolean;

  /**
   * A file that is new, or that replaces what is there.
   *
   * @param tell is told when the file cannot be written: once, until it can be written again
   * @param mayWrite asked before each write: as long as the file belongs to somebody else, changes stay in memory
   */
  constructor(file: string, tell: (error: HomieError) => void = () => undefined, mayWrite = (): boolean => true) {
    this.#file = new JournalFile(file);
    this.#tell = tell;
    this.#mayWrite = mayWrite;
  }

  /**
   * A file that is there, or is to come.
   *
   * @throws {HomieError} JOB_FILE_DAMAGED, JOB_FILE_NEWER, JOB_FILE_UNREADABLE; nothing was changed then
   */
  static async open(file: string, tell?: (error: HomieError) => void): Promise<Journal> {
    const { journal, damage } = await Journal.read(file, tell);
    if (damage !== undefined) throw damage.error;
    return journal;
  }

  /**
   * A file that is there, or is to come, with every line that can be read. A damaged file is copied to `*.damaged` before it
   * is written again. A file of a later version, or one that cannot be read at all, is never written: what is set then is
   * kept in memory only. Never rejects.
   *
   * @param tell is told of the damage, too
   */
  static async openLeniently(
    file: string,
    tell: (error: HomieError) => void,
    mayWrite?: () => boolean,
  ): Promise<Reading> {
    const { journal, damage } = await Journal.read(file, tell, mayWrite);
    if (damage === undefined) return { journal };
    if (damage.error.code === 'JOB_FILE_DAMAGED') await copyAside(file).catch(() => undefined);
    else journal.#detached = true;
    tell(leniently(file, damage.error));
    return { journal, damage };
  }

  /** Reads whatever can be read of a file, and changes nothing on the disk. Never rejects. */
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
    // What does not end in a line break was being written when the process ended. The first line is never written alone.
    lines.pop();
    const keys: string[] = [];
    let error = wrongVersion(file, first);
    for (const line of lines) {
      const change = readChange(line);
      if ('key' in change) journal.#take(change.key, change.line);
      else {
        error ??= damaged(file);
        if (change.about !== undefined) keys.push(change.about);
      }
    }
    journal.#file.wasRead(Buffer.byteLength(text), error === undefined && text.endsWith('\n'));
    return error === undefined ? { journal } : { journal, damage: { error, keys } };
  }

  get file(): string {
    return this.#file.path;
  }

  /** What is kept, in the order in which it came. */
  *entries(): Generator<[key: string, value: unknown]> {
    for (const [key, line] of this.#lines) yield [key, JSON.parse(line)[1]];
  }

  get(key: string): unknown {
    const line = this.#lines.get(key);
    return line === undefined ? undefined : JSON.parse(line)[1];
  }

  /**
   * Keeps a value, or forgets it when it is undefined. What is kept already is not written again.
   *
   * @param value plain data
   * @returns resolves when it is on the disk, or could not be written; it does not reject
   */
  async set(key: string, value: unknown): Promise<void> {
    const line = `${JSON.stringify(value === undefined ? [key] : [key, value])}\n`;
    if (value === undefined ? this.#lines.has(key) : this.#lines.get(key) !== line) {
      this.#take(key, value === undefined ? undefined : line);
      if (!this.#detached) this.#queue += line;
    }
    await this.#write();
  }

  /** Resolves when all that was set is on the disk, or could not be written. */
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

  /** Whatever comes while something is being written is written together after it. */
  async #write(): Promise<void> {
    while ((this.#queue !== '' || this.#writing !== undefined) && !this.#closed && this.#mayWrite()) {
      this.#writing ??= this.#writeQueue().finally(() => (this.#writing = undefined));
      await this.#writing;
    }
  }

  async #writeQueue(): Promise<void> {
    const lines = this.#queue;
    this.#queue = '';
    try {
      await this.#file.write(lines, this.#content, () => this.#text);
      this.#failed = false;
    } catch (error) {
      if (!this.#failed) this.#tell(notWritten(this.file, error));
      this.#failed = true;
    }
    if (this.#closed) void this.#file.close();
  }

  /** The whole text of the file. */
  get #text(): string {
    return `${JSON.stringify({ version: VERSION })}\n${[...this.#lines.values()].join('')}`;
  }
}

/** What is wrong with a file by its first line. */
function wrongVersion(file: string, first: string): HomieError | undefined {
  const version = Reflect.get(Object(parse(first)), 'version');
  if (version === VERSION) return undefined;
  if (typeof version !== 'number' || version < VERSION) return damaged(file);
  return new HomieError('JOB_FILE_NEWER.file', { file });
}

/** Reads a line: a change, or, where it is damaged, what it is about as far as that can be read. */
function readChange(line: string): { key: string; line: string | undefined } | { about: string | undefined } {
  const change = parse(line);
  if (Array.isArray(change) && typeof change[0] === 'string' && change.length <= 2) {
    return { key: change[0], line: change.length === 1 ? undefined : `${line}\n` };
  }
  const about = parse(line.slice(1, line.indexOf('",') + 1));
  return { about: typeof about === 'string' ? about : undefined };
}

/** @returns undefined where it is no JSON, or none that was written here */
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

/** How many levels of JSON there are at most: the engine can read more than can be copied. */
function nestingOf(json: string): number {
  // Each level has its bracket.
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
