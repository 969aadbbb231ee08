import assert from 'node:assert/strict';
import fc from 'fast-check';
import { similarNames } from '../src/similar';
import { leastTime } from './support/least-time';
import { anyText } from './support/any-text';

const lights = ['my-light-1', 'my-light-3', 'kitchen-plug', 'garden'];

describe('similar names', () => {
  for (const [written, meant] of [
    ['my-light3', 'my-light-3'],
    ['My_Light_3', 'my-light-3'],
    ['my-ligth-3', 'my-light-3'],
    ['kitchen-plg', 'kitchen-plug'],
    ['kitchen', 'kitchen-plug'],
    ['gardens', 'garden'],
  ] as const) {
    it(`finds ${meant} for ${written}`, () => assert.deepEqual(similarNames(written, lights), [meant]));
  }

  it('finds several where several are similar, the most similar first', () => {
    assert.deepEqual(similarNames('my-light-33', lights, 3), ['my-light-3', 'my-light-1']);
    assert.deepEqual(similarNames('my-light', lights, 3), ['my-light-1', 'my-light-3']);
  });

  it('finds nothing where nothing is similar', () => {
    for (const name of ['cellar-door', 'x', 'go', '', 'garden'.repeat(20)]) {
      assert.deepEqual(similarNames(name, lights, 3), []);
    }
  });

  it('does not find the name itself', () => {
    assert.deepEqual(similarNames('garden', lights), []);
  });

  it('finds a name of which one character is missing', () => {
    const names = fc.stringMatching(/^[a-z]{6,20}$/);
    fc.assert(
      fc.property(names, fc.nat(), (name, at) => {
        const index = at % name.length;
        const written = name.slice(0, index) + name.slice(index + 1);
        assert.deepEqual(similarNames(written, [name]), [name]);
      }),
    );
  });

  it('finds those that differ in as many characters as may be, and no others, whatever the names are', () => {
    const name = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'b', '-', 'A', '3'), maxLength: 12 }),
      anyText({ maxLength: 70 }),
      fc.constantFrom('\u0130'.repeat(64), 'x'.repeat(65), '__proto__', ''),
    );
    fc.assert(
      fc.property(name, fc.array(name, { maxLength: 12 }), fc.nat(4), (written, names, most) => {
        const all = similarNames(written, names, names.length);
        assert.deepEqual([...all].sort(), names.filter((other) => isSimilar(written, other)).sort());
        assert.deepEqual(similarNames(written, names, most), all.slice(0, most));
      }),
      { numRuns: 1000 },
    );
  });

  it('takes 20,000 names in no more than a moment', () => {
    const many = Array.from({ length: 20_000 }, (_, index) => `device-${index.toString(16).padStart(6, '0')}`);
    assert.ok(leastTime(() => similarNames('device-zzzzzz', many, 3)) < 1000);
  });
});

/** The same by the definition alone, without any shortcut. */
function isSimilar(written: string, other: string): boolean {
  if (written === other || written.length > 64 || other.length > 64) return false;
  const [a = '', b = ''] = [written, other].map((name) => name.toLowerCase().replaceAll(/[-_.\s]/g, ''));
  if (a.length >= 4 && b.startsWith(a)) return true;
  return distance(a, b) <= Math.min(3, Math.floor(written.length / 3));
}

/** The optimal string alignment distance. */
function distance(a: string, b: string): number {
  const table = Array.from({ length: a.length + 1 }, (_, row) =>
    Array.from({ length: b.length + 1 }, (__, column) => (row === 0 ? column : row)),
  );
  const at = (row: number, column: number): number => table[row]?.[column] ?? Infinity;
  for (let row = 1; row <= a.length; row += 1) {
    for (let column = 1; column <= b.length; column += 1) {
      const isSwapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const least = Math.min(
        at(row - 1, column) + 1,
        at(row, column - 1) + 1,
        at(row - 1, column - 1) + (a[row - 1] === b[column - 1] ? 0 : 1),
        isSwapped ? at(row - 2, column - 2) + 1 : Infinity,
      );
      table[row]?.splice(column, 1, least);
    }
  }
  return at(a.length, b.length);
}
