import assert from 'node:assert/strict';
import { buildEsp32Image, buildEsp8266Image } from '../support/images';
import { Esp32Updater } from './esp32-updater';
import { Flash, type FlashFaults } from './flash';
import { type Chip, Esp8266Updater, type Updater } from './updater';
import { md5 } from '../support/md5';

function chip(changes: Partial<Chip> = {}, faults: FlashFaults = {}): Chip {
  return {
    flash: new Flash(() => faults),
    chipSize: 4 << 20,
    updateEnd: 3 << 20,
    freeSpace: undefined,
    sketchSize: 300_000,
    flashMode: 2,
    flashConfig: 0x40,
    ...changes,
  };
}

/** Writes the image in TCP segments. @returns whether it is staged */
function update(updater: Updater, image: Buffer, checksum = md5(image), size = image.length): boolean {
  updater.setMd5(checksum);
  if (!updater.begin(size)) return false;
  for (let at = 0; at < image.length; at += 1460) {
    if (updater.write(image.subarray(at, at + 1460)) === 0) return false;
  }
  return updater.end(false);
}

const image = buildEsp8266Image({ size: 50_000, flashMode: 2 });

describe('the updater of an ESP8266', () => {
  it('stages the image byte for byte', () => {
    const board = chip();
    assert.equal(update(new Esp8266Updater(board, 2), image), true);
    assert.deepEqual(board.flash.takeStaged(), image);
    assert.equal(board.flash.takeStaged(), undefined);
  });

  it('keeps the flash mode of the device, and still finds the MD5 right', () => {
    const board = chip({ flashMode: 3 });
    assert.equal(update(new Esp8266Updater(board, 2), image), true);
    const patched = Buffer.from(image);
    patched[2] = 3;
    assert.deepEqual(board.flash.takeStaged(), patched);
  });

  it('never finds the MD5 of an image right whose flash mode it does not know on core 2', () => {
    for (const flashMode of [4, 0x7f, 0xff]) {
      const unknown = buildEsp8266Image({ size: 50_000, flashMode });
      for (const runs of [2, 0xff]) {
        const updater = new Esp8266Updater(chip({ flashMode: runs }), 2);
        assert.equal(update(updater, unknown), false);
        assert.equal(updater.error, updater.codes.MD5);
      }
      assert.equal(update(new Esp8266Updater(chip(), 3), unknown), true);
    }
  });

  it('puts a flash mode that it does not know into the image when its own is one', () => {
    const board = chip({ flashMode: 0xff });
    assert.equal(update(new Esp8266Updater(board, 2), image), true);
    assert.equal(board.flash.takeStaged()?.[2], 0xff);
  });

  it('finds a wrong MD5 on core 2, and forgets it on core 3', () => {
    const other = md5(Buffer.from('other'));
    const core2 = new Esp8266Updater(chip(), 2);
    assert.equal(update(core2, image, other), false);
    assert.equal(core2.error, core2.codes.MD5);
    assert.equal(update(new Esp8266Updater(chip(), 3), image, other), true);
  });

  it('does not begin while an update runs, and sets no error then', () => {
    const updater = new Esp8266Updater(chip(), 2);
    assert.equal(updater.begin(1000), true);
    assert.equal(updater.begin(1000), false);
    assert.equal(updater.error, 0);
  });

  it('starts again after an error', () => {
    const updater = new Esp8266Updater(chip(), 2);
    assert.equal(update(updater, image, md5(Buffer.from('other'))), false);
    assert.equal(update(updater, image), true);
  });

  it('has no room for two images that overlap', () => {
    const updater = new Esp8266Updater(chip({ updateEnd: 0x50000 }), 2);
    assert.equal(update(updater, image), false);
    assert.equal(updater.error, updater.codes.SPACE);
  });

  it('refuses to begin when the running image was built for a larger flash', () => {
    const updater = new Esp8266Updater(chip({ chipSize: 1 << 20 }), 2);
    assert.equal(updater.begin(1000), false);
    assert.equal(updater.error, 8);
  });

  for (const [fault, code] of [
    ['failEraseAt', 'ERASE'],
    ['failWriteAt', 'WRITE'],
    ['failReadAt', 'READ'],
  ] as const) {
    it(`stops with its own error where ${fault} is`, () => {
      const updater = new Esp8266Updater(chip({}, { [fault]: 20_000 }), 2);
      assert.equal(update(updater, image), false);
      assert.equal(updater.error, updater.codes[code]);
    });
  }

  it('leaves a second image in the place of the first as far as it had come', () => {
    const board = chip();
    const updater = new Esp8266Updater(board, 2);
    update(updater, image);
    const second = buildEsp8266Image({ size: 50_000, seed: 2 });
    updater.begin(second.length);
    updater.write(second.subarray(0, 5000));
    assert.deepEqual(board.flash.takeStaged(), Buffer.concat([second.subarray(0, 4096), image.subarray(4096)]));
  });
});

describe('the updater of an ESP32', () => {
  const esp32 = buildEsp32Image({ size: 50_000 });

  it('stages the image as it is, whatever its flash mode', () => {
    const board = chip({ flashMode: 3 });
    assert.equal(update(new Esp32Updater(board, 2), esp32), true);
    assert.deepEqual(board.flash.takeStaged(), esp32);
  });

  it('does not activate an image whose SHA-256 is wrong', () => {
    const damaged = Buffer.from(esp32);
    damaged[40_000] = (damaged[40_000] ?? 0) ^ 1;
    const updater = new Esp32Updater(chip(), 2);
    assert.equal(update(updater, damaged), false);
    assert.equal(updater.error, 9);
  });

  it('takes an image that is larger than its partition for one of a wrong size', () => {
    const updater = new Esp32Updater(chip({ freeSpace: 40_000 }), 2);
    assert.equal(update(updater, esp32), false);
    assert.equal(updater.error, updater.codes.SIZE);
  });

  it('finds a wrong magic byte with the first sector', () => {
    const updater = new Esp32Updater(chip(), 2);
    assert.equal(update(updater, Buffer.alloc(50_000, 0x42)), false);
    assert.equal(updater.error, updater.codes.MAGIC_BYTE);
  });
});
