import assert from 'node:assert/strict';
import { recording, type PatchResult } from '../config/recordings';
import { writeFloat } from './arduino-numbers';
import { bytesOf, textOf } from './bytes';
import { Configuration, patchedFile, publishedFile } from './configuration';

describe('the configuration of a simulated device', () => {
  const { config, result } = recording<Record<string, PatchResult>>('config_variants');

  for (const [name, { patch, rebooted, file_after: after, published }] of Object.entries(result)) {
    it(`makes of ${name} what the firmware made of it`, () => {
      const file = patchedFile(config, patch);
      assert.equal(file !== undefined, rebooted);
      if (after !== null) assert.equal(file ?? config, after);
      if (file !== undefined && published !== null) assert.equal(publishedFile(file), published);
    });
  }

  const settingAfter = (text: string): string | undefined =>
    new Configuration(patchedFile(config, `{"settings":{"x":${text}}}`) ?? '').setting('x');
  const numbers = [
    ['21.5', '21.5'],
    ['0.1', '0.1'],
    ['-3.25', '-3.25'],
    ['1e10', '1e10'],
    ['1e-7', '1e-7'],
    ['50.0', '50'],
    ['4294967295', '4294967295'],
    ['4294967296', '4.294967e10'],
    ['9000000000', '8.99999e9'],
    ['3.14159265', '3.141592'],
    ['-2147483648', '-2147483648'],
    ['-2147483649', '-2147483649'],
    ['-4000000000', '-4000000000'],
    ['8.68', '8.67999'],
    ['0.00001', '9.99999e-6'],
    ['1e-38', '1e-38'],
    ['1e-39', '0'],
    ['-0', '-0'],
    ['"\\q\\\'"', '"q\'"'],
  ] as const;
  for (const [sent, kept] of numbers) {
    it(`keeps ${sent} as ${kept}`, () => assert.equal(settingAfter(sent), kept));
  }

  it('publishes a number with a fraction as it reads it from its file, cut once more', () => {
    const file = patchedFile(config, '{"settings":{"x":8.68}}') ?? '';
    assert.match(file, /"x":8\.679999}/);
    assert.match(publishedFile(file), /"x":8\.67999}/);
  });

  it('takes no negative zero for an integer', () => {
    assert.equal(patchedFile(config, '{"settings":{"percentage":-0}}'), undefined);
    assert.equal(patchedFile(config, '{"device_stats_interval":-0}'), undefined);
  });

  it('writes any single-precision number in seven digits at most', () => {
    for (const value of [0.5, 1 / 3, 123_456.789, 9_999_999, 1.5e38, 2e-5].map(Math.fround)) {
      const text = writeFloat(value);
      assert.ok(Math.abs(Number(text) - value) <= 1e-6 * Math.max(1, value), text);
      assert.ok(text.replace(/e.*|[-.]/g, '').replace(/^0+/, '').length <= 7, text);
    }
  });

  const members = (count: number) =>
    config.replace(/}$/, `${Array.from({ length: count - 15 }, (_, i) => `,"x${i}":0`).join('')}}`);

  it('cannot start with a file of 1000 bytes, or of 33 members', () => {
    assert.equal(new Configuration(config.padEnd(999, ' ')).loadable, true);
    assert.equal(new Configuration(config.padEnd(1000, ' ')).loadable, false);
    assert.equal(new Configuration(members(32)).loadable, true);
    assert.equal(new Configuration(members(33)).loadable, false);
  });

  it('keeps bytes that are not UTF-8 as they are, and counts each as one', () => {
    const patch = textOf(Buffer.from(`{"name":"${'\xE9'.repeat(64)}"}`, 'latin1'));
    const file = patchedFile(config, patch) ?? '';
    assert.ok(bytesOf(publishedFile(file)).includes(Buffer.alloc(64, 0xe9)));
    assert.equal(patchedFile(config, patch.replace('"}', 'x"}')), undefined);
    for (const bytes of ['e9', 'c3a9e9', 'f09f92a1ff', 'efbfbdc3', 'eda080']) {
      assert.equal(bytesOf(textOf(Buffer.from(bytes, 'hex'))).toString('hex'), bytes);
    }
  });
});
