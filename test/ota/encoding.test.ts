import assert from 'node:assert/strict';
import fc from 'fast-check';
import { HomieError } from '../../src/errors';
import { encode, type Encoded } from '../../src/ota/encoding';

const topic = (baseAndId: string): string => `${baseAndId}/$implementation/ota/firmware/${'0'.repeat(32)}`;

describe('an image that is published as binary', () => {
  it('is sent byte for byte at QoS 1', () => {
    const image = Buffer.from([0xe9, 1, 2]);
    assert.deepEqual(encode(image, 'binary', topic('homie/device')), { payload: image, qos: 1 });
  });
});

describe('an image that is published as base64', () => {
  const asBase64 = (image: Buffer, to: string): Encoded => encode(image, 'base64', to);

  it('gets its QoS by the length of base topic and id, for images of 16 kB to 1.5 MB', () => {
    // Measured with the firmware: QoS 0 works if the length is 0 or 1 modulo 4, QoS 1 if it is 2 or 3.
    for (const [length, qos] of [
      [16, 0],
      [17, 0],
      [18, 1],
      [19, 1],
    ] as const) {
      assert.equal(asBase64(Buffer.alloc(30_000, 0xe9), topic('h'.repeat(length))).qos, qos, `length ${length}`);
    }
  });

  it('is plain base64 without a newline, with a length divisible by 4, and decodes to the image', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 200, maxLength: 4000 }), (bytes) => {
        let encoded;
        try {
          encoded = asBase64(Buffer.from(bytes), topic('homie/device'));
        } catch {
          return;
        }
        const text = encoded.payload.toString('latin1');
        assert.match(text, /^[A-Za-z0-9+/]+={0,2}$/);
        assert.equal(text.length % 4, 0);
        assert.deepEqual(new Uint8Array(Buffer.from(text, 'base64')), bytes);
      }),
    );
  });

  it('is refused if its last segment would be padding only, which no device answers', () => {
    const refused = Array.from({ length: 1200 }, (_, index) => 20_000 + index).filter((size) => {
      try {
        asBase64(Buffer.alloc(size), topic('homie/test-lights'));
        return false;
      } catch (error) {
        assert.ok(error instanceof HomieError);
        assert.equal(error.code, 'BASE64_IMPOSSIBLE');
        return true;
      }
    });
    assert.notEqual(refused.length, 0);
    assert.ok(
      refused.every((size) => size % 3 !== 0),
      'only images that need padding are refused',
    );
  });
});
