import { constants, type Dirent, type Stats } from 'node:fs';
import { open, opendir, realpath, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { HomieError } from '../errors';
import { MAX_IMAGE } from '../firmware/format';
import { plainText } from '../plain-text';
import { fitsPatterns, safeFilename } from './filename';
import { InspectedImages } from './images';
import type { Candidate, Findings, Refusal, Source } from './source';

export interface FolderOptions {
  /** The absolute path. */
  readonly folder: string;
  /** The path as it was typed. */
  readonly shown: string;
  readonly patterns: readonly string[];
  readonly subfolders: boolean;
}

/** Maximum number of entries to read, of matching files, and of nested folders. */
const LIMITS = { entries: 100_000, files: 10_000, depth: 16 } as const;

/**
 * Does not follow a link that has replaced a file, and does not wait for a writer when opening a pipe. Windows has
 * neither flag.
 */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** A file or link in the folder that matches the patterns. */
interface Entry {
  /** The path relative to the folder. */
  readonly relative: string;
  readonly isFile: boolean;
}

/**
 * Images in a folder. Follows no links, wherever they lead; only the folder itself may be one. Ignores hidden folders,
 * and hidden files unless a pattern starts with a dot.
 */
export class FolderSource implements Source {
  readonly shown: string;
  readonly #options: FolderOptions;
  /** Keeps no image in memory, since reading a file again is as fast. */
  readonly #images = new InspectedImages(0);

  constructor(options: FolderOptions) {
    this.#options = options;
    this.shown = plainText(options.shown);
  }

  /** @throws {HomieError} FOLDER_UNREADABLE, SOURCE_TOO_LARGE */
  async search(signal: AbortSignal): Promise<Findings> {
    const root = await this.#root();
    const refused: Refusal[] = [];
    const entries = await this.#entries(root, refused, signal);
    const candidates: Candidate[] = [];
    const keys = new Set<string>();
    for (const { relative, isFile } of entries) {
      signal.throwIfAborted();
      const found = isFile
        ? await this.#inspect(root, relative, keys, signal)
        : this.#refuse(relative, new HomieError('FILE_REFUSED.link'));
      if ('error' in found) refused.push(found);
      else candidates.push(found);
    }
    this.#images.retain(keys);
    return { candidates, refused };
  }

  async #root(): Promise<string> {
    try {
      return await realpath(this.#options.folder);
    } catch (error) {
      throw unreadable(error, this.shown);
    }
  }

  /** Returns the matching files, in the order of their paths. */
  async #entries(root: string, refused: Refusal[], signal: AbortSignal): Promise<Entry[]> {
    const entries: Entry[] = [];
    const folders: { relative: string; depth: number }[] = [{ relative: '', depth: 0 }];
    let count = 0;
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const { relative, depth } = folder;
      try {
        for await (const entry of await this.#open(root, relative)) {
          signal.throwIfAborted();
          count += 1;
          if (count > LIMITS.entries) throw new HomieError('SOURCE_TOO_LARGE.entries', { most: LIMITS.entries });
          const below = path.join(relative, entry.name);
          if (this.#isFolder(entry) && depth < LIMITS.depth) folders.push({ relative: below, depth: depth + 1 });
          if (this.#fits(entry)) entries.push({ relative: below, isFile: entry.isFile() });
          if (entries.length > LIMITS.files) throw new HomieError('SOURCE_TOO_LARGE.files', { most: LIMITS.files });
        }
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof HomieError && error.code === 'SOURCE_TOO_LARGE') throw error;
        const shown = relative === '' ? this.shown : plainText(relative);
        const reason = unreadable(error, shown);
        if (relative === '') throw reason;
        refused.push(this.#refuse(relative, reason));
      }
    }
    return entries.sort((a, b) => (a.relative < b.relative ? -1 : 1));
  }

  /** Opens a folder below the root, unless a link has taken its place. */
  async #open(root: string, relative: string): Promise<AsyncIterable<Dirent>> {
    const folder = path.join(root, relative);
    if ((await realpath(folder)) !== folder) throw new HomieError('FILE_REFUSED.link');
    return opendir(folder, { bufferSize: 128 });
  }

  #isFolder(entry: Dirent): boolean {
    return this.#options.subfolders && entry.isDirectory() && !entry.name.startsWith('.');
  }

  #fits(entry: Dirent): boolean {
    return (entry.isFile() || entry.isSymbolicLink()) && fitsPatterns(entry.name, this.#options.patterns);
  }

  async #inspect(root: string, relative: string, keys: Set<string>, signal: AbortSignal): Promise<Candidate | Refusal> {
    const file = path.join(root, relative);
    try {
      const { known, key, changed } = await withFile(file, async (handle, stats) => {
        const id = `${relative}\0${stats.size}\0${stats.mtimeMs}\0${stats.ino}`;
        const inspected =
          this.#images.get(id) ?? (await this.#images.inspect(id, await readBytes(handle, stats, signal)));
        return { known: inspected, key: id, changed: stats.mtime };
      });
      keys.add(key);
      if ('error' in known) return this.#refuse(relative, known.error);
      const { info } = known;
      const again = async (until: AbortSignal): Promise<Buffer> => {
        try {
          return await withFile(file, (handle, stats) => readBytes(handle, stats, until));
        } catch (error) {
          until.throwIfAborted();
          throw fileError(error);
        }
      };
      return {
        info,
        ...this.#place(relative),
        publishedAt: changed,
        read: (until) => this.#images.image(key, info.md5, () => again(until)),
      };
    } catch (error) {
      signal.throwIfAborted();
      return this.#refuse(relative, fileError(error));
    }
  }

  #refuse(relative: string, error: HomieError): Refusal {
    return { ...this.#place(relative), error };
  }

  #place(relative: string): { filename: string; source: string } {
    return { filename: safeFilename(path.basename(relative)), source: plainText(path.join(this.shown, relative)) };
  }
}

