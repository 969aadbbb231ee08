import assert from 'node:assert/strict';
import { untilQuiet } from '../../src/homie/until-quiet';

const never = new AbortController().signal;

describe('Waiting until nothing retained comes any more', () => {
  it('goes on after the process was held up, since what came meanwhile is not read yet', async () => {
    let last = performance.now();
    let reads = 0;
    const holdUp = (): void => {
      // What is in a socket by then is read after the timers that are due.
      setImmediate(() => {
        last = performance.now();
        reads += 1;
      });
      const end = performance.now() + 600;
      while (performance.now() < end);
    };
    setTimeout(() => setImmediate(holdUp), 20);
    assert.equal(await untilQuiet({ lastAt: () => last }, never), true);
    assert.equal(reads, 1);
    assert.ok(performance.now() - last >= 290, `${performance.now() - last} ms`);
  });

  it('waits longer while something is known to be missing, and no longer than it may', async () => {
    const begun = performance.now();
    const still = setInterval(() => (last = performance.now()), 20);
    let last = begun;
    assert.equal(await untilQuiet({ lastAt: () => last, atMost: 500 }, never), false);
    clearInterval(still);
    let isPartial = true;
    setTimeout(() => (isPartial = false), 600);
    const second = performance.now();
    assert.equal(await untilQuiet({ lastAt: () => last, isPartial: () => isPartial }, never), true);
    assert.ok(performance.now() - second >= 590);
  });
});
