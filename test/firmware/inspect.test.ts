import assert from 'node:assert/strict';
import { inspect } from '../../src/firmware/inspect';
import { MAX_IMAGE } from '../../src/firmware/format';
import { buildEsp8266Image } from '../support/images';
import { refused } from './refused';

describe('inspect', () => {
  it('refuses nothing', () => refused(inspect(Buffer.alloc(0)), 'FIRMWARE_EMPTY'));

  it('refuses more than 16 MiB', () => refused(inspect(Buffer.alloc(MAX_IMAGE + 1, 0xe9)), 'FIRMWARE_TOO_LARGE'));

  it('refuses what does not begin with 0xE9', async () => {
    await refused(inspect(Buffer.from('\x7fELF\x01\x01\x01')), 'FIRMWARE_MAGIC');
    await refused(inspect(Buffer.alloc(4096, 0xff)), 'FIRMWARE_MAGIC');
  });

  it('refuses the single byte 0xE9, which a device would flash', () =>
    refused(inspect(Buffer.of(0xe9)), 'FIRMWARE_TRUNCATED'));

  it('refuses pseudo-random bytes behind a header', () => {
    const header = Buffer.from('e901024040302010', 'hex');
    return refused(inspect(Buffer.concat([header, Buffer.alloc(3000, 0x5a)])), 'FIRMWARE_DAMAGED');
  });

  it('lets the event loop turn while it works on 4 MiB', async () => {
    const image = buildEsp8266Image({ size: 4 * 1024 * 1024 });
    let turns = 0;
    let timer = setImmediate(function turn() {
      turns += 1;
      timer = setImmediate(turn);
    });
    await inspect(image);
    clearImmediate(timer);
    // Checksum and CRC32 pass over the image one after the other, 512 KiB at a time, and MD5 meanwhile.
    assert.ok(turns > 12, `${turns} turns`);
  });
});
