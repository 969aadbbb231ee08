import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { browserInfo } from '../../src/firmware/browser-info';
import { find, inspect } from '../../src/firmware/inspect';
import { readMarks } from '../../src/firmware/marks';
import { buildEsp32Image, buildEsp8266Image } from '../support/images';
import { leastTime } from '../support/least-time';
import { esp32Using, esp8266Using, marked } from './marked';

/** Bytes as a browser has them. */
const file = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

describe('a browserInfo at a firmware', () => {
  const images = {
    'an image for the ESP8266': buildEsp8266Image({ name: 'my-light', version: '1.2.0', brand: 'acme' }),
    'an image without a name': buildEsp8266Image({ homie: false }),
    'an image for the ESP32': buildEsp32Image({ name: 'Käfer', version: '2' }),
    'an image for the ESP32-C3': buildEsp32Image({ chipId: 5 }),
    'an image for a chip that is not known': buildEsp32Image({ chipId: 77 }),
    'an image with a name behind its end': Buffer.concat([
      buildEsp8266Image({ name: 'my-light' }),
      Buffer.from(marked('other'), 'latin1'),
    ]),
    'an image whose name begins with a byte order mark': buildEsp8266Image({ name: '\u{FEFF}my-light' }),
    'an image with two names, of which the code uses the first': esp8266Using(0, 3),
    'an image with two names, of which the code uses the first last': esp8266Using(1, 0),
    'an image with two names, of which the code uses the second last': esp8266Using(0, 1),
    'an image with names that no code uses': esp8266Using(),
    'an image for the ESP32 with two names, of which the code uses the first': esp32Using(0, 3),
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
      assert.deepEqual(browserInfo(file(image)), Object.fromEntries(known));
    });
  }

  it('takes no longer where a file is full of marks', () => {
    const mark = Buffer.from('bf84e41354', 'hex');
    const marks = Buffer.alloc(4 * 1024 * 1024, mark);
    marks[0] = 0xe9;
    const bytes = file(marks);
    assert.ok(leastTime(() => browserInfo(bytes)) < 600);
  });

  it('says of what is no image nothing but its size and its MD5', () => {
    assert.deepEqual(browserInfo(file(Buffer.from('hello'))), { size: 5, md5: '5d41402abc4b2a76b9719d911017c592' });
    assert.deepEqual(browserInfo(new ArrayBuffer(0)), { size: 0, md5: 'd41d8cd98f00b204e9800998ecf8427e' });
    assert.equal(browserInfo(file(Buffer.of(0xe9))).chip, undefined);
  });

  it('takes any bytes, shows no text with control characters, and none that Node-RED would not show', () => {
    const marks = ['bf84e41354', '93446ba775', '6a3f3e0ee1', 'b03048d41a', 'fb2af568c0', '6e2f0feb2d'];
    const piece = fc.oneof(
      { arbitrary: fc.constantFrom(...marks).map((mark) => Buffer.from(mark, 'hex')), weight: 3 },
      fc.string({ unit: 'grapheme', maxLength: 70 }).map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    );
    const begin = fc.constantFrom(Buffer.alloc(16, 0xe9), Buffer.alloc(200, 0xe9), Buffer.of(0xe9), Buffer.of());
    let shown = 0;
    fc.assert(
      fc.property(begin, fc.array(piece, { maxLength: 20, size: 'max' }), (first, pieces) => {
        const image = Buffer.concat([first, ...pieces]);
        const { size, md5: _, chip, ...texts } = browserInfo(file(image));
        assert.equal(size, image.length);
        for (const text of Object.values(texts)) assert.ok(text !== '' && text.length <= 64 && !/\p{Cc}/u.test(text));
        // A header with few segments ends the image before the marks.
        if (chip === undefined || first.length < 16 || image.length < 32) return;
        const { homie: __, ...others } = readMarks(image, find);
        assert.deepEqual(texts, others);
        shown += Object.keys(texts).length;
      }),
      { numRuns: 1000 },
    );
    assert.ok(shown > 0);
    assert.equal(
      browserInfo(file(Buffer.from(`\u00e9${' '.repeat(40)}${marked('a\u001b[31m')}`, 'latin1'))).name,
      undefined,
    );
  });
});
