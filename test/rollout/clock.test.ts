import assert from 'node:assert/strict';
import { systemClock } from '../../src/rollout/clock';

describe('the clock of a rollout', () => {
  it('calls back when the time has come, and not when it is called off', async () => {
    const called: string[] = [];
    systemClock.at(systemClock.now() + 5, () => called.push('first'))();
    await new Promise<void>((resolve) => {
      systemClock.at(systemClock.now() + 10, () => {
        called.push('second');
        resolve();
      });
    });
    assert.deepEqual(called, ['second']);
  });

  it('waits for longer than a timer can', async () => {
    let called = false;
    const callOff = systemClock.at(systemClock.now() + 60 * 24 * 3_600_000, () => {
      called = true;
    });
    // An overflowing timer would have fired by then.
    await new Promise((resolve) => setTimeout(resolve, 20));
    callOff();
    assert.equal(called, false);
  });
});
