import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Device } from '../../src/homie/device';
import { reachedUptime, restartShown, showableAt, startRuledOut, REFRESH } from '../../src/homie/uptime';

const seconds = (max: number) => fc.double({ min: 0, max, noNaN: true });

describe('restartShown', () => {
  it('is not deceived by a reconnect, however young the device and however late its uptimes', () => {
    fc.assert(
      fc.property(
        fc.record({ up: seconds(1e6), late: seconds(20), pause: seconds(1e4), init: seconds(3), later: seconds(20) }),
        ({ up, late, pause, init, later }) => {
          // It says `up` at 0, reconnects `pause` after that has come, and says its uptime then.
          const before = { value: Math.floor(up), at: late * 1000 };
          const connected = late + pause;
          const connectedAt = (connected + init) * 1000;
          const at = (connected + init + later) * 1000;
          const after = { value: Math.floor(up + connected), at, connectedAt, connectedFrom: connectedAt };
          assert.equal(restartShown(before, after), false);
        },
      ),
    );
  });

  it('is not deceived by a connect that nobody saw, as long as the broker would have ended a silent connection', () => {
    fc.assert(
      fc.property(seconds(1e6), seconds(1e4), seconds(25), (up, pause, late) => {
        const at = (pause + late) * 1000;
        const after = { value: Math.floor(up + pause), at, connectedAt: at };
        assert.equal(restartShown({ value: Math.floor(up), at: 0 }, after), false);
      }),
    );
  });

  it('is not deceived by a reconnect that our own link, or a busy process, delays for long', () => {
    fc.assert(
      fc.property(
        seconds(1e6),
        seconds(1e4),
        seconds(3),
        seconds(1e3),
        seconds(1),
        (up, pause, late, stalled, fresh) => {
          const from = (pause + late - fresh) * 1000;
          const at = (pause + late + stalled) * 1000;
          const after = { value: Math.floor(up + pause), at, from, connectedAt: at, connectedFrom: from };
          assert.equal(restartShown({ value: Math.floor(up), at: 0 }, after), false);
        },
      ),
    );
  });

  it('is not deceived by a blip just after the boot, when the uptime comes two seconds late', () => {
    const before = { value: 1, at: 0 };
    assert.equal(restartShown(before, { value: 1, at: 2900, connectedAt: 500, connectedFrom: 500 }), false);
  });

  it('is not deceived in one connection by an old uptime, which a bridge between brokers repeats', () => {
    const old = { value: 100, at: 1e6 };
    assert.equal(restartShown({ value: 100, at: 0 }, old), false);
    assert.equal(restartShown({ value: 100, at: 0 }, { ...old, connectedAt: 0, connectedFrom: 0 }), false);
    // Our own connection was lost meanwhile, so the device may have connected again.
    assert.equal(restartShown({ value: 100, at: 0 }, { ...old, connectedAt: 1 }), true);
  });

  it('is not deceived by a clock that is slower than the other one', () => {
    const day = 86_400;
    const [at, value] = [day * 1000, Math.floor(day * (1 - 5e-5))];
    assert.equal(restartShown({ value: 0, at: 0 }, { value, at, connectedAt: at, connectedFrom: at }), false);
  });

  it('sees a restart when the uptime is smaller than before, whenever it comes', () => {
    assert.equal(restartShown({ value: 2, at: 0 }, { value: 1, at: 1 }), true);
    assert.equal(restartShown({ value: 3600, at: 0 }, { value: 60, at: 1e6 }), true);
  });

  it('sees every restart that follows a moment at which it can be shown', () => {
    fc.assert(
      fc.property(seconds(100), seconds(10), seconds(60), seconds(0.9), (up, reboots, boots, advertises) => {
        const ready: Device = {
          id: 'd',
          state: { value: 'ready', live: true, at: 0 },
          uptime: { value: Math.floor(up), live: true, at: 0 },
        };
        const published = Math.max(0, showableAt(ready, 0));
        const connectedAt = published + (reboots + boots) * 1000;
        // The broker has answered the last ping.
        const [at, connectedFrom] = [connectedAt + advertises * 1000, connectedAt - REFRESH];
        const after = { value: Math.floor(boots + advertises), at, from: connectedFrom, connectedAt, connectedFrom };
        assert.equal(restartShown(reachedUptime(ready, published), after), true);
      }),
    );
  });
});

describe('startRuledOut', () => {
  it('holds for an uptime that began before the moment, and for no other', () => {
    assert.equal(startRuledOut(1000, { value: 3, at: 3000 }), true);
    assert.equal(startRuledOut(1000, { value: 1, at: 3000 }), false);
  });

  it('leaves room for a clock that is faster than the other one', () => {
    assert.equal(startRuledOut(0, { value: 86_403, at: 86_400_000 }), false);
  });
});

describe('reachedUptime', () => {
  const state = { value: 'ready' as const, live: true, at: 1000 };

  it('believes a live uptime of the present connection', () => {
    const uptime = { value: 3600, live: true, at: 1100 };
    assert.deepEqual(reachedUptime({ id: 'd', state, uptime }, 1500), { value: 3600, at: 1100 });
  });

  it('believes none that came before the device was ready, or that is retained', () => {
    const [before, retained] = [
      { value: 3600, live: true, at: 500 },
      { value: 3600, live: false, at: 1100 },
    ];
    for (const uptime of [before, retained]) {
      assert.deepEqual(reachedUptime({ id: 'd', state, uptime }, 1500), { value: 0, at: 1000 });
      assert.deepEqual(reachedUptime({ id: 'd', state, uptime, connectedAt: 800 }, 1500), { value: 0, at: 800 });
    }
  });

  it('believes nothing of a device that is not ready', () => {
    const uptime = { value: 3600, live: true, at: 1100 };
    assert.deepEqual(reachedUptime({ id: 'd', state: { ...state, value: 'init' }, uptime }, 1500), {
      value: 0,
      at: 1500,
    });
  });
});

describe('showableAt', () => {
  const state = { value: 'ready' as const, live: true, at: 1000 };

  it('is six and a half seconds after the boot, as far as that is known', () => {
    assert.equal(showableAt({ id: 'd', state, connectedAt: 800 }, 1500), 7300);
    assert.equal(showableAt({ id: 'd', state, uptime: { value: 3, live: true, at: 1200 } }, 1500), 4700);
    assert.ok(showableAt({ id: 'd', state, uptime: { value: 3600, live: true, at: 1200 } }, 1500) < 1500);
  });

  it('is at once for a device that sleeps', () => {
    assert.equal(showableAt({ id: 'd', state, sleeps: true }, 1500), 0);
  });
});
