import assert from 'node:assert/strict';
import fc from 'fast-check';
import { matchAny, readPattern } from '../../src/homie/pattern';

describe('a pattern of device ids', () => {
  const rows: [pattern: string, matches: string[], others: string[]][] = [
    ['lamp', ['lamp'], ['lamp-1', 'my-lamp', '']],
    ['lamp-*', ['lamp-', 'lamp-1'], ['lamp', 'my-lamp-1']],
    ['*-lamp', ['-lamp', 'my-lamp'], ['lamp', 'my-lamp-1']],
    ['a*b*c', ['abc', 'axbxc', 'abbcc'], ['ab', 'acb', 'abcx']],
    ['a*ab*b', ['aabb', 'axabyb'], ['aab', 'abb']],
    ['*', ['lamp', 'x'], []],
    ['lamp?*', ['lamp?', 'lamp?1'], ['lamp', 'lamp-1']],
  ];
  for (const [pattern, matches, others] of rows) {
    it(`matches for ${pattern}: ${matches.join(', ')}`, () => {
      assert.deepEqual([...matches, ...others].filter(readPattern(pattern)), matches);
    });
  }

  it('matches what the regular expression of the same meaning matches', () => {
    const part = fc.stringMatching(/^[ab-]{0,3}$/);
    const pattern = fc.array(part, { minLength: 2, maxLength: 5 }).map((parts) => parts.join('*'));
    fc.assert(
      fc.property(pattern, fc.stringMatching(/^[ab-]{1,10}$/), (written, id) => {
        const expression = new RegExp(`^${written.replaceAll('*', '.*')}$`);
        assert.equal(readPattern(written)(id), expression.test(id), `${written} ${id}`);
      }),
      { numRuns: 1000 },
    );
  });

  it('is one of several, of which any may match', () => {
    assert.deepEqual(['lamp', 'plug-1', 'heater'].filter(matchAny(['lamp', 'plug-*'])), ['lamp', 'plug-1']);
    assert.deepEqual(['lamp'].filter(matchAny([])), []);
  });

  it('is refused if no device can have such an id', () => {
    for (const text of ['My Lamp', 'a/b', 'a/*', '$lamp*', '']) {
      assert.throws(() => readPattern(text), { code: 'INVALID_DEVICE_ID' }, text);
    }
  });
});
