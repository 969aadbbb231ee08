import assert from 'node:assert/strict';
import fc from 'fast-check';
import { alternate, judge, median, ratio, spread } from '../../bench/arithmetic';

const values = fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 20 });

describe('the arithmetic of the benchmark', () => {
  it('takes the middle value, or the mean of the two in the middle', () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([9, 1, 5, 6]), 5.5);
    assert.equal(median([10, 9, 100]), 10);
    assert.throws(() => median([]), RangeError);
  });

  it('finds a median that as many values are below as above, in whatever order they come', () => {
    fc.assert(
      fc.property(values, (all) => {
        const middle = median(all);
        assert.ok(all.filter((each) => each < middle).length <= all.length / 2);
        assert.ok(all.filter((each) => each > middle).length <= all.length / 2);
        assert.equal(median(all.toReversed()), middle);
      }),
    );
  });

  it('leaves the values as they are', () => {
    const all = [3, 1, 2];
    median(all);
    assert.deepEqual(all, [3, 1, 2]);
  });

  it('divides the median of the package by that of the baseline', () => {
    assert.equal(ratio([3, 100, 3], [2, 2, 0]), 1.5);
  });

  it('tells how far values lie apart', () => {
    assert.equal(spread([4, 2, 3]), 2);
    assert.throws(() => spread([]), RangeError);
  });

  it('takes a limit itself for met, from both sides', () => {
    assert.equal(judge(1.05, { atMost: 1.05 }), 'met');
    assert.equal(judge(1.051, { atMost: 1.05 }), 'missed');
    assert.equal(judge(0.9, { atLeast: 0.9 }), 'met');
    assert.equal(judge(0.89, { atLeast: 0.9 }), 'missed');
  });

  it('never takes for met what was not measured, or is no number', () => {
    assert.equal(judge(undefined, { atMost: 1 }), 'not measured');
    assert.equal(judge(Number.NaN, { atMost: 1 }), 'missed');
    assert.equal(judge(Number.NaN, { atLeast: 1 }), 'missed');
    assert.equal(judge(1, undefined), 'measured');
  });

  it('lets the contestants take turns, and turns their order round each time', async () => {
    const order: string[] = [];
    const contestant = (name: string) => async (): Promise<number> => order.push(name);
    const results = await alternate(3, { a: contestant('a'), b: contestant('b') });
    assert.deepEqual(order, ['a', 'b', 'b', 'a', 'a', 'b']);
    assert.deepEqual(results, { a: [1, 4, 5], b: [2, 3, 6] });
  });
});
