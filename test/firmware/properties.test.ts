import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { HomieError } from '../../src/errors';
import { Firmware } from '../../src/firmware/firmware';
import { inspect } from '../../src/firmware/inspect';
import { readPayload } from '../../src/firmware/payload';
import { buildEsp32Image, buildEsp8266Image } from '../support/images';
import { fixture } from './fixture';
import { flipped } from './refused';
import { anyText } from '../support/any-text';

interface Example {
  readonly title: string;
  readonly image: Buffer;
  /** Offset of the header that tells of the segments, and its length. */
  readonly header: number;
  readonly headerLength: number;
}

const application = { header: 0x1000, headerLength: 8 };
const esp32 = { header: 0, headerLength: 24 };
const examples: readonly Example[] = [
  { title: 'ESP8266 image', image: buildEsp8266Image({ size: 8000 }), ...application },
  { title: 'ESP8266 image of an older core', image: buildEsp8266Image({ size: 8000, crc: false }), ...application },
  { title: 'linked ESP8266 image', image: fixture('1.0.0'), ...application },
  { title: 'ESP32 image', image: buildEsp32Image({ size: 8000 }), ...esp32 },
  { title: 'ESP32 image without a SHA-256', image: buildEsp32Image({ size: 8000, sha256: false }), ...esp32 },
];

/** The offsets of all bytes that the segments hold. */
function segmentBytes({ image, header, headerLength }: Example): number[] {
  const offsets: number[] = [];
  let offset = header + headerLength;
  for (let left = image.readUInt8(header + 1); left > 0; left -= 1) {
    const length = image.readUInt32LE(offset + 4);
    offset += 8;
    for (let index = 0; index < length; index += 1) offsets.push(offset + index);
    offset += length;
  }
  return offsets;
}

/** Whether it was refused. Passes on what is not a HomieError. */
async function isRefused(promise: Promise<unknown>): Promise<boolean> {
  try {
    await promise;
    return false;
  } catch (error) {
    if (error instanceof HomieError) return true;
    throw error;
  }
}

const mask = fc.integer({ min: 1, max: 255 });

describe('any', () => {
  for (const example of examples) {
    const { title, image } = example;

    it(`${title} that is cut off is refused`, () =>
      fc.assert(
        fc.asyncProperty(fc.nat(image.length - 1), async (length) => {
          assert.ok(await isRefused(Firmware.from(image.subarray(0, length))));
        }),
        { numRuns: 500, examples: [[image.length - 1], [image.length - 32], [0x1000], [0xfff], [1], [0]] },
      ));

    it(`${title} with a changed byte in its segments is refused`, () =>
      fc.assert(
        fc.asyncProperty(fc.constantFrom(...segmentBytes(example)), mask, async (offset, bits) => {
          assert.ok(await isRefused(inspect(flipped(image, offset, bits))));
        }),
        { numRuns: 500 },
      ));

    it(`${title} with a changed byte anywhere is read or refused, and nothing else happens`, () =>
      fc.assert(
        fc.asyncProperty(fc.nat(image.length - 1), mask, async (offset, bits) => {
          assert.equal(typeof (await isRefused(inspect(flipped(image, offset, bits)))), 'boolean');
        }),
        { numRuns: 500 },
      ));
  }

  it('bytes behind a header are read or refused, and nothing else happens', () => {
    const byte = fc.integer({ min: 0, max: 255 });
    const segment = fc.tuple(fc.constantFrom(0x4010f000, 0xee, 0, 0xffffffff), fc.constantFrom(0, 4, 60, 0xffffffff));
    const bytes = fc
      .tuple(byte, fc.array(segment, { maxLength: 20 }), fc.uint8Array({ maxLength: 5000 }))
      .map(([count, segments, rest]) => {
        const words = Uint32Array.from([0x4010f000, ...segments.flat()]);
        return Buffer.concat([Buffer.of(0xe9, count, 2, 0x40), Buffer.from(words.buffer), rest]);
      });
    return fc.assert(
      fc.asyncProperty(bytes, async (image) => {
        const before = Buffer.from(image);
        assert.equal(typeof (await isRefused(Firmware.from(image))), 'boolean');
        assert.ok(before.equals(image));
      }),
      { numRuns: 500 },
    );
  });

  it('bytes are never changed, be they taken or refused', () =>
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.boolean(), async (bytes, compressed) => {
        const payload = compressed ? gzipSync(bytes) : bytes;
        const before = Buffer.from(payload);
        await isRefused(Firmware.from(payload));
        assert.ok(before.equals(payload));
      }),
    ));

  it('payload is taken as bytes or refused with a HomieError', () =>
    fc.assert(
      fc.asyncProperty(fc.anything({ withTypedArray: true, withSparseArray: true }), async (payload) => {
        assert.equal(typeof (await isRefused(readPayload(payload))), 'boolean');
      }),
      { numRuns: 1000 },
    ));

  it('text is taken as base64 or refused with a HomieError', () => {
    const text = fc.oneof(
      anyText({ maxLength: 2000 }),
      fc.base64String({ maxLength: 2000 }),
      fc.base64String({ maxLength: 2000 }).map((base64) => `6QID${base64}`),
    );
    return fc.assert(
      fc.asyncProperty(text, async (payload) => {
        assert.equal(typeof (await isRefused(Firmware.from(payload))), 'boolean');
      }),
      { numRuns: 500 },
    );
  });
});