async function withFile<T>(file: string, work: (handle: FileHandle, stats: Stats) => Promise<T>): Promise<T> {
  const handle = await open(file, FLAGS);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new HomieError('FILE_REFUSED.noFile');
    if (stats.size > MAX_IMAGE) throw new HomieError('FIRMWARE_TOO_LARGE');
    return await work(handle, stats);
  } finally {
    await handle.close();
  }
}

/** Reads up to the size that the file had when it was opened. */
async function readBytes(handle: FileHandle, { size }: Stats, signal: AbortSignal): Promise<Buffer> {
  const bytes = Buffer.alloc(size);
  let length = 0;
  while (length < size) {
    signal.throwIfAborted();
    const { bytesRead } = await handle.read(bytes, length, size - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

/**
 * Returns the code of a file system error, the only part of it to show: the message contains the path, which may come
 * from an environment variable.
 */
function codeOf(error: unknown): unknown {
  return Reflect.get(Object(error), 'code');
}

function unreadable(error: unknown, folder: string): HomieError {
  if (error instanceof HomieError) return error;
  const code = codeOf(error);
  if (code === 'ENOENT') return new HomieError('FOLDER_UNREADABLE.missing', { folder });
  if (code === 'ENOTDIR') return new HomieError('FOLDER_UNREADABLE.noFolder', { folder });
  if (code === 'EACCES' || code === 'EPERM') return new HomieError('FOLDER_UNREADABLE.denied', { folder });
  return new HomieError('FOLDER_UNREADABLE.other', { folder, reason: String(code) });
}

function fileError(error: unknown): HomieError {
  if (error instanceof HomieError) return error;
  const code = codeOf(error);
  if (code === 'ELOOP') return new HomieError('FILE_REFUSED.link');
  if (code === 'ENOENT') return new HomieError('FILE_REFUSED.changed');
  if (code === 'EACCES' || code === 'EPERM') return new HomieError('FILE_REFUSED.denied');
  return new HomieError('FILE_REFUSED.other', { reason: String(code) });
}
