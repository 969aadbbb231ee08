import assert from 'node:assert/strict';
import { inspect } from '../../src/firmware/inspect';
import { readMarks } from '../../src/firmware/marks';
import { layOutEsp8266 } from '../support/image-layout';
import { noise } from '../support/images';

const hex = (text: string): string => Buffer.from(text, 'hex').toString('latin1');
const marked = (name: string): string => hex('bf84e41354') + name + hex('93446ba775');

function read(text: string): ReturnType<typeof readMarks> {
  return readMarks(Buffer.from(text, 'latin1'));
}

describe('readMarks', () => {
  it('finds signature, name, version and brand in any order', () => {
    const brand = `${hex('fb2af568c0')}lamps${hex('6e2f0feb2d')}`;
    const version = `${hex('6a3f3e0ee1')}1.0.0${hex('b03048d41a')}`;
    assert.deepEqual(read(`\0${brand}\0${version}\0%HOMIE_ESP8266_FW%\0${marked('my-light')}\0`), {
      homie: true,
      name: 'my-light',
      version: '1.0.0',
      brand: 'lamps',
    });
  });

  it('finds nothing where there is nothing', () => {
    assert.deepEqual(read('%HOMIE_ESP8266_F%'), { homie: false });
    assert.deepEqual(read(''), { homie: false });
  });

  it('finds the signature behind something that only begins like it', () => {
    assert.deepEqual(read('%HOMIE%%HOMIE_ESP32_FW%HOMIE_ESP8266_FW%'), { homie: true });
    assert.deepEqual(read('%HOMIE_ESP8266_FW\0%HOMIE'), { homie: false });
  });

  it('reads names as UTF-8', () => {
    assert.equal(read(marked(Buffer.from('Lämpchen').toString('latin1'))).name, 'Lämpchen');
  });

  it('passes over marks that hold no text, as in a program that looks for them itself', () => {
    assert.equal(read(`${marked('\0')}\0${marked('my-light')}`).name, 'my-light');
    assert.equal(read(`${marked('')}\0${marked('my-light')}`).name, 'my-light');
    assert.equal(read(`${hex('bf84e41354')}\0${'x'.repeat(100)}${marked('my-light')}`).name, 'my-light');
  });

  it('finds no name without its end', () => {
    assert.equal(read(`${hex('bf84e41354')}my-light`).name, undefined);
    assert.equal(read(`${hex('93446ba775')}my-light${hex('bf84e41354')}`).name, undefined);
  });

  it('does not take a long stretch of the image for a name', () => {
    assert.equal(read(marked('x'.repeat(65))).name, undefined);
    assert.equal(read(marked('x'.repeat(64))).name, 'x'.repeat(64));
  });

  describe('finds of two names in an image the one that a device reports:', () => {
    const RODATA = 0x3ffe8000;
    const texts = ['my-light', 'second', 'template'].map((name) => Buffer.from(`${marked(name)}\0`, 'latin1'));
    const versions = ['1.0.0', '2.0.0'].map((version) =>
      Buffer.from(`${hex('6a3f3e0ee1')}${version}${hex('b03048d41a')}\0`, 'latin1'),
    );
    /** Where the first is, the second and so on. */
    const addresses = [...texts, ...versions].map(
      (_, index, all) => RODATA + all.slice(0, index).reduce((sum, { length }) => sum + length, 0),
    );
    /** An image whose code has the addresses of these texts as literals. */
    const using = (...used: number[]): Buffer => {
      const literals = Buffer.alloc(4 * used.length);
      for (const [place, index] of used.entries()) literals.writeUInt32LE(addresses[index] ?? 0, 4 * place);
      const code = Buffer.concat([noise(64, 1), literals, noise(400, 2)]);
      return layOutEsp8266({
        flashMode: 2,
        flashSizeAndFrequency: 0x40,
        boot: { entry: 0x4010f000, segments: [{ address: 0x4010f000, data: noise(64, 3) }] },
        application: {
          entry: 0x40100000,
          segments: [
            { address: 0x40201010, data: code },
            { address: RODATA, data: Buffer.concat([...texts, ...versions]) },
          ],
        },
        crc: false,
      });
    };
    for (const [title, used, name] of [
      ['the one that the code uses', [0], 'my-light'],
      ['the one that the code uses last', [0, 1], 'second'],
      ['the one that the code uses last, though it stands first', [1, 0], 'my-light'],
      ['the last one where the code uses none of them', [], 'template'],
    ] as const) {
      it(title, async () => assert.equal((await inspect(using(...used))).name, name));
    }

    it('and the version of it', async () => {
      const { name, version } = await inspect(using(0, 3));
      assert.deepEqual({ name, version }, { name: 'my-light', version: '1.0.0' });
    });
  });

  it('copes with an image full of marks', () => {
    assert.equal(read(hex('bf84e41354').repeat(500_000)).name, undefined);
    assert.equal(read(hex('bf84e41354').repeat(500_000) + marked('my-light')).name, 'my-light');
    assert.equal(read(marked('other').repeat(300_000) + marked('my-light')).name, 'my-light');
  });
});
