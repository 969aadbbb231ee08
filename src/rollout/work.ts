import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { FirmwareName } from '../update/update';
import type { Author } from './store/history-record';
import type { Job } from './job';
import type { JobOptions } from './job-view';

/** What a job does: the image or patch, the devices and the settings. */
export interface Work {
  readonly brings: 'image' | 'patch';
  /** Equal for equal contents: the MD5 of the image, or the text of the patch. */
  readonly identity: string;
  /** The firmware name: newer work with another image for the same name replaces this. */
  readonly subject?: string;
  /** Whether it applies to all devices that run the firmware name, instead of named ones. */
  readonly forAll: boolean;
  /** Whether it takes devices back to their previous image. A canary among them has failed. */
  readonly isRollback?: boolean;
  /** The devices and settings as requested. Plain data. Requests that differ in it are different jobs. */
  readonly wish: object;
  /** The firmware that it installs. */
  readonly to?: FirmwareName;
  /** The paths that a patch sets. */
  readonly paths?: readonly string[];
  /** The name of the node that started it, or its id. */
  readonly by?: string;
  readonly make: (options: JobOptions) => Job;
  /** What is stored, if the job must survive a restart. */
  readonly record?: WorkRecord;
}

/** The environment of work. */
export interface WorkContext {
  readonly broker: HomieBroker;
  readonly author?: Author | undefined;
}

/** Returns the name of an author, or its id. */
export function nameOf(author: Author): string {
  return author.name ?? author.id;
}

/** Work as stored. Plain data without secrets. */
interface WorkRecord {
  /** How long the job is kept after its end, in ms. */
  readonly keep: number;
  /** What is needed to recreate the work. */
  readonly work: object;
  readonly firmware?: { readonly md5: string; readonly image: Buffer };
}

/**
 * Reads the message and the work from the head of a job file.
 *
 * @throws {HomieError} JOB_FILE_DAMAGED: the work is missing
 */
export function readRecord(value: unknown): { readonly msg: Readonly<Record<string, unknown>>; readonly work: object } {
  const { msg, work }: { msg?: unknown; work?: unknown } = Object(value);
  if (typeof work !== 'object' || work === null) throw new HomieError('JOB_FILE_DAMAGED');
  return { msg: { ...Object(msg) }, work };
}
