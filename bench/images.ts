import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buildEsp8266Image } from '../test/support/images';

/** The `$fw/name` of all devices. */
export const NAME = 'bench';

/** 500 kB, rounded to what an image can have. */
export const SIZE = 500_000;

/** An image in a file. */
export interface ImageFile {
  readonly file: string;
  readonly md5: string;
  /** Bytes. */
  readonly size: number;
}

/** What a device runs, and what is brought onto it: in turn, so that none is ever up to date. */
export type Pair = readonly [ImageFile, ImageFile];

/** Writes two images of one firmware that differ in their bytes only. @param size in bytes, a multiple of 16 */
export async function writePair(folder: string, size: number): Promise<Pair> {
  return [await write(folder, size, 1), await write(folder, size, 2)];
}

async function write(folder: string, size: number, seed: number): Promise<ImageFile> {
  const image = buildEsp8266Image({ name: NAME, version: '1.0.0', size, seed });
  const file = path.join(folder, `${size}-${seed}.bin`);
  await writeFile(file, image);
  return { file, md5: createHash('md5').update(image).digest('hex'), size };
}
