/** Removes files from the folder of the jobs that earlier processes left and nobody needs. */
import { lstat, readdir, rm } from 'node:fs/promises';
import path from 'node:path';

/** How long to keep files that nobody needs, in ms: the default for jobs that have ended. */
const KEPT = 7 * 24 * 3_600_000;

/** Files that were set aside or were being written when a process ended, by folder. */
const leftovers = {
  '.': /^(?:history|library|pending)\.jsonl\.(?:damaged|new)$/,
  jobs: /^[0-9a-f-]{36}\.jsonl\.(?:damaged|new)$/,
  firmware: /^[0-9a-f]{32}\.bin\.new$/,
} as const;

/** Facts about files that their names do not show. */
export interface Needs {
  /** Ids of jobs of which only the start is stored. */
  readonly begunOnly: ReadonlySet<string>;
  /** Returns whether a job needs the image with this MD5. */
  readonly firmware: (md5: string) => boolean;
  /** Called before each removal. */
  readonly mayRemove: () => boolean;
}

/** Removes files that nobody needs and that were last written more than a week ago. Never rejects. */
export async function removeOldFiles(folder: string, { begunOnly, firmware, mayRemove }: Needs): Promise<void> {
  const isNeedless = {
    '.': () => false,
    jobs: (name: string) => name.endsWith('.jsonl') && begunOnly.has(name.slice(0, -'.jsonl'.length)),
    firmware: (name: string) => /^[0-9a-f]{32}\.bin$/.test(name) && !firmware(name.slice(0, 32)),
  };
  for (const part of ['.', 'jobs', 'firmware'] as const) {
    const names = await readdir(path.join(folder, part)).catch(() => []);
    for (const name of names) {
      if (!leftovers[part].test(name) && !isNeedless[part](name)) continue;
      const file = path.join(folder, part, name);
      const isOld = await lstat(file).then(
        ({ mtimeMs }) => Date.now() - mtimeMs > KEPT,
        () => false,
      );
      // Checked again at the end, because a job may have been started meanwhile.
      if (isOld && mayRemove() && (leftovers[part].test(name) || isNeedless[part](name))) {
        await rm(file, { force: true }).catch(() => undefined);
      }
    }
  }
}
