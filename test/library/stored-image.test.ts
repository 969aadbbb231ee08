import assert from 'node:assert/strict';
import {
  describeImage,
  flash,
  isRunBy,
  isStoredImage,
  imageText,
  type StoredImage,
} from '../../src/library/stored-image';
import { inEnglish } from '../../src/texts/text';
import { next, raw } from '../ota/lab';

const light: StoredImage = {
  md5: '0'.repeat(32),
  name: 'my-light',
  version: '1.1.0',
  chip: 'esp8266',
  family: 'esp8266',
  size: 40_000,
  flashSize: 1_048_576,
  alternatives: ['1'.repeat(32)],
};

describe('the description of an image', () => {
  it('is read from a file as it was written', async () => {
    const described = await describeImage(await raw(next));
    const read: unknown = JSON.parse(JSON.stringify(described));
    assert.ok(isStoredImage(read));
    assert.deepEqual(read, described);
  });

  it('does not exist for an image without a name', async () => {
    const nameless = await raw(next);
    Reflect.deleteProperty(nameless.info, 'name');
    await assert.rejects(describeImage(nameless), { key: 'NOT_HOMIE.nameless' });
  });

  it('may lack version and flash size, and nothing else', () => {
    const { version: _version, flashSize: _flashSize, ...least } = light;
    assert.ok(isStoredImage(least));
    for (const key of Object.keys(least)) {
      const rest = Object.fromEntries(Object.entries(light).filter(([each]) => each !== key));
      assert.equal(isStoredImage(rest), false, key);
    }
  });

  const damages: [key: keyof StoredImage, value: unknown][] = [
    ['md5', '0'.repeat(31)],
    ['md5', 'G'.repeat(32)],
    ['name', 7],
    ['version', 1.1],
    ['chip', null],
    ['family', 'esp8285'],
    ['size', 0],
    ['size', 0.5],
    ['size', '40000'],
    ['flashSize', -1],
    ['alternatives', '1'.repeat(32)],
    ['alternatives', ['x']],
  ];
  for (const [key, value] of damages) {
    it(`is not read from a damaged file: ${key} ${JSON.stringify(value)}`, () => {
      assert.equal(isStoredImage({ ...light, [key]: value }), false);
    });
  }

  it('is not read from what is no object', () => {
    for (const value of [undefined, null, 'image', 7, []]) assert.equal(isStoredImage(value), false);
  });

  it('belongs to a device that reports its MD5, or that of another flash mode', () => {
    const runs = [light.md5, '1'.repeat(32), '2'.repeat(32), undefined].map((checksum) => isRunBy(light, checksum));
    assert.deepEqual(runs, [true, true, false, false]);
  });

  it('says version, chip and flash size', () => {
    assert.equal(inEnglish(imageText(light)), '1.1.0 for esp8266, 1 MB');
    const { version: _version, flashSize: _flashSize, ...least } = light;
    assert.equal(inEnglish(imageText(least)), `${light.md5} for esp8266, unknown flash size`);
    assert.equal(inEnglish(flash(524_288)), '512 kB');
    assert.equal(inEnglish(flash(16_777_216)), '16 MB');
  });
});
