/** What earlier processes have left in the folder of the jobs, and nobody needs. */
import { lstat, readdir, rm } from 'node:fs/promises';
import path from 'node:path';

/** For how long a file is kept that nobody needs, in ms: as long as a job that has ended, unless set otherwise. */
const KEPT = 7 * 24 * 3_600_000;

/** Files that were set aside, or were being written when a process ended, by folder. */
const leftovers = {
  '.': /^(?:history|library|pending)\.jsonl\.(?:damaged|new)$/,
  jobs: /^[0-9a-f-]{36}\.jsonl\.(?:damaged|new)$/,
  firmware: /^[0-9a-f]{32}\.bin\.new$/,
} as const;

/** What is not told by its name. */
export interface Needs {
  /** Jobs of which nothing but the beginning is written down. */
  readonly begunOnly: ReadonlySet<string>;
  /** Whether a job needs the firmware of this MD5. */
  readonly firmware: (md5: string) => boolean;
  /** Asked before each removal. */
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
      // Asked last: a job may have been begun meanwhile.
      if (isOld && mayRemove() && (leftovers[part].test(name) || isNeedless[part](name))) {
        await rm(file, { force: true }).catch(() => undefined);
      }
    }
  }
}
