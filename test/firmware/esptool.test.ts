import assert from 'node:assert/strict';
import fc from 'fast-check';
import { inspect } from '../../src/firmware/inspect';
import { readByEsptool } from '../support/esptool';
import { APPLICATION, layOutEsp32, layOutEsp8266, type Segment } from '../support/image-layout';
import { buildEsp32Image, buildEsp8266Image } from '../support/images';
import { fixture } from './fixture';
import { flipped, refused } from './refused';

const MODES = ['QIO', 'QOUT', 'DIO', 'DOUT'] as const;

const segment: fc.Arbitrary<Segment> = fc
  .record({
    address: fc.constantFrom(0x40201010, 0x40100000, 0x3ffe8000),
    words: fc.uint32Array({ minLength: 2, maxLength: 50 }),
  })
  .map(({ address, words }) => ({ address, data: Buffer.from(words.buffer) }));
const segments = fc.array(segment, { minLength: 1, maxLength: 16 });
const flashMode = fc.nat(3);

/** Asserts that inspection and oracle agree about both parts of an image for the ESP8266. */
async function agreeOnEsp8266(image: Buffer, crc: boolean): Promise<void> {
  const boot = await readByEsptool('esp8266', image);
  assert.equal(boot.checksum, boot.expectedChecksum);
  const plain = Buffer.from(image);
  // esptool-js does not know of length and CRC32; the checksum is taken without them.
  if (crc) plain.fill(0, APPLICATION + 0x10, APPLICATION + 0x18);
  const application = await readByEsptool('esp8266', plain.subarray(APPLICATION));
  assert.equal(application.checksum, application.expectedChecksum);
  const info = await inspect(image);
  assert.equal(info.chip, 'esp8266');
  assert.equal(info.end, APPLICATION + application.end);
  assert.equal(info.flashMode, MODES[boot.flashMode]);
}

async function agreeOnEsp32(image: Buffer): Promise<void> {
  const oracle = await readByEsptool('esp32', image);
  assert.equal(oracle.checksum, oracle.expectedChecksum);
  const info = await inspect(image);
  assert.equal(info.end, oracle.end + (oracle.hashed === true ? 32 : 0));
  assert.equal(info.flashMode, MODES[oracle.flashMode]);
}

describe('inspect and esptool-js agree', () => {
  for (const version of ['1.0.0', '1.1.0']) {
    it(`on the linked image ${version}`, () => agreeOnEsp8266(fixture(version), true));
  }

  it('on the images that tests build', async () => {
    await agreeOnEsp8266(buildEsp8266Image(), true);
    await agreeOnEsp8266(buildEsp8266Image({ crc: false, flashMode: 0 }), false);
    await agreeOnEsp32(buildEsp32Image());
    await agreeOnEsp32(buildEsp32Image({ sha256: false, flashMode: 3 }));
  });

  it('on any segments of an ESP8266 image', () =>
    fc.assert(
      fc.asyncProperty(segments, segments, flashMode, fc.boolean(), async (boot, application, mode, crc) => {
        const image = layOutEsp8266({
          flashMode: mode,
          flashSizeAndFrequency: 0x40,
          boot: { entry: 0x4010f000, segments: boot },
          application: { entry: 0x40100000, segments: application },
          crc,
        });
        await agreeOnEsp8266(image, crc);
      }),
    ));

  it('on any segments of an ESP32 image', () =>
    fc.assert(
      fc.asyncProperty(segments, flashMode, fc.boolean(), async (some, mode, sha256) => {
        const image = layOutEsp32({
          flashMode: mode,
          flashSizeAndFrequency: 0x20,
          entry: 0x40080000,
          chipId: 0,
          segments: some,
          sha256,
        });
        await agreeOnEsp32(image);
      }),
    ));

  it('that a changed byte makes the checksum wrong', async () => {
    const changed = flipped(buildEsp32Image({ sha256: false }), 10_000);
    const { checksum, expectedChecksum } = await readByEsptool('esp32', changed);
    assert.notEqual(checksum, expectedChecksum);
    await refused(inspect(changed), 'FIRMWARE_CHECKSUM');
  });
});
