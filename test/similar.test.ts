import assert from 'node:assert/strict';
import fc from 'fast-check';
import { similarNames } from '../src/similar';
import { leastTime } from './support/least-time';

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

  it('takes 20,000 names in no more than a moment', () => {
    const many = Array.from({ length: 20_000 }, (_, index) => `device-${index.toString(16).padStart(6, '0')}`);
    assert.ok(leastTime(() => similarNames('device-zzzzzz', many, 3)) < 1000);
  });
});
