import assert from 'node:assert/strict';
import fc from 'fast-check';
import { checkPatch } from '../../src/config/check';
import { compareConfig } from '../../src/config/compare';
import type { JsonObject } from '../../src/config/json';
import { rewriteNumbers } from '../../src/config/numbers';
import { patchedFile, publishedFile } from '../simulator/configuration';
import { codes } from './recordings';

/** A setting of a sketch is a number of either kind; the sketch takes any. */
const SKETCH = { ratio: { type: 'double' }, other: { type: 'double' } } as const;

const fileOf = (ratio: string, other = '1'): string =>
  `{"name":"Lamp","wifi":{"ssid":"net"},"mqtt":{"host":"broker"},"settings":{"ratio":${ratio},"other":${other}}}`;

/** Numbers as a person, a serial cable or another tool writes them. */
const numberText: fc.Arbitrary<string> = fc.oneof(
  fc.integer({ min: -(2 ** 33), max: 2 ** 33 }).map(String),
  fc
    .integer({ min: -9_999_999, max: 9_999_999 })
    .chain((n) => fc.nat(8).map((places) => (n / 10 ** places).toFixed(places))),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.double({ min: -1e37, max: 1e37, noNaN: true }).map(String),
  fc.tuple(fc.integer({ min: -999_999, max: 999_999 }), fc.integer({ min: -36, max: 30 })).map(([n, e]) => `${n}e${e}`),
  fc.constantFrom(
    '-0',
    '0.0',
    '50.0',
    '1e38',
    '1e-38',
    '9e-39',
    '4294967296',
    '4294967299',
    '-2147483649',
    '-4000000000',
  ),
);
/** What may be sent: all that check lets through. */
const sendable = numberText.map(Number).filter((value) => codes(check(fileOf('7'), { ratio: value })).length === 0);

function check(published: string, settings: JsonObject) {
  return checkPatch({ config: published, patch: { settings }, force: true, secretBytes: 0 });
}

/** Sends a patch of settings to the device with this file, and compares what it publishes with what was expected. */
function exchange(file: string, settings: JsonObject) {
  const [step] = check(publishedFile(file), settings).steps;
  assert.ok(step, 'the patch was refused');
  const after = patchedFile(file, step.text(), SKETCH) ?? assert.fail('the device refused the patch');
  return { step, after, ...compareConfig(step.before(), step.expected(), publishedFile(after), 'single') };
}

describe('the numbers of a device', () => {
  it('are foreseen as the device rewrites them', () => {
    fc.assert(
      fc.property(numberText, (text) => {
        const file = fileOf(text);
        // publishedFile reads and writes all of the file once.
        assert.equal(rewriteNumbers(file, 'single'), publishedFile(file));
      }),
      { numRuns: 1000 },
    );
  });

  for (const value of [8.39, 8.68, 893.289, 0.00001, 9_000_000_000, 1e-7, 0.1, 21.5, -3_000_000_000]) {
    it(`are not lost: ${value}, sent and then rewritten with another setting`, () => {
      const first = exchange(fileOf('7'), { ratio: value });
      assert.deepEqual([first.lost, first.taken], [[], ['settings.ratio']]);
      const second = exchange(first.after, { other: 2 });
      assert.deepEqual([second.lost, second.taken], [[], ['settings.other']]);
    });
  }

  it('are never told as lost when they are sent and the device has taken them', () => {
    fc.assert(
      fc.property(numberText, sendable, (old, value) => {
        assert.deepEqual(exchange(fileOf(old), { ratio: value }).lost, []);
      }),
      { numRuns: 700 },
    );
  });

  it('are never told as lost when other settings are changed, however often', () => {
    fc.assert(
      fc.property(numberText, fc.array(sendable, { minLength: 1, maxLength: 6 }), (kept, values) => {
        let file = fileOf(kept);
        for (const value of values) {
          const { after, lost } = exchange(file, { other: value });
          assert.deepEqual(lost, []);
          file = after;
        }
      }),
      { numRuns: 300 },
    );
  });

  it('are told as lost when the device has another number, or none', () => {
    fc.assert(
      fc.property(sendable, sendable, (value, wrong) => {
        fc.pre(Math.abs(value - wrong) > 4e-6 * Math.max(Math.abs(value), Math.abs(wrong)));
        for (const text of [String(wrong), 'null']) {
          const [step] = check(fileOf('7'), { ratio: value }).steps;
          assert.ok(step);
          const { lost } = compareConfig(step.before(), step.expected(), publishedFile(fileOf(text)), 'single');
          assert.deepEqual(
            lost.map(({ path }) => path),
            ['settings.ratio'],
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it('are not lost on a device that keeps more digits', () => {
    const [step] = check(fileOf('893.289'), { other: 8.68 }).steps;
    assert.ok(step);
    assert.deepEqual(compareConfig(step.before(), step.expected(), fileOf('893.289', '8.68'), 'single').lost, []);
  });

  it('change nothing when the device has what it makes of them', () => {
    const { after } = exchange(fileOf('7'), { ratio: 8.68 });
    const again = checkPatch({ config: publishedFile(after), patch: { settings: { ratio: 8.68 } } });
    assert.equal(again.verdict, 'no_change');
    const other = checkPatch({ config: publishedFile(after), patch: { settings: { ratio: 8.67 } } });
    assert.equal(other.verdict, 'unknown');
  });

  it('are foreseen through all patches of a split, each of which rewrites them', () => {
    let file = fileOf('8.68', '893.289');
    const text = 'x'.repeat(150);
    const config = publishedFile(file);
    const patch = { settings: { ratio: 8.39, a: text, b: text, c: text } };
    const { steps } = checkPatch({ config, patch, split: true, secretBytes: 0 });
    assert.ok(steps.length > 1);
    for (const step of steps) {
      assert.deepEqual(JSON.parse(publishedFile(file)), step.before());
      file = patchedFile(file, step.text(), SKETCH) ?? assert.fail();
      assert.deepEqual(JSON.parse(publishedFile(file)), step.expected());
    }
  });

  it('count in the size of the file with the digits that the device writes', () => {
    // 8.68 is written as 8.679999.
    const note = (length: number): string => fileOf('7', `1,"note":"${'n'.repeat(length)}"`);
    const room = 999 - 14 - Buffer.byteLength(note(0));
    const tried = (length: number) => check(note(length), { ratio: 8.68 });
    assert.deepEqual(codes(tried(room - 7)), []);
    assert.deepEqual(codes(tried(room - 6)), ['CONFIG_TOO_LARGE']);
  });
});
