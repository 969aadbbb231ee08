import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { glance } from '../../src/firmware/glance';
import { inspect } from '../../src/firmware/inspect';
import { buildEsp32Image, buildEsp8266Image } from '../support/images';

/** Bytes as a browser has them. */
const file = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

describe('a glance at a firmware', () => {
  const images = {
    'an image for the ESP8266': buildEsp8266Image({ name: 'my-light', version: '1.2.0', brand: 'acme' }),
    'an image without a name': buildEsp8266Image({ homie: false }),
    'an image for the ESP32': buildEsp32Image({ name: 'Käfer', version: '2' }),
    'an image for the ESP32-C3': buildEsp32Image({ chipId: 5 }),
    'an image for a chip that is not known': buildEsp32Image({ chipId: 77 }),
    'an image that was linked by the toolchain': readFileSync(
      path.join(__dirname, '../fixtures/firmware/my-light-1.1.0.bin'),
    ),
  };
  for (const [what, image] of Object.entries(images)) {
    it(`says of ${what} the same as the inspection`, async () => {
      const { size, md5, chip, name, version, brand } = await inspect(image);
      const known = Object.entries({ size, md5, chip, name, version, brand }).filter(
        ([, value]) => value !== undefined,
      );
      assert.deepEqual(glance(file(image)), Object.fromEntries(known));
    });
  }

  it('says of what is no image nothing but its size and its MD5', () => {
    assert.deepEqual(glance(file(Buffer.from('hello'))), { size: 5, md5: '5d41402abc4b2a76b9719d911017c592' });
    assert.deepEqual(glance(new ArrayBuffer(0)), { size: 0, md5: 'd41d8cd98f00b204e9800998ecf8427e' });
    assert.equal(glance(file(Buffer.of(0xe9))).chip, undefined);
  });

  it('takes any bytes, and shows no text with control characters', () => {
    const mark = Buffer.from('bf84e41354', 'hex');
    const end = Buffer.from('93446ba775', 'hex');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 90 }), fc.boolean(), (bytes, closed) => {
        const image = Buffer.concat([Buffer.alloc(16, 0xe9), mark, bytes, ...(closed ? [end] : [])]);
        const { name } = glance(file(image));
        assert.ok(name === undefined || (name.length <= 64 && !/\p{Cc}/u.test(name)));
      }),
    );
    assert.equal(
      glance(file(Buffer.concat([Buffer.alloc(16, 0xe9), mark, Buffer.from('a\x1b[31m'), end]))).name,
      undefined,
    );
  });
});
