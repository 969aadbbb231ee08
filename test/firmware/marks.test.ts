import assert from 'node:assert/strict';
import { find, inspect } from '../../src/firmware/inspect';
import { readMarks } from '../../src/firmware/marks';
import { esp8266Using, marked } from './marked';

const hex = (text: string): string => Buffer.from(text, 'hex').toString('latin1');

function read(text: string): ReturnType<typeof readMarks> {
  return readMarks(Buffer.from(text, 'latin1'), find);
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
    for (const [title, used, name] of [
      ['the one that the code uses', [0], 'my-light'],
      ['the one that the code uses last', [0, 1], 'second'],
      ['the one that the code uses last, though it stands first', [1, 0], 'my-light'],
      ['the last one where the code uses none of them', [], 'template'],
    ] as const) {
      it(title, async () => assert.equal((await inspect(esp8266Using(...used))).name, name));
    }

    it('and the version of it', async () => {
      const { name, version } = await inspect(esp8266Using(0, 3));
      assert.deepEqual({ name, version }, { name: 'my-light', version: '1.0.0' });
    });
  });

  it('copes with an image full of marks', () => {
    assert.equal(read(hex('bf84e41354').repeat(500_000)).name, undefined);
    assert.equal(read(hex('bf84e41354').repeat(500_000) + marked('my-light')).name, 'my-light');
    assert.equal(read(marked('other').repeat(300_000) + marked('my-light')).name, 'my-light');
  });
});
