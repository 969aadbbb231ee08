/** Reads and writes files as a whole, readable by their owner only. */
import {
  lstat,
  open,
  mkdir,
  readFile,
  rm,
  rename,
  chmod,
  copyFile,
  constants,
  type FileHandle,
} from 'node:fs/promises';
import path from 'node:path';
import { HomieError } from '../../errors';

/**
 * Reads a file. Follows no link, and refuses anything that is not a regular file, such as a pipe that could block.
 *
 * @param most maximum size in bytes
 * @throws {HomieError} JOB_FILE_UNREADABLE: it is not a file, is too large, or cannot be read
 * @throws the error of the system (ENOENT) when the file is missing
 */
export async function readWhole(file: string, most: number): Promise<Buffer> {
  try {
    const found = await lstat(file);
    if (!found.isFile()) throw new HomieError('JOB_FILE_UNREADABLE.notAFile', { file });
    if (found.size > most) throw new HomieError('JOB_FILE_UNREADABLE.tooLarge', { file, bytes: found.size });
    return await readFile(file);
  } catch (error) {
    if (error instanceof HomieError || isMissing(error)) throw error;
    throw new HomieError('JOB_FILE_UNREADABLE.file', { file, reason: reasonOf(error) }, { cause: error });
  }
}

/** Writes a file completely or not at all, readable by its owner only. Creates its folder if it is missing. */
export async function writeWhole(file: string, content: string | Buffer): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const written = `${file}.new`;
  // Never writes into a file that an earlier process left, or through a link to another file.
  await rm(written, { force: true });
  const handle = await open(written, 'wx', 0o600);
  try {
    await writeAndClose(handle, content);
    await rename(written, file);
  } catch (error) {
    // The disk may be full.
    await rm(written, { force: true }).catch(() => undefined);
    throw error;
  }
}

async function writeAndClose(handle: FileHandle, content: string | Buffer): Promise<void> {
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Closes existing folders to other users.
 *
 * @returns why that is not possible, if it is not
 */
export async function closeToOthers(folders: readonly string[]): Promise<HomieError | undefined> {
  for (const folder of folders) {
    try {
      await chmod(folder, 0o700);
    } catch (error) {
      if (isMissing(error)) continue;
      return new HomieError('JOB_FILES_OPEN.folder', { folder, reason: reasonOf(error) }, { cause: error });
    }
  }
  return undefined;
}

/** Returns the error for a file that could not be written. */
export function notWritten(file: string, error: unknown): HomieError {
  return new HomieError('JOB_NOT_SAVED.file', { file, reason: reasonOf(error) }, { cause: error });
}

/** Returns whether an error of the system is ENOENT. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

/** Returns the code of an error of the system. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function reasonOf(error: unknown): string {
  if (error instanceof Error) return 'code' in error ? String(error.code) : error.message;
  return String(error);
}

/** Returns the error to report for a file that is used although it is damaged, newer or unreadable. */
export function leniently(file: string, { code, text, cause }: HomieError): HomieError {
  if (code === 'JOB_FILE_DAMAGED') return new HomieError('JOB_FILE_DAMAGED.used', { file, name: path.basename(file) });
  const key = code === 'JOB_FILE_NEWER' ? 'JOB_FILE_NEWER.inMemory' : 'JOB_FILE_UNREADABLE.inMemory';
  return new HomieError(key, { problem: text }, { cause });
}

/** Copies a file to `*.damaged`, and replaces an earlier copy. */
export async function copyAside(file: string): Promise<void> {
  const copy = `${file}.damaged`;
  // Never writes into a file that an earlier process left, or through a link to another file.
  await rm(copy, { force: true });
  await copyFile(file, copy, constants.COPYFILE_EXCL);
}
