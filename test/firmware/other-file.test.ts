import assert from 'node:assert/strict';
import fc from 'fast-check';
import { HomieError, type ErrorCode } from '../../src/errors';
import { Firmware } from '../../src/firmware/firmware';
import { otherFile, otherText, refuseWholeFlash } from '../../src/firmware/other-file';
import { buildEsp32Image, buildEsp8266Image, noise } from '../support/images';
import { leastTime } from '../support/least-time';
import { refusal } from './refused';

const KIB = 1024;
const SECRET = 'hunter2-of-the-network';
const image = buildEsp8266Image();

/** A flash of a number of bytes with some of them written; the rest is erased. */
function flash(size: number, written: Record<number, Buffer>): Buffer {
  const bytes = Buffer.alloc(size, 0xff);
  for (const [offset, data] of Object.entries(written)) data.copy(bytes, Number(offset));
  return bytes;
}

/** An entry of a partition table. */
function partition(type: number, subtype: number, start: number, size: number, label: string): Buffer {
  const entry = Buffer.alloc(32);
  entry.writeUInt16LE(0x50aa, 0);
  entry.writeUInt8(type, 2);
  entry.writeUInt8(subtype, 3);
  entry.writeUInt32LE(start, 4);
  entry.writeUInt32LE(size, 8);
  entry.write(label, 12, 'latin1');
  return entry;
}

const table = Buffer.concat([
  partition(1, 2, 0x9000, 0x5000, 'nvs'),
  partition(1, 0, 0xe000, 0x2000, 'otadata'),
  partition(0, 0x10, 0x10000, 0x140000, 'app0'),
]);
const loader = buildEsp32Image({ homie: false, size: 0x4000, sha256: false });
const application = buildEsp32Image({ size: 0x8000 });
const config = Buffer.from(`{"wifi":{"ssid":"net","password":"${SECRET}"}}`);

/** The magic numbers of SPIFFS with pages of 256 bytes (SPIFFS_USE_MAGIC_LENGTH). */
function spiffs(block: number, count: number): Buffer {
  const bytes = flash(block * count, { [block * 2 + 300]: config });
  for (let index = 0; index < count; index += 1) {
    bytes.writeUInt16LE((0x20140529 ^ 256 ^ (count - index)) & 0xffff, index * block + 256 - 4);
  }
  return bytes;
}

const multipart = (body: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(
      '------WebKitFormBoundary7MA4YWxk\r\nContent-Disposition: form-data; name="file"; filename="firmware.bin"\r\n\r\n',
    ),
    body,
    Buffer.from('\r\n------WebKitFormBoundary7MA4YWxk--\r\n'),
  ]);

const littleFs = (block: number): Buffer =>
  flash(256 * KIB, { [block]: Buffer.from('010000f00fff7fe36c6974746c656673', 'hex'), [0x3000]: config });

const others: [title: string, payload: Buffer, code: ErrorCode, message: RegExp][] = [
  ['a zip archive', Buffer.from(`PK\x03\x04${'\0'.repeat(60)}`, 'latin1'), 'FIRMWARE_MAGIC', /zip archive/],
  ['an ELF file', Buffer.from(`\x7fELF\x01\x01\x01${'\0'.repeat(60)}`, 'latin1'), 'FIRMWARE_MAGIC', /ELF file/],
  ['a UF2 file', Buffer.from(`UF2\n\x57\x51\x5d\x9e${'\0'.repeat(504)}`, 'latin1'), 'FIRMWARE_MAGIC', /UF2 file/],
  [
    'an Intel HEX file',
    Buffer.from(`${':10000000E901024000F0104008000000\n'.repeat(9)}:00000001FF\n`),
    'FIRMWARE_IS_TEXT',
    /Intel HEX/,
  ],
  ['a LittleFS image', littleFs(0), 'FIRMWARE_MAGIC', /LittleFS file system.*may contain secrets/],
  ['a LittleFS image with its superblock in the second block', littleFs(0x1000), 'FIRMWARE_MAGIC', /LittleFS/],
  ['a SPIFFS image', spiffs(8192, 24), 'FIRMWARE_MAGIC', /SPIFFS file system.*may contain secrets/],
  ['a SPIFFS image with small blocks', spiffs(4096, 16), 'FIRMWARE_MAGIC', /SPIFFS/],
  ['the body of a form', multipart(image), 'FIRMWARE_IS_TEXT', /form/],
  [
    'a factory image for the ESP32',
    flash(0x20000, { 0x1000: loader, 0x8000: table, 0x10000: application }),
    'FIRMWARE_FACTORY',
    /factory image/,
  ],
  [
    'a factory image for the ESP32 from its boot loader on',
    flash(0x1f000, { 0: loader, 0x7000: table, 0xf000: application }),
    'FIRMWARE_FACTORY',
    /factory image/,
  ],
  [
    'a factory image for the ESP32-C3',
    flash(0x20000, {
      0: buildEsp32Image({ chipId: 5, homie: false, size: 0x4000 }),
      0x8000: table,
      0x10000: application,
    }),
    'FIRMWARE_FACTORY',
    /factory image/,
  ],
  [
    'the flash of an ESP32',
    flash(1024 * KIB, { 0x1000: loader, 0x8000: table, 0x9000: config, 0x10000: application }),
    'FIRMWARE_DUMP',
    /entire flash.*may contain secrets/,
  ],
  [
    'the flash of an ESP32-C3',
    flash(1024 * KIB, { 0: loader, 0x8000: table, 0x9000: config, 0x10000: application }),
    'FIRMWARE_DUMP',
    /entire flash/,
  ],
  ['the flash of an ESP8266', flash(1024 * KIB, { 0: image, 0xeb000: config }), 'FIRMWARE_DUMP', /entire flash/],
];

