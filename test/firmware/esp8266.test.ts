import assert from 'node:assert/strict';
import { crc32 } from '../../src/firmware/checksum';
import { inspect } from '../../src/firmware/inspect';
import { layOutEsp8266, layOutPart, type Esp8266Layout, type Segment } from '../support/image-layout';
import { buildEsp8266Image, noise } from '../support/images';
import { fixture } from './fixture';
import { flipped, refusal, refused } from './refused';
import { md5 } from '../support/md5';

const image = buildEsp8266Image({ name: 'my-light', version: '1.2.3', brand: 'lamps' });
const older = buildEsp8266Image({ crc: false });

const layout: Esp8266Layout = {
  flashMode: 0,
  flashSizeAndFrequency: 0x20,
  boot: { entry: 0x4010f000, segments: [{ address: 0x4010f000, data: noise(100, 1) }] },
  application: { entry: 0x40100000, segments: [{ address: 0x40201010, data: noise(1000, 2) }] },
  crc: false,
};

/** A copy with a 32-bit word overwritten. */
function withWord(original: Buffer, offset: number, value: number): Buffer {
  const copy = Buffer.from(original);
  copy.writeUInt32LE(value, offset);
  return copy;
}

describe('inspect, ESP8266', () => {
  it('tells all of an image with length and CRC32', async () => {
    assert.deepEqual(await inspect(image), {
      chip: 'esp8266',
      family: 'esp8266',
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

  it('takes an image of an older core, which has code where length and CRC32 are now', async () => {
    const { chip, end } = await inspect(older);
    assert.deepEqual({ chip, end }, { chip: 'esp8266', end: 40_000 });
  });

  it('takes a boot image of two segments and an application of five, one of them empty', async () => {
    const boot = [...layout.boot.segments, { address: 0x3ffe8000, data: noise(20, 3) }];
    const others = [0, 4, 8, 300].map((length) => ({ address: 0x40100000, data: noise(length, length) }));
    for (const crc of [false, true]) {
      const laidOut = layOutEsp8266({
        ...layout,
        boot: { entry: 0x4010f000, segments: boot },
        application: { entry: 0x40100000, segments: [...layout.application.segments, ...others] },
        crc,
      });
      assert.equal((await inspect(laidOut)).end, laidOut.length);
    }
  });

  it('takes an application whose first segment is too short for length and CRC32', async () => {
    const application = { entry: 0x40100000, segments: [{ address: 0x40201010, data: noise(4, 4) }] };
    const laidOut = layOutEsp8266({ ...layout, application });
    assert.equal((await inspect(laidOut)).end, laidOut.length);
  });

  it('tells where the image ends when something follows: a signature, padding', async () => {
    for (const original of [image, older]) {
      for (const more of [noise(260, 5), Buffer.alloc(96, 0xff), Buffer.alloc(1)]) {
        const { end, size } = await inspect(Buffer.concat([original, more]));
        assert.deepEqual({ end, size }, { end: original.length, size: original.length + more.length });
      }
    }
  });

  it('takes length and CRC32 that cover what follows, too', async () => {
    const padded = Buffer.concat([image, Buffer.alloc(80, 0xff)]);
    padded.writeUInt32LE(padded.length, 0x1010);
    padded.writeUInt32LE(await crc32(padded.subarray(0, 0x1010), Buffer.alloc(8), padded.subarray(0x1018)), 0x1014);
    // The checksum of the image is taken with length and CRC32 zeroed, and so is still right.
    assert.equal((await inspect(padded)).end, image.length);
    await refused(inspect(flipped(padded, padded.length - 1)), 'FIRMWARE_CRC');
  });

  it('does not look for the marks behind the end of the image', async () => {
    const { homie, name } = await inspect(Buffer.concat([buildEsp8266Image({ homie: false }), image]));
    assert.deepEqual({ homie, name }, { homie: false, name: undefined });
  });

  it('tells the flash modes', async () => {
    const modes = await Promise.all([0, 1, 2, 3].map((flashMode) => inspect(buildEsp8266Image({ flashMode }))));
    assert.deepEqual(
      modes.map(({ flashMode }) => flashMode),
      ['QIO', 'QOUT', 'DIO', 'DOUT'],
    );
  });

  it('tells the flash sizes in bytes', async () => {
    const codes = [1, 0, 2, 3, 4, 8, 9, 15];
    const sizes = await Promise.all(codes.map((flashSize) => inspect(buildEsp8266Image({ flashSize }))));
    assert.deepEqual(
      sizes.map(({ flashSize }) => flashSize && flashSize / 1024),
      [256, 512, 1024, 2048, 4096, 8192, 16_384, undefined],
    );
  });

  describe('takes no part of an image for the whole:', () => {
    const bootOf = (segments: readonly Segment[]): Esp8266Layout['boot'] => ({ entry: 0x4010f000, segments });
    const ram = [
      { address: 0x40100000, data: noise(6000, 6) },
      { address: 0x3ffe8000, data: noise(900, 7) },
    ];

    for (const [origin, whole] of Object.entries({
      'a newer core': image,
      'an older core': older,
      'the linker': fixture('1.1.0'),
    })) {
      it(`refuses the part from 0x1000 on of an image of ${origin}, and asks for the combined file`, async () => {
        const { hint } = await refusal(inspect(whole.subarray(0x1000)), 'FIRMWARE_PART', /the part .*from 0x1000 on/);
        assert.match(hint, /combined .*firmware\.bin/);
      });
    }

    it('refuses the first of the two files that elf2image makes', () =>
      refused(inspect(layOutPart({ ...layout, ...bootOf(ram) })), 'FIRMWARE_PART', /the first of the two files/));

    it('refuses that file, too, when the other one was appended to it', () => {
      const first = layOutPart({ ...layout, ...bootOf(ram) });
      const both = Buffer.concat([first, Buffer.alloc(0x10000 - first.length, 0xff), noise(20_000, 8)]);
      return refused(inspect(both), 'FIRMWARE_PART', /the first of the two files/);
    });

    it('takes a boot image that ends at 0x1000, and refuses one that ends 16 bytes later', async () => {
      const boot = bootOf([{ address: 0x4010f000, data: noise(0x1000 - 17, 9) }]);
      assert.ok((await inspect(layOutEsp8266({ ...layout, boot }))).end > 0x1000);
      const longer = layOutPart({ ...layout, ...bootOf([{ address: 0x4010f000, data: noise(0x1000 - 16, 9) }]) });
      assert.equal(longer.length, 0x1010);
      await refused(inspect(Buffer.concat([longer, older.subarray(0x1000)])), 'FIRMWARE_PART');
    });

    it('refuses a boot image alone', () =>
      refused(inspect(image.subarray(0, 0x420)), 'FIRMWARE_TRUNCATED', /no application at 0x1000/));

    it('calls an image damaged, not a part, where its checksum is wrong', () =>
      refused(inspect(flipped(layOutPart({ ...layout, ...bootOf(ram) }), 100)), 'FIRMWARE_CHECKSUM', /the image at 0/));
  });

  describe('refuses', () => {
    for (const flashMode of [4, 7, 0xfe, 0xff]) {
      it(`the flash mode ${flashMode}`, () =>
        refused(
          inspect(buildEsp8266Image({ flashMode })),
          'FIRMWARE_FLASH_MODE',
          new RegExp(`0x${flashMode.toString(16).padStart(2, '0')}`),
        ));
    }

    const cuts: [title: string, length: number][] = [
      ['in the header', 11],
      ['in the boot image', 0x200],
      ['right behind the boot image', 0x420],
      ['between boot image and application', 0x800],
      ['right before the application', 0x1000],
      ["in the application's header", 0x1004],
      ['in the header of a segment', 0x100c],
      ['in a segment', 20_000],
      ['right before the checksum', 39_999],
    ];
    for (const [title, length] of cuts) {
      it(`an image that is cut off ${title}`, () => refused(inspect(image.subarray(0, length)), 'FIRMWARE_TRUNCATED'));
    }

    it('an image without a segment', () => refused(inspect(flipped(image, 1)), 'FIRMWARE_DAMAGED', /0 segments/));

    it('an application with more segments than possible', () =>
      refused(inspect(flipped(image, 0x1001, 0x10)), 'FIRMWARE_DAMAGED', /20 segments/));

    it('a segment that is longer than any image', () =>
      refused(inspect(withWord(image, 0x100c, 0xffffffff)), 'FIRMWARE_DAMAGED', /4294967295 bytes/));

    it('an image without an application', () =>
      refused(inspect(flipped(image, 0x1000)), 'FIRMWARE_DAMAGED', /no application/));

    it('a changed byte in the boot image', () =>
      refused(inspect(flipped(image, 0x100)), 'FIRMWARE_CHECKSUM', /the image at 0/));

    it('a changed byte in the application', () =>
      refused(inspect(flipped(image, 20_000)), 'FIRMWARE_CHECKSUM', /the application/));

    it('a changed byte in the application of an older core', () =>
      refused(inspect(flipped(older, 20_000)), 'FIRMWARE_CHECKSUM', /the application/));

    it('a changed checksum', () => refused(inspect(flipped(image, 39_999)), 'FIRMWARE_CHECKSUM'));

    it('two changed bytes that the checksum does not see', () =>
      refused(inspect(flipped(flipped(image, 20_000), 20_001)), 'FIRMWARE_CRC'));

    it('a changed byte between boot image and application', () =>
      refused(inspect(flipped(image, 0x800)), 'FIRMWARE_CRC'));

    it('a changed CRC32', () => refused(inspect(flipped(image, 0x1014)), 'FIRMWARE_CRC'));

    it('a changed length', () =>
      refused(inspect(flipped(image, 0x1010, 0x40)), 'FIRMWARE_CRC', /39936 bytes but has 40000/));
  });
});
