import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { changes, compareConfig, sameNumber, sameValue } from '../../src/config/compare';
import { mergePatch } from '../../src/config/patch';
import { file, patch } from './arbitraries';
import { mergedFile } from '../simulator/configuration';
import { parse } from './recordings';

const BEFORE = { name: 'Lamp', settings: { a: 1, b: 'text', gone: true, gain: 0.5 } };

describe('comparing what came back with what was expected', () => {
  it('tells what was taken', () => {
    const expected = mergePatch(BEFORE, { name: 'Hall', settings: { a: 2, gone: null } });
    assert.deepEqual(compareConfig(BEFORE, expected, JSON.stringify(expected), 'single'), {
      taken: ['name', 'settings.a', 'settings.gone'],
      lost: [],
    });
  });

  it('tells what was lost, with what was expected and what came', () => {
    const expected = mergePatch(BEFORE, { name: 'Hall', settings: { a: 2, fresh: 'x', gone: null } });
    const got = { name: 'Hall', settings: { ...BEFORE.settings, fresh: null } };
    assert.deepEqual(compareConfig(BEFORE, expected, JSON.stringify(got), 'single'), {
      taken: ['name'],
      lost: [
        { path: 'settings.a', expected: 2, got: 1 },
        { path: 'settings.fresh', expected: 'x', got: null },
        { path: 'settings.gone', expected: null, got: true },
      ],
    });
  });

  it('notices what was lost beside the patch, and what was added to it', () => {
    const expected = mergePatch(BEFORE, { name: 'Hall' });
    const got = { name: 'Hall', settings: { a: 1, gone: true, gain: 0.5, null: null } };
    assert.deepEqual(compareConfig(BEFORE, expected, JSON.stringify(got), 'single').lost, [
      { path: 'settings.b', expected: 'text', got: null },
      { path: 'settings.null', expected: null, got: null },
    ]);
  });

  it('masks secrets on both sides', () => {
    const expected = { settings: { token: 'new' } };
    const { lost } = compareConfig({}, expected, '{"settings":{"token":"old"}}', 'single');
    assert.deepEqual(lost, [{ path: 'settings.token', expected: '•••', got: '•••' }]);
  });

  it('takes a number in single precision for the one that was sent', () => {
    for (const [sent, back] of [
      [0.1, 0.100000001],
      [52.52001, 52.520008],
      [1e10, 10_000_000_000],
    ] as const) {
      const result = compareConfig(
        { settings: {} },
        { settings: { value: sent } },
        JSON.stringify({ settings: { value: back } }),
        'single',
      );
      assert.deepEqual(result, { taken: ['settings.value'], lost: [] });
    }
  });

  it('compares whole numbers of 32 bits exactly', () => {
    assert.equal(sameValue(16_777_217, 16_777_216, sameNumber('single')), false);
    assert.equal(compareConfig({ a: 1 }, { a: 16_777_217 }, '{"a":16777216}', 'single').lost.length, 1);
  });

  it('sees a change in the sixth digit', () => {
    for (const [a, b] of [
      [99_999.9, 99_999.8],
      [999.999, 999.998],
      [0.000_124, 0.000_123],
    ] as const) {
      assert.equal(compareConfig({ a }, { a: b }, JSON.stringify({ a }), 'single').lost.length, 1);
    }
  });

  it('refuses what is no JSON object', () => {
    for (const text of ['', '[]', 'null', '{"a":']) {
      assert.throws(() => compareConfig({}, {}, text, 'single'), { name: 'HomieError', code: 'CONFIG_UNREADABLE' });
    }
  });

  it('finds no difference exactly where the firmware loses nothing', () => {
    fc.assert(
      fc.property(file, patch, (content, change) => {
        const expected = mergePatch(content, change);
        // The device reads null:null and publishes "null":null.
        const came = mergedFile(JSON.stringify(content), JSON.stringify(change))?.replaceAll(
          'null:null',
          '"null":null',
        );
        if (came === undefined) return;
        const { lost, taken } = compareConfig(content, expected, came, 'single');
        assert.equal(lost.length === 0, isDeepStrictEqual(parse(came), expected));
        if (lost.length === 0) assert.equal(taken.length, changes(content, expected, sameNumber('single')).length);
      }),
      { numRuns: 1000 },
    );
  });
});
