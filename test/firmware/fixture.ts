import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the linked images and their recipe are. */
export const FIXTURES = join(__dirname, '../fixtures/firmware');

/** The linked image of `my-light` of that version. */
export function fixture(version: string): Buffer {
  return readFileSync(join(FIXTURES, `my-light-${version}.bin`));
}
