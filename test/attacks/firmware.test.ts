import assert from 'node:assert/strict';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { HomieError } from '../../src/errors';
import { Firmware } from '../../src/firmware/firmware';
import { inspect } from '../../src/firmware/inspect';
import { buildEsp32Image, buildEsp8266Image } from '../support/images';

const MIB = 1024 * 1024;
const image = buildEsp8266Image({ size: 8000 });

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'taken';
  } catch (error) {
    if (error instanceof HomieError) return error.code;
    throw error;
  }
}

/** What a .zip with one file in it looks like: a header, the bytes, and where they are. */
function zip(bytes: Buffer): Buffer {
  const data = deflateRawSync(bytes);
  const header = Buffer.alloc(30);
  header.write('PK\u0003\u0004', 'latin1');
  header.writeUInt16LE(8, 8);
  header.writeUInt32LE(data.length, 18);
  header.writeUInt32LE(0xffffffff, 22);
  return Buffer.concat([header, data]);
}

describe('A firmware that somebody has made to do harm', () => {
  it('is not unpacked beyond the largest image, however much there would be', async () => {
    const member = gzipSync(Buffer.alloc(16 * MIB));
    // More than 6 GiB.
    const bomb = Buffer.concat(Array.from({ length: 400 }, () => member));
    const idle = process.memoryUsage().rss;
    let most = 0;
    const look = setInterval(() => (most = Math.max(most, process.memoryUsage().rss - idle)), 5);
    const begin = performance.now();
    try {
      for (const payload of [bomb, bomb.toString('base64'), new Uint8Array(bomb)]) {
        assert.equal(await codeOf(Firmware.from(payload)), 'FIRMWARE_TOO_LARGE');
      }
    } finally {
      clearInterval(look);
    }
    assert.ok(most < 250 * MIB, `${Math.round(most / MIB)} MiB`);
    assert.ok(performance.now() - begin < 60_000);
  });

  it('is unpacked once only', async () => {
    assert.equal(await codeOf(Firmware.from(gzipSync(gzipSync(image)))), 'FIRMWARE_MAGIC');
  });

  for (const [title, archive] of [
    ['zip', zip(image)],
    ['zlib', deflateSync(image)],
    ['Brotli', brotliCompressSync(image)],
  ] as const) {
    it(`is refused as an archive of ${title}, which nobody opens`, async () => {
      assert.match(await codeOf(Firmware.from(archive)), /^FIRMWARE_/);
      assert.match(await codeOf(Firmware.from(archive.toString('base64'))), /^FIRMWARE_/);
    });
  }

  for (const [title, whole, first] of [
    ['ESP8266', image, 0x1008],
    ['ESP32', buildEsp32Image({ size: 8000 }), 24],
  ] as const) {
    it(`is not believed the length of a segment, nor its address (${title})`, () =>
      fc.assert(
        fc.asyncProperty(
          fc.constantFrom(0, 4),
          fc.oneof(fc.nat(9000), fc.integer({ min: 0, max: 0xffffffff })),
          async (offset, value) => {
            const changed = Buffer.from(whole);
            changed.writeUInt32LE(value, first + offset);
            try {
              const { end, size } = await inspect(changed);
              assert.ok(end <= size && size === changed.length);
            } catch (error) {
              if (!(error instanceof HomieError)) throw error;
              assert.match(error.code, /^FIRMWARE_/);
            }
          },
        ),
        { numRuns: 500 },
      ));
  }
});
