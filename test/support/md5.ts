import { createHash } from 'node:crypto';

/** Returns an MD5 in lower-case hex, computed by Node.js. */
export function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}
