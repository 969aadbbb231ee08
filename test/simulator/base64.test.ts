import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeInPlace, newDecodeState } from './base64';

/** Encodes `bytes` in base64, and decodes that segment by segment as the firmware does. */
function decode(bytes: Uint8Array, first: number, segment: number): Buffer {
  const text = Buffer.from(Buffer.from(bytes).toString('base64').replaceAll('=', ''));
  const state = newDecodeState();
  const parts: Buffer[] = [];
  for (let at = 0, end = first; at < text.length; at = end, end += segment) {
    const part = Buffer.from(text.subarray(at, end));
    parts.push(part.subarray(0, decodeInPlace(part, part.length, state)));
  }
  return Buffer.concat(parts);
}

describe('decoding base64 in place', () => {
  const image = fc.uint8Array({ minLength: 3000, maxLength: 6000 });

  it('gives the bytes when segments start at the first or the last character of a group of four', () => {
    const first = fc.integer({ min: 100, max: 134 }).filter((length) => length % 4 === 0 || length % 4 === 3);
    fc.assert(
      fc.property(image, first, fc.constantFrom(536, 1460), (bytes, length, segment) => {
        assert.deepEqual(decode(bytes, length, segment), Buffer.from(bytes));
      }),
    );
  });

  it('damages the bytes when segments start in the middle of a group of four', () => {
    const first = fc.integer({ min: 100, max: 134 }).filter((length) => length % 4 === 1 || length % 4 === 2);
    fc.assert(
      fc.property(image, first, fc.constantFrom(536, 1460), (bytes, length, segment) => {
        assert.notDeepEqual(decode(bytes, length, segment), Buffer.from(bytes));
      }),
    );
  });
});
