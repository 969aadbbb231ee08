import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Offered } from '../../src/library/library';
import type { Image } from '../../src/ota/image';
import { home, imageOf, LibraryLab, MEGABYTE } from './lab';

const elsewhere = 'elsewhere/homie/';

describe('firmware on offer', () => {
  let lab: LibraryLab;

  beforeEach(() => (lab = new LibraryLab()));

  const offer = (image: Image, scope = home): Promise<Offered> => lab.library.offer(scope, image);
  const replace = (image: Image): Promise<Offered> => lab.library.offer(home, image, true);
  const kept = (): string[] => [...lab.files.keys()].sort();
  const sums = (...images: readonly Image[]): string[] => images.map(({ info }) => info.md5).sort();

  for (const [lower, higher] of [
    ['1.2.0', '1.10.0'],
    ['1.2', '1.2.1'],
    ['1.1.9', '1.2'],
    ['1.2.0-beta', '1.2.0'],
    ['v1.2', '1.3'],
  ] as const) {
    it(`is ${higher} and not ${lower}, in whatever order they are offered`, async () => {
      const [low, high] = [imageOf({ version: lower }), imageOf({ version: higher })];
      assert.equal((await offer(low)).instead, undefined);
      assert.equal((await offer(high)).instead, undefined);
      assert.deepEqual([lab.offered(), kept()], [[higher], sums(high)]);
      assert.equal((await offer(low)).instead?.version, higher);
      assert.deepEqual([lab.offered(), kept()], [[higher], sums(high)]);
    });
  }

  for (const [one, other] of [
    ['1.2.0', '1.2.0'],
    ['1.2.0', '1.2'],
    ['nightly', 'nightly'],
    [undefined, undefined],
  ] as const) {
    it(`is the later of two images with the versions ${one ?? 'none'} and ${other ?? 'none'}`, async () => {
      const [first, second] = [imageOf({ version: one, seed: 1 }), imageOf({ version: other, seed: 2 })];
      await offer(first);
      assert.equal((await offer(second)).instead, undefined);
      assert.deepEqual([lab.offered(), kept()], [[other], sums(second)]);
    });
  }

  for (const [one, other] of [
    ['1.2.0', 'nightly'],
    ['nightly', '1.2.0'],
    ['1.2.0', undefined],
    [undefined, '1.2.0'],
  ] as const) {
    it(`stays ${one ?? 'the one without a version'} when ${other ?? 'one without a version'} cannot be compared`, async () => {
      const [first, second] = [imageOf({ version: one }), imageOf({ version: other })];
      await offer(first);
      await assert.rejects(offer(second), { key: 'VERSION_UNCLEAR.offer' });
      assert.deepEqual([lab.offered(), kept()], [[one], sums(first)]);
      await replace(second);
      assert.deepEqual([lab.offered(), kept()], [[other], sums(second)]);
    });
  }

  it('is a lower version where the user replaces the higher one', async () => {
    await offer(imageOf({ version: '2.0.0' }));
    await replace(imageOf({ version: '1.0.0' }));
    assert.deepEqual(lab.offered(), ['1.0.0']);
  });

  it('is one image for each firmware name, chip and flash size', async () => {
    const images = [
      imageOf({ version: '3.0.0' }),
      imageOf({ version: '1.0.0', name: 'my-plug' }),
      imageOf({ version: '1.1.0', chip: 'esp32' }),
      imageOf({ version: '1.2.0', chip: 'esp32c3' }),
      imageOf({ version: '1.3.0', flashSize: MEGABYTE }),
      imageOf({ version: '1.4.0', flashSize: undefined }),
    ];
    for (const image of images) await offer(image);
    assert.deepEqual(lab.offered(), ['3.0.0', '1.0.0', '1.1.0', '1.2.0', '1.3.0', '1.4.0']);
    await offer(imageOf({ version: '1.3.1', flashSize: MEGABYTE }));
    assert.deepEqual(lab.offered(), ['3.0.0', '1.0.0', '1.1.0', '1.2.0', '1.4.0', '1.3.1']);
  });

  it('is separate for each broker and base topic, and shares the file of an image', async () => {
    const [low, high] = [imageOf({ version: '1.0.0' }), imageOf({ version: '2.0.0' })];
    await offer(low);
    await offer(low, elsewhere);
    await offer(high);
    assert.deepEqual([lab.offered(), lab.offered(elsewhere)], [['2.0.0'], ['1.0.0']]);
    assert.deepEqual(kept(), sums(low, high));
    await lab.library.withdraw(elsewhere, low.info.md5);
    assert.deepEqual([lab.offered(), lab.offered(elsewhere), kept()], [['2.0.0'], [], sums(high)]);
  });

  it('does not change when the same image is offered again, which only mends its damaged file', async () => {
    const image = imageOf();
    await offer(image);
    let changes = 0;
    lab.library.on('changed', () => (changes += 1));
    lab.files.set(image.info.md5, Buffer.from('damaged'));
    assert.equal((await offer(image)).instead, undefined);
    assert.deepEqual([lab.offered().length, changes], [1, 0]);
    assert.deepEqual(lab.files.get(image.info.md5), image.image);
  });

  it('is what was offered last when two are offered at once', async () => {
    const [one, other] = [imageOf({ seed: 1 }), imageOf({ seed: 2 })];
    await Promise.all([offer(one), offer(other), offer(other)]);
    assert.deepEqual([lab.library.offers(home).map(({ md5 }) => md5), kept()], [sums(other), sums(other)]);
  });

  it('is reported when it changes', async () => {
    const changed = once(lab.library, 'changed');
    await offer(imageOf());
    await changed;
  });

  it('cannot be an image without a firmware name', async () => {
    await assert.rejects(offer(imageOf({ name: undefined })), { code: 'NOT_HOMIE' });
    assert.deepEqual(kept(), []);
  });

  it('is withdrawn by its MD5, and only where it is on offer', async () => {
    const [image, other] = [imageOf({ version: '1.0.0' }), imageOf({ name: 'other' })];
    await assert.rejects(lab.library.withdraw(home, image.info.md5), { key: 'NOT_ON_OFFER' });
    await offer(image);
    await assert.rejects(lab.library.withdraw(home, other.info.md5), { key: 'NOT_ON_OFFER.others' });
    await assert.rejects(lab.library.withdraw(elsewhere, image.info.md5), { key: 'NOT_ON_OFFER' });
    assert.equal((await lab.library.withdraw(home, image.info.md5)).version, '1.0.0');
    assert.deepEqual([lab.offered(), kept(), [...lab.stored]], [[], [], []]);
  });

  for (const [what, failing] of [
    ['file of an image', 'file'],
    ['description of an image', 'image'],
    ['offer', 'offer'],
  ] as const) {
    it(`stays as it was when the ${what} cannot be written, and after a restart, too`, async () => {
      const [low, high] = [imageOf({ version: '1.0.0' }), imageOf({ version: '2.0.0' })];
      await offer(low);
      lab.failing = failing;
      await assert.rejects(offer(high), { code: 'JOB_NOT_SAVED' });
      lab.failing = undefined;
      assert.deepEqual([lab.offered(), kept()], [['1.0.0'], sums(low)]);
      await lab.restart();
      assert.deepEqual([lab.offered(), kept()], [['1.0.0'], sums(low)]);
      await offer(high);
      assert.deepEqual([lab.offered(), kept()], [['2.0.0'], sums(high)]);
    });
  }

  it('reports a withdrawal that is not stored, and does not offer the image meanwhile', async () => {
    const image = imageOf();
    await offer(image);
    lab.failing = 'offer';
    await assert.rejects(lab.library.withdraw(home, image.info.md5), { code: 'JOB_NOT_SAVED' });
    assert.deepEqual(lab.offered(), []);
  });
});
