import assert from 'node:assert/strict';
import fc from 'fast-check';
import { rebootShown, upForASecond } from '../../src/homie/uptime';

describe('rebootShown', () => {
  it('is never deceived by a device that has not rebooted', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e7, noNaN: true }),
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        (up, elapsed) => {
          const value = Math.floor(up + elapsed);
          assert.equal(rebootShown({ value, at: elapsed * 1000 }, 0, up >= 1.001), false);
        },
      ),
    );
  });

  it('sees every reboot of a device that had been up for a second', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (elapsed, share) => {
          const value = Math.floor(elapsed * share);
          assert.equal(rebootShown({ value, at: elapsed * 1000 }, 0, true), true);
        },
      ),
    );
  });
});

describe('upForASecond', () => {
  it('believes an uptime, or a second of being ready', () => {
    const ready = { value: 'ready' as const, live: true, at: 1000 };
    assert.equal(upForASecond({ id: 'd', state: ready }, 1500), false);
    assert.equal(upForASecond({ id: 'd', state: ready }, 2000), true);
    assert.equal(upForASecond({ id: 'd', state: ready, uptime: { value: 1, live: true, at: 1100 } }, 1500), true);
    assert.equal(upForASecond({ id: 'd', state: { ...ready, value: 'init' } }, 9000), false);
  });

  it('believes no uptime that is older than the return of the device', () => {
    const state = { value: 'ready' as const, live: true, at: 1000 };
    const uptime = { value: 3600, live: true, at: 500 };
    assert.equal(upForASecond({ id: 'd', state, uptime }, 1500), false);
    // What is retained comes in any order.
    assert.equal(upForASecond({ id: 'd', state: { ...state, live: false }, uptime }, 1500), true);
  });
});
