/** Where a folder is, and what the errors of the system say about it. */
import { realpathSync } from 'node:fs';
import path from 'node:path';
import { codeOf } from './whole-file';

/** Errors that say that no file can be created in a folder. Any other error says nothing about who uses the folder. */
const UNWRITABLE = new Set<unknown>([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'ENOSPC',
  'EDQUOT',
  'ELOOP',
  'ENAMETOOLONG',
]);

/** Returns whether an error says that no file can be created in a folder. */
export function saysUnwritable(error: unknown): boolean {
  return UNWRITABLE.has(codeOf(error));
}

/** Returns the absolute path of a folder that may be missing, without links in the path of its parent. */
export function realFolder(folder: string): string {
  const absolute = path.resolve(folder);
  try {
    return path.join(realpathSync(path.dirname(absolute)), path.basename(absolute));
  } catch {
    return absolute;
  }
}