describe('a file that is no firmware', () => {
  for (const [title, payload, code, message] of others) {
    it(`is refused for what it is: ${title}`, async () => {
      const forms = [payload, payload.toString('base64')];
      for (const form of forms) {
        const error = await refusal(Firmware.from(form), code, message);
        assert.ok(!JSON.stringify([error.message, error.hint, error.cause]).includes(SECRET));
      }
    });
  }

  it('is refused for what it is also where it was read as text', async () => {
    await refusal(Firmware.from(':10000000E901024000F0104008000000\r\n:00000001FF\r\n'), 'FIRMWARE_IS_TEXT', /HEX/);
    await refusal(Firmware.from(multipart(image).toString()), 'FIRMWARE_IS_TEXT', /form/);
  });

  it('is refused as what is not known where nothing is known of it', () =>
    refusal(Firmware.from(flash(64 * KIB, {})), 'FIRMWARE_MAGIC', /does not start with 0xE9/));

  it('is refused without an error of another kind, whatever follows its first bytes', () => {
    const begins = others.map(([, payload]) => payload.subarray(0, 64));
    return fc.assert(
      fc.asyncProperty(fc.constantFrom(...begins), fc.uint8Array({ maxLength: 300 }), async (begin, more) => {
        const error: unknown = await Firmware.from(Buffer.concat([begin, more])).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        assert.match(String(Reflect.get(Object(error), 'code')), /^FIRMWARE_/);
      }),
      { numRuns: 300 },
    );
  });
});

describe('any bytes', () => {
  const kib64 = 64 * KIB;
  const entry = fc
    .tuple(fc.constantFrom(0, 1, 255), fc.constantFrom(0, 2, 255), word(), word())
    .map(([type, subtype, start, size]) => partition(type, subtype, start, size, SECRET.slice(0, 16)));
  const piece = fc.oneof(
    fc.constantFrom(...others.map(([, payload]) => payload.subarray(0, 64))),
    fc.array(entry, { maxLength: 100 }).map((entries) => Buffer.concat(entries)),
    fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
    fc.stringMatching(/^[\s:0-9a-f-]*$/).map((text) => Buffer.from(text)),
  );
  const place = fc.constantFrom(0, 8, 0xfc, 0x1000, 0x2000, 0x7000, 0x8000, kib64 - 20, kib64);
  const size = fc.oneof(fc.constantFrom(0x7000, 0x8000, 0x9000, kib64, 2 * kib64), fc.nat(3 * kib64));

  it('are known or not, and nothing else happens; no sentence repeats any of them', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(place, piece), { maxLength: 4 }),
        size,
        fc.nat(4 * kib64),
        fc.constantFrom(0, 0xff),
        (pieces, length, end, fill) => {
          const bytes = Buffer.alloc(length, fill);
          for (const [offset, data] of pieces)
            bytes.set(data.subarray(0, Math.max(0, length - offset)), Math.min(offset, length));
          const errors = [otherFile(bytes), otherText(bytes), thrown(() => refuseWholeFlash(bytes, end))];
          for (const error of errors) {
            if (error === undefined) continue;
            assert.ok(error instanceof HomieError);
            assert.match(error.code, /^FIRMWARE_/);
            seen.add(`${error.code} ${error.message} ${error.hint}`);
          }
        },
      ),
      { numRuns: 1000 },
    );
    // As many as there are kinds.
    assert.ok(seen.size > 4 && seen.size <= 9, [...seen].join('\n'));
  });

  it('are known in a moment, however much their partition table claims', () => {
    for (const fill of [0, 0xff, 0x55]) {
      const bytes = Buffer.alloc(16 * KIB * KIB, fill);
      for (let at = 0; at < 96; at += 1) partition(1, 2, 0x10000, 0xffffffff, 'nvs').copy(bytes, 0x8000 + 32 * at);
      assert.ok(leastTime(() => otherFile(bytes)) < 1000);
      assert.ok(leastTime(() => thrown(() => refuseWholeFlash(bytes, 0x4000))) < 1000);
      assert.ok(leastTime(() => thrown(() => refuseWholeFlash(bytes.subarray(0x10000), 0x4000))) < 1000);
    }
  });
});

/** Numbers of 32 bits, also those that a partition has. */
function word(): fc.Arbitrary<number> {
  return fc.oneof(
    fc.constantFrom(0, 0x1000, 0x9000, 0xe000, 0x10000, 0xfffff000, 0xffffffff),
    fc.integer({ min: 0, max: 0xffffffff }),
  );
}

function thrown(work: () => void): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('an image with something behind it', () => {
  for (const [title, more] of [
    ['padding up to the size of the flash', Buffer.alloc(1024 * KIB - image.length, 0xff)],
    ['a signature', noise(4096, 1)],
    ['bytes that end within a sector', noise(100_000, 1)],
  ] as const) {
    it(`is taken with ${title}`, async () => {
      const { info } = await Firmware.from(Buffer.concat([image, more]));
      assert.equal(info.end, image.length);
    });
  }
});
