import assert from 'node:assert/strict';
import fc from 'fast-check';
import { HomieError } from '../../src/errors';
import { Firmware } from '../../src/firmware/firmware';
import { decide } from '../../src/ota/decide';
import { otaDefaults } from '../../src/ota/settings';
import { plainText } from '../../src/plain-text';
import { buildEsp8266Image } from '../support/images';
import { hostileNames } from './hostile';
import { anyText } from '../support/any-text';

/** What moves a cursor, ends a line, or turns the direction of writing. */
// oxlint-disable-next-line no-control-regex
const disturbing = /[\u0000-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E\u2066-\u2069]/;

function fact<Value>(value: Value): { value: Value; live: boolean; at: number } {
  return { value, live: true, at: performance.now() };
}

describe('A text that somebody has published', () => {
  it('comes into a log as one line of plain text, and as it was where it is harmless', () => {
    assert.equal(plainText('Küche 灯 👨‍👩‍👧 שלום'), 'Küche 灯 👨‍👩‍👧 שלום');
    assert.equal(plainText('a\r\nb\u001B[31mc\u{202E}d\u009Be\u{2028}f\u{D800}'), 'a��b�[31mc�d�e�f�');
    assert.equal(plainText('x'.repeat(50), 10), `${'x'.repeat(9)}…`);
    fc.assert(
      fc.property(anyText(), (text) => {
        assert.doesNotMatch(plainText(text), disturbing);
        assert.doesNotMatch(plainText(text), /\p{Surrogate}/u);
        assert.equal(plainText(text).length, text.length);
      }),
    );
  });

  it('disturbs no error, and makes none endless', async () => {
    const firmware = await Firmware.from(buildEsp8266Image({ name: 'light', version: '1.0.0' }));
    for (const name of [...hostileNames, '\u009B31m\u2028\u2066', 'x'.repeat(100_000)]) {
      const device = { id: 'lamp', implementation: fact('esp8266'), fwName: fact(name) };
      const decision = await decide(device, firmware, otaDefaults, {
        baseTopic: 'homie/',
        shown: (topic) => topic,
      });
      assert.equal(decision.kind, 'reject', name.slice(0, 20));
      if (decision.kind !== 'reject') return;
      assert.doesNotMatch(decision.error.message, disturbing);
      assert.ok(decision.error.message.length <= 2000);
    }
    const error = new HomieError('INTERNAL_ERROR', {}, { message: 'a\nb', hint: 'c\u001Bd', status: '500 \u{202E}x' });
    assert.deepEqual([error.message, error.hint, error.status], ['a�b', 'c�d', '500 �x']);
  });
});
