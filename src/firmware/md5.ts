import { createHash } from 'node:crypto';
import SparkMD5 from 'spark-md5';

/** An MD5 that is computed piece by piece. */
export interface Md5 {
  update(bytes: Buffer): void;
  /** Returns the MD5 in lower-case hex. Call it only once. */
  end(): string;
}

/** Returns an MD5 by node:crypto or, where FIPS forbids MD5, by spark-md5, which takes several times as long. */
export function newMd5(): Md5 {
  try {
    const hash = createHash('md5');
    return { update: (bytes) => void hash.update(bytes), end: () => hash.digest('hex') };
  } catch {
    return plainMd5();
  }
}

/** Returns an MD5 by spark-md5. */
export function plainMd5(): Md5 {
  const hash = new SparkMD5.ArrayBuffer();
  return {
    // The copy matters: a Buffer may be a view into a larger pool, and spark-md5 takes a whole ArrayBuffer.
    update: (bytes) => void hash.append(new Uint8Array(bytes).buffer),
    end: () => hash.end(),
  };
}
