/** Files that are read and written as a whole, for the owner only. */
import { lstat, open, mkdir, readFile, rm, rename, chmod, copyFile, constants } from 'node:fs/promises';
import path from 'node:path';
import { HomieError } from '../../errors';

const MEMORY_ONLY = 'The file is left unchanged; until the next restart, new data is kept in memory only.';

/**
 * Reads a file. No link is followed, and nothing waited for that is no file.
 *
 * @param most bytes
 */
export async function readWhole(file: string, most: number): Promise<Buffer> {
  const found = await lstat(file);
  if (!found.isFile()) throw new Error('it is not a file');
  if (found.size > most) throw new Error(`it has ${found.size} bytes`);
  return readFile(file);
}

/** Writes a file as a whole or not at all, readable by the owner only. Makes its folder where it is missing. */
export async function writeWhole(file: string, content: string | Buffer): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const written = `${file}.new`;
  // What an earlier process has left, or a link to another file, is not written into.
  await rm(written, { force: true });
  const handle = await open(written, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(written, file);
}

/**
 * Closes folders to other users, as far as they are there.
 *
 * @returns why that cannot be done
 */
export async function closeToOthers(folders: readonly string[]): Promise<HomieError | undefined> {
  for (const folder of folders) {
    try {
      await chmod(folder, 0o700);
    } catch (error) {
      if (isMissing(error)) continue;
      const reason = `Other users may be able to read ${folder}: its permissions cannot be changed (${reasonOf(error)}).`;
      return new HomieError('JOB_FILES_OPEN', reason, { cause: error });
    }
  }
  return undefined;
}

/** Why a file could not be written. */
export function notWritten(file: string, error: unknown): HomieError {
  return new HomieError('JOB_NOT_SAVED', `${file} cannot be written (${reasonOf(error)}).`, { cause: error });
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

export function reasonOf(error: unknown): string {
  if (error instanceof Error) return 'code' in error ? String(error.code) : error.message;
  return String(error);
}

/** What is told of a file that is used all the same. */
export function leniently(file: string, { code, message, hint, cause }: HomieError): HomieError {
  if (code !== 'JOB_FILE_DAMAGED') return new HomieError(code, `${message} ${MEMORY_ONLY}`, { hint, cause });
  return new HomieError(code, `${message} The readable lines are used.`, {
    hint: `Check what your devices run before you send anything again. The damaged file is kept as ${path.basename(file)}.damaged.`,
  });
}

export async function copyAside(file: string): Promise<void> {
  const copy = `${file}.damaged`;
  // What an earlier process has left, or a link to another file, is not written into.
  await rm(copy, { force: true });
  await copyFile(file, copy, constants.COPYFILE_EXCL);
}
