import { readdir } from 'node:fs/promises';
import { asHomieError, HomieError } from '../../errors';
import { readJob, type StoredJob } from './job-file';
import type { Journal, Reading } from './journal';
import { isMissing } from './whole-file';

/** How many files are read at the same time. */
const AT_ONCE = 16;

/** How long readings are kept, in ms. Nodes ask for their jobs when they start; some nodes are gone. */
const KEPT_FOR = 60_000;

export type Readable = Pick<StoredJob, 'head' | 'state'>;

/** The file of a job that cannot be continued. */
export interface Broken {
  readonly id: string;
  readonly reading: Reading;
  readonly error: HomieError;
}

/** What was read of a job. `job` is undefined when only its start was stored when the process ended. */
type JobReading = Broken | { readonly journal: Journal; readonly job: Readable | undefined };

/** Reads the files of jobs: at the start of Node-RED, there may be hundreds of them. */
export class JobReadings {
  readonly #open: (id: string) => Promise<Reading>;
  readonly #kept = new Map<string, JobReading>();
  #end: NodeJS.Timeout | undefined;

  /** @param open reads the file of a job; does not reject */
  constructor(open: (id: string) => Promise<Reading>) {
    this.#open = open;
  }

  /** Returns what was kept of the jobs, or reads their files. */
  async take(ids: readonly string[]): Promise<{ readonly id: string; readonly reading: JobReading }[]> {
    const found: { id: string; reading: JobReading }[] = [];
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const some = ids.slice(at, at + AT_ONCE).map(async (id) => {
        const reading = this.#kept.get(id) ?? (await this.#read(id));
        this.#kept.delete(id);
        return { id, reading };
      });
      found.push(...(await Promise.all(some)));
    }
    return found;
  }

  /** Keeps what was read of a job for the next `take`. Until then, nothing else may change its file. */
  keep(id: string, reading: JobReading): void {
    this.#kept.set(id, reading);
    this.#end ??= setTimeout(() => this.clear(), KEPT_FOR).unref();
  }

  /** Forgets what was kept. */
  clear(): void {
    this.#kept.clear();
    clearTimeout(this.#end);
    this.#end = undefined;
  }

  async #read(id: string): Promise<JobReading> {
    const reading = await this.#open(id);
    const { journal, damage } = reading;
    if (damage !== undefined) return { id, reading, error: damage.error };
    try {
      return { journal, job: readJob(journal) };
    } catch (error) {
      return { id, reading, error: asHomieError(error) };
    }
  }
}

/** Returns the ids of the jobs whose files are in a folder. */
export async function idsIn(folder: string, tell: (error: HomieError) => void): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (!isMissing(error)) tell(new HomieError('JOB_FILE_UNREADABLE', undefined, { cause: error }));
    return [];
  });
  return names.flatMap((name) => /^([0-9a-f-]{36})\.jsonl$/.exec(name)?.[1] ?? []);
}
