import assert from 'node:assert/strict';
import type { Device } from '../../src/homie/device';
import { deviceOf, home, imageOf, LibraryLab, MEGABYTE } from './lab';

/** Returns the light, which runs an image that nothing is known of unless a checksum is given. */
function lightWith(checksum = 'f'.repeat(32)): Device {
  return deviceOf('light', { fwName: 'my-light', implementation: 'esp8266', checksum });
}

const light = lightWith();

describe('what is on offer for a device', () => {
  let lab: LibraryLab;

  beforeEach(() => (lab = new LibraryLab()));

  const offer = async (...images: readonly ReturnType<typeof imageOf>[]): Promise<void> => {
    for (const image of images) await lab.library.offer(home, image);
  };

  it('is the image of its firmware name and chip', async () => {
    const image = imageOf();
    await offer(image, imageOf({ name: 'my-plug' }), imageOf({ chip: 'esp32' }));
    assert.equal(lab.choice('offer', light), image.info.md5);
  });

  it('is nothing where its firmware name is not known', async () => {
    await offer(imageOf());
    for (const device of [deviceOf('new', {}), deviceOf('new', { implementation: 'esp8266' })]) {
      assert.equal(lab.choice('offer', device), 'NOTHING_ON_OFFER.unknown');
    }
  });

  it('is nothing where only images of other names are on offer, however similar', async () => {
    await offer(imageOf({ name: 'my-light-2' }), imageOf({ name: 'My-Light' }), imageOf({ name: 'my' }));
    assert.equal(lab.choice('offer', light), 'NOTHING_ON_OFFER.firmware');
  });

  it('is nothing where only images for other chips are on offer', async () => {
    await offer(imageOf({ chip: 'esp32' }), imageOf({ chip: 'esp32s3' }));
    assert.equal(lab.choice('offer', light), 'NOTHING_ON_OFFER.chip');
  });

  it('is nothing at another broker', async () => {
    await lab.library.offer('elsewhere/homie/', imageOf());
    assert.equal(lab.choice('offer', light), 'NOTHING_ON_OFFER.firmware');
  });

  it('is the only image of its name where its chip is not known, and nothing where there are several', async () => {
    const image = imageOf();
    const device = deviceOf('light', { fwName: 'my-light' });
    await offer(image);
    assert.equal(lab.choice('offer', device), image.info.md5);
    await offer(imageOf({ chip: 'esp32' }));
    assert.equal(lab.choice('offer', device), 'NOTHING_ON_OFFER.several');
  });

  it('is the image of the flash size of the verified image that it runs', async () => {
    const [small, large] = [imageOf({ flashSize: MEGABYTE }), imageOf({ version: '9.0.0' })];
    await offer(small, large);
    assert.equal(lab.choice('offer', light), 'NOTHING_ON_OFFER.several');
    for (const [flashSize, fitting] of [
      [MEGABYTE, small],
      [4 * MEGABYTE, large],
    ] as const) {
      const verified = imageOf({ version: '0.1.0', flashSize });
      await lab.prove('light', verified);
      assert.equal(lab.choice('offer', lightWith(verified.info.md5)), fitting.info.md5);
    }
  });

  it('is the image of the flash size of the image that it got elsewhere, if that one is known', async () => {
    const running = imageOf({ version: '0.2.0', flashSize: MEGABYTE, alternatives: ['a'.repeat(32)] });
    const [small, large] = [imageOf({ flashSize: MEGABYTE }), imageOf({ version: '9.0.0' })];
    await offer(small, large);
    await lab.prove('lamp', running);
    await lab.prove('light', imageOf({ version: '0.1.0' }));
    for (const checksum of [running.info.md5, 'a'.repeat(32)]) {
      assert.equal(lab.choice('offer', lightWith(checksum)), small.info.md5);
    }
  });

  it('is nothing where several images fit and it no longer runs the image that was verified on it', async () => {
    await offer(imageOf({ flashSize: MEGABYTE }), imageOf({ version: '9.0.0' }));
    await lab.prove('light', imageOf({ version: '0.1.0', flashSize: MEGABYTE }));
    assert.equal(lab.choice('offer', light), 'NOTHING_ON_OFFER.several');
  });

  it('is nothing where all images are for another flash size or chip than the one verified on it', async () => {
    const verified = imageOf({ version: '0.1.0', flashSize: 2 * MEGABYTE });
    await lab.prove('light', verified);
    await offer(imageOf());
    assert.equal(lab.choice('offer', light), 'NOTHING_ON_OFFER.flashSize');
    await offer(imageOf({ flashSize: MEGABYTE }));
    assert.equal(lab.choice('offer', light), 'NOTHING_ON_OFFER.flashSize');
    const fitting = imageOf({ flashSize: 2 * MEGABYTE, version: '1.5.0' });
    await offer(fitting);
    assert.equal(lab.choice('offer', lightWith(verified.info.md5)), fitting.info.md5);
  });

  it('does not depend on the flash size of an image of another name that was verified on it', async () => {
    const image = imageOf();
    await lab.prove('light', imageOf({ name: 'my-plug', flashSize: MEGABYTE }));
    await offer(image);
    assert.equal(lab.choice('offer', light), image.info.md5);
  });
});
