import assert from 'node:assert/strict';
import { inspect } from '../../src/firmware/inspect';
import { buildEsp32Image, noise } from '../support/images';
import { flipped, refused } from './refused';
import { md5 } from '../support/md5';

const image = buildEsp32Image({ name: 'my-light', version: '1.2.3', brand: 'lamps' });
const unhashed = buildEsp32Image({ sha256: false });

describe('inspect, ESP32', () => {
  it('tells all of an image', async () => {
    assert.deepEqual(await inspect(image), {
      chip: 'esp32',
      family: 'esp32',
      size: 40_000,
      end: 40_000,
      md5: md5(image),
      flashMode: 'DIO',
      flashSize: 4 * 1024 * 1024,
      homie: true,
      name: 'my-light',
      version: '1.2.3',
      brand: 'lamps',
    });
  });

  it('tells the chip by its id, and the id where it knows no name', async () => {
    const ids = [0, 2, 5, 9, 12, 13, 16, 18, 20, 23, 25, 28, 258, 65_535];
    const chips = await Promise.all(ids.map((chipId) => inspect(buildEsp32Image({ chipId }))));
    assert.deepEqual(
      chips.map(({ chip, family }) => `${chip} of ${family}`),
      [
        'esp32',
        'esp32s2',
        'esp32c3',
        'esp32s3',
        'esp32c2',
        'esp32c6',
        'esp32h2',
        'esp32p4',
        'esp32c61',
        'esp32c5',
        'esp32h21',
        'esp32h4',
        'esp32-258',
        'esp32-65535',
      ].map((chip) => `${chip} of esp32`),
    );
  });

  it('takes an image without a SHA-256', async () => assert.equal((await inspect(unhashed)).end, 40_000));

  it('tells where the image ends when something follows, such as a signature', async () => {
    const { end, size } = await inspect(Buffer.concat([image, noise(4096, 1)]));
    assert.deepEqual({ end, size }, { end: 40_000, size: 44_096 });
  });

  describe('refuses', () => {
    const cuts: [title: string, length: number][] = [
      ['in the header', 23],
      ['in a segment', 20_000],
      ['right behind the checksum', 40_000 - 32],
      ['in the SHA-256', 39_999],
    ];
    for (const [title, length] of cuts) {
      it(`an image that is cut off ${title}`, () => refused(inspect(image.subarray(0, length)), 'FIRMWARE_TRUNCATED'));
    }

    it('an image without a SHA-256 that is cut off', () =>
      refused(inspect(unhashed.subarray(0, -1)), 'FIRMWARE_TRUNCATED'));

    it('an image without a segment', () => refused(inspect(flipped(image, 1, 3)), 'FIRMWARE_DAMAGED', /0 segments/));

    it('a header that does not tell whether a SHA-256 follows', () =>
      refused(inspect(flipped(image, 23, 2)), 'FIRMWARE_DAMAGED', /Byte 23/));

    it('a changed byte in a segment', () => refused(inspect(flipped(image, 20_000)), 'FIRMWARE_CHECKSUM'));

    it('two changed bytes that the checksum does not see', () =>
      refused(inspect(flipped(flipped(image, 20_000), 20_001)), 'FIRMWARE_SHA256'));

    it('a changed byte in the header', () => refused(inspect(flipped(image, 14)), 'FIRMWARE_SHA256'));

    it('a changed SHA-256', () => refused(inspect(flipped(image, 39_999)), 'FIRMWARE_SHA256'));
  });
});
