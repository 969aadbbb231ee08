import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { crc32, md5, xor } from '../../src/firmware/checksum';
import { noise } from '../support/images';

describe('md5', () => {
  it('is what node:crypto says, for lengths around those of blocks and slices', async () => {
    const slice = 128 * 1024;
    for (const length of [0, 1, 55, 56, 63, 64, 65, 1000, slice - 1, slice, slice + 1, 3 * slice + 17]) {
      const bytes = noise(length, length);
      assert.equal(await md5(bytes), createHash('md5').update(bytes).digest('hex'), `${length} bytes`);
    }
  });

  it('hashes the bytes of a Buffer alone, not the pool around them', async () => {
    assert.equal(await md5(Buffer.from('abc')), '900150983cd24fb0d6963f7d28e17f72');
  });

  it('hashes several parts as one', async () => {
    assert.equal(await md5(Buffer.from('a'), Buffer.alloc(0), Buffer.from('bc')), await md5(Buffer.from('abc')));
  });
});

describe('crc32', () => {
  it('is the CRC-32/MPEG-2 of the catalogues', async () => {
    assert.equal(await crc32(Buffer.from('123456789')), 0x0376e6e7);
    assert.equal(await crc32(), 0xffffffff);
  });

  it('takes several parts as one', async () => {
    const bytes = noise(300_000, 1);
    assert.equal(await crc32(bytes.subarray(0, 7), bytes.subarray(7)), await crc32(bytes));
  });
});

describe('xor', () => {
  it('takes every byte into account once', async () => {
    const bytes = noise(300_000, 1);
    assert.equal(
      await xor(bytes, 0xef),
      bytes.reduce((all, byte) => all ^ byte, 0xef),
    );
  });
});
