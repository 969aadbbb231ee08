import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { crc32, md5, xor } from '../../src/firmware/checksum';
import { newMd5, plainMd5 } from '../../src/firmware/md5';
import { noise } from '../support/images';

describe('md5', () => {
  it('is what node:crypto says, for lengths around those of blocks and slices', async () => {
    const slice = 512 * 1024;
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

describe('The MD5 of spark-md5, for a Node.js that forbids its own', () => {
  it('is the same, for any pieces', () => {
    for (const length of [0, 1, 63, 64, 65, 5000]) {
      const bytes = noise(length, length);
      const [plain, own] = [plainMd5(), newMd5()];
      plain.update(bytes.subarray(0, 7));
      plain.update(bytes.subarray(7));
      own.update(bytes);
      assert.equal(plain.end(), own.end(), `${length} bytes`);
    }
  });

  it('is used there', () => {
    const script = `
      const crypto = require('node:crypto');
      const { createHash } = crypto;
      crypto.createHash = (name, ...more) => {
        if (name === 'md5') throw new Error('digital envelope routines::unsupported');
        return createHash(name, ...more);
      };
      const { md5 } = require('./src/firmware/checksum');
      md5(Buffer.from('abc')).then(console.log);`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--require', 'tsx/cjs', '-e', script], {
      cwd: join(__dirname, '../..'),
      encoding: 'utf8',
    });
    assert.equal(stdout.trim(), '900150983cd24fb0d6963f7d28e17f72', stderr);
  });
});

describe('crc32', () => {
  it('is the CRC-32/MPEG-2 of the catalogues', async () => {
    assert.equal(await crc32(Buffer.from('123456789')), 0x0376e6e7);
    assert.equal(await crc32(), 0xffffffff);
  });

  it('is that of one byte after the other, for every length and at any place in memory', async () => {
    for (let length = 0; length < 20; length += 1) {
      const bytes = noise(40, length).subarray(length % 4, (length % 4) + length);
      assert.equal(await crc32(bytes), await crc32(...Array.from(bytes, (byte) => Buffer.of(byte))));
    }
  });

  it('takes several parts as one', async () => {
    const bytes = noise(1_200_000, 1);
    assert.equal(await crc32(bytes.subarray(0, 7), bytes.subarray(7)), await crc32(bytes));
  });
});

describe('xor', () => {
  it('takes every byte into account once', async () => {
    const bytes = noise(1_200_000, 1);
    assert.equal(
      await xor(bytes, 0xef),
      bytes.reduce((all, byte) => all ^ byte, 0xef),
    );
    for (let length = 0; length < 20; length += 1) {
      const few = bytes.subarray(length % 4, (length % 4) + length);
      assert.equal(
        await xor(few, 1),
        few.reduce((all, byte) => all ^ byte, 1),
      );
    }
  });
});
