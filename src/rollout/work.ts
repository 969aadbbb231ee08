import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { History } from './store/history';
import type { Author } from './store/history-record';
import type { Job, JobOptions } from './job';

/** What is to be brought onto devices. */
export interface Work {
  readonly brings: 'image' | 'patch';
  /** The same for two that bring the same: the MD5 of the image, or the text of the patch. */
  readonly identity: string;
  /** What a newer one replaces: the name of a firmware. */
  readonly subject?: string;
  /** It is for whatever devices there are, not for certain ones. */
  readonly forAll: boolean;
  /** To whom it is to be brought and how, as it was asked for: plain data. Two that differ in it are two jobs. */
  readonly wish: object;
  readonly make: (options: JobOptions) => Job;
  /** What is written down of it, if it is to survive a restart. */
  readonly record?: WorkRecord;
}

/** What work has around it. */
export interface WorkAround {
  readonly broker: HomieBroker;
  /** What is remembered of devices and images beyond a job. */
  readonly history: History;
  readonly author?: Author | undefined;
}

/** Work as plain data without secrets. */
interface WorkRecord {
  /** ms: how long it is kept after its end. */
  readonly keep: number;
  /** What is needed to make it again. */
  readonly work: object;
  readonly firmware?: { readonly md5: string; readonly image: Buffer };
}

/**
 * Reads what the head of a job file says of its work.
 *
 * @throws {HomieError} JOB_FILE_DAMAGED
 */
export function readRecord(value: unknown): { readonly msg: Readonly<Record<string, unknown>>; readonly work: object } {
  const { msg, work }: { msg?: unknown; work?: unknown } = Object(value);
  if (typeof work !== 'object' || work === null) throw new HomieError('JOB_FILE_DAMAGED');
  return { msg: { ...Object(msg) }, work };
}
