import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { withDeadline } from '../../src/deadline';
import { HomieError } from '../../src/errors';
import { MAX_IMAGE } from '../../src/firmware/format';
import { SidebarRefusal } from './sidebar-refusal';

/** Time limits of an upload, in ms: between two parts, and in total. */
export interface UploadLimits {
  readonly idle: number;
  readonly total: number;
}

const LIMITS: UploadLimits = { idle: 30_000, total: 300_000 };

/** Maximum number of uploads at the same time. */
const MAX_UPLOADS = { user: 2, all: 8 };

/** The body of an upload. */
export interface Upload extends Readable {
  readonly headers: { readonly 'content-length'?: string | undefined };
}

/** Limits uploads at the same time, so that one user does not hold up the others. */
export class UploadSlots {
  readonly #users: string[] = [];

  /**
   * Takes a slot for an upload.
   *
   * @returns a function that releases the slot
   * @throws {SidebarRefusal} busy: no slot is free
   */
  take(user: string): () => void {
    const own = this.#users.filter((each) => each === user).length;
    if (own >= MAX_UPLOADS.user || this.#users.length >= MAX_UPLOADS.all) throw new SidebarRefusal('busy');
    this.#users.push(user);
    let isTaken = true;
    return () => {
      if (isTaken) this.#users.splice(this.#users.indexOf(user), 1);
      isTaken = false;
    };
  }
}

/**
 * Reads an upload part by part. Discards the parts of an upload that is too large.
 *
 * @throws {HomieError} FIRMWARE_TOO_LARGE; FIRMWARE_TRUNCATED: the upload ends early, stalls or takes too long
 */
export async function readUpload(upload: Upload, { idle, total }: UploadLimits = LIMITS): Promise<Buffer> {
  const told = Number(upload.headers['content-length'] ?? 0);
  if (told > MAX_IMAGE) {
    upload.resume();
    throw new HomieError('FIRMWARE_TOO_LARGE');
  }
  const parts: Buffer[] = [];
  let size = 0;
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), idle);
  const take = (part: Buffer): void => {
    timer.refresh();
    size += part.length;
    if (size <= MAX_IMAGE) parts.push(part);
    else parts.length = 0;
  };
  upload.on('data', take);
  try {
    // A request that is broken off emits `close`, but not `end`.
    const ended = AbortSignal.any([closing(upload), stalled.signal]);
    await withDeadline(total, ended, (signal) => once(upload, 'end', { signal }));
  } catch (cause) {
    const isStalled = stalled.signal.aborted;
    const key = isStalled ? 'FIRMWARE_TRUNCATED.uploadStalled' : 'FIRMWARE_TRUNCATED.uploadEnded';
    throw new HomieError(key, isStalled ? { seconds: idle / 1000 } : {}, { cause });
  } finally {
    clearTimeout(timer);
    upload.off('data', take);
    // Discards what still arrives.
    upload.resume();
  }
  if (size > MAX_IMAGE) throw new HomieError('FIRMWARE_TOO_LARGE');
  return Buffer.concat(parts, size);
}

function closing(upload: Upload): AbortSignal {
  const closed = new AbortController();
  upload.once('close', () => closed.abort());
  return closed.signal;
}
