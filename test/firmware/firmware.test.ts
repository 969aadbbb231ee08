import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { Firmware } from '../../src/firmware/firmware';
import { buildEsp32Image, buildEsp8266Image } from '../support/images';
import { flipped, refused } from './refused';
import { md5 } from '../support/md5';

const image = buildEsp8266Image({ flashMode: 2 });
/** A copy with the flash mode that an updater would put there. */
function withMode(original: Buffer, mode: number): Buffer {
  return flipped(original, 2, original.readUInt8(2) ^ mode);
}

describe('Firmware', () => {
  it('reads and inspects a payload', async () => {
    const firmware = await Firmware.from(gzipSync(image).toString('base64'));
    assert.deepEqual(firmware.image, image);
    assert.equal(firmware.info.md5, md5(image));
    assert.equal(firmware.info.name, 'my-light');
  });

  it('does not see what is written into the payload later', async () => {
    const payload = Buffer.from(image);
    const firmware = await Firmware.from(payload);
    payload.fill(0);
    assert.deepEqual(firmware.image, image);
  });

  it('refuses what the inspection refuses', () =>
    refused(Firmware.from(image.subarray(0, 5000)), 'FIRMWARE_TRUNCATED'));

  describe('checksum', () => {
    for (const checksum of [md5(image), md5(image).toUpperCase(), ` ${md5(image)}\n`, undefined, null]) {
      it(`may be ${JSON.stringify(checksum)}`, async () => {
        assert.equal((await Firmware.from(image, { checksum })).info.md5, md5(image));
      });
    }

    it('is that of the plain image', async () => {
      await Firmware.from(gzipSync(image), { checksum: md5(image) });
      await refused(Firmware.from(gzipSync(image), { checksum: md5(gzipSync(image)) }), 'CHECKSUM_MISMATCH');
    });

    for (const checksum of ['0'.repeat(32), md5(image).slice(1), '', 42, true, {}]) {
      it(`is not ${JSON.stringify(checksum)}`, () =>
        refused(Firmware.from(image, { checksum }), 'CHECKSUM_MISMATCH', /msg\.checksum/));
    }
  });

  describe('checksums', () => {
    it('are that of the image, and those with each other flash mode that a device may put there, 0xFF where it knows none', async () => {
      const firmware = await Firmware.from(image);
      const expected = [0, 1, 3, 0xff].map((mode) => md5(withMode(image, mode)));
      assert.deepEqual(await firmware.checksums(), new Set([md5(image), ...expected]));
    });

    it('are those of the image up to its end, too, when something follows it', async () => {
      for (const original of [image, buildEsp32Image()]) {
        const longer = Buffer.concat([original, Buffer.alloc(100, 0xff)]);
        const firmware = await Firmware.from(longer);
        const uncut = [0, 1, 3, 0xff].map((mode) => md5(withMode(longer, mode)));
        const cut = [0, 1, 2, 3, 0xff].map((mode) => md5(withMode(original, mode)));
        assert.deepEqual(await firmware.checksums(), new Set([md5(longer), ...uncut, ...cut]));
        assert.equal(firmware.info.md5, md5(longer));
      }
    });

    it('hold the image up to its end with a flash mode that is not known', async () => {
      const odd = buildEsp32Image({ flashMode: 7 });
      const checksums = await (await Firmware.from(Buffer.concat([odd, Buffer.alloc(16)]))).checksums();
      assert.ok(checksums.has(md5(odd)));
    });

    it('are hashed once', async () => {
      const firmware = await Firmware.from(image);
      assert.equal(firmware.checksums(), firmware.checksums());
    });
  });
});
