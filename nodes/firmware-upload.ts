import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { withDeadline } from '../src/deadline';
import { HomieError } from '../src/errors';
import { MAX_IMAGE } from '../src/firmware/format';

/** How long an upload may take, in ms. */
const TIMEOUT = 300_000;

/** A body that comes in. */
export interface Upload extends Readable {
  readonly headers: { readonly 'content-length'?: string | undefined };
}

/**
 * Reads an upload piece by piece. What is too much is thrown away as it comes.
 *
 * @throws {HomieError} FIRMWARE_TOO_LARGE, FIRMWARE_TRUNCATED when it ends early or takes too long
 */
export async function readUpload(upload: Upload): Promise<Buffer> {
  const told = Number(upload.headers['content-length'] ?? 0);
  if (told > MAX_IMAGE) {
    upload.resume();
    throw new HomieError('FIRMWARE_TOO_LARGE');
  }
  const parts: Buffer[] = [];
  let size = 0;
  upload.on('data', (part: Buffer) => {
    size += part.length;
    if (size <= MAX_IMAGE) parts.push(part);
    else parts.length = 0;
  });
  try {
    // A request that is broken off emits `close` without `end`.
    await withDeadline(TIMEOUT, closing(upload), (signal) => once(upload, 'end', { signal }));
  } catch (cause) {
    throw new HomieError('FIRMWARE_TRUNCATED', 'The upload has ended early.', { cause });
  }
  if (size > MAX_IMAGE) throw new HomieError('FIRMWARE_TOO_LARGE');
  return Buffer.concat(parts, size);
}

function closing(upload: Upload): AbortSignal {
  const closed = new AbortController();
  upload.once('close', () => closed.abort());
  return closed.signal;
}
