import assert from 'node:assert/strict';
import { Plan, type PlanSettings } from '../../src/rollout/plan';

const usual: PlanSettings = {
  concurrency: 1,
  canary: 0,
  spacing: 0,
  maxFailures: 1,
  expires: 1000,
  continuous: false,
};

/** Returns a plan whose devices are all ready. */
function there(settings: Partial<PlanSettings>, devices: readonly string[] = ['a', 'b', 'c', 'd']): Plan {
  const plan = new Plan({ ...usual, ...settings });
  plan.add(devices, 0);
  for (const device of devices) plan.asks(device, false, 0);
  return plan;
}

describe('a plan', () => {
  it('serves one after the other, in the order in which they were named', () => {
    const plan = there({}, ['c', 'a', 'b']);
    assert.deepEqual(plan.due(0, true).start, ['c']);
    assert.deepEqual(plan.due(0, true).start, []);
    plan.ended('c', 'succeeded');
    assert.deepEqual(plan.due(0, true).start, ['a']);
    plan.ended('a', 'skipped');
    assert.deepEqual(plan.due(0, true).start, ['b']);
    plan.ended('b', 'succeeded');
    assert.equal(plan.isDone, true);
  });

  it('serves as many devices at once as it may', () => {
    const plan = there({ concurrency: 3 });
    assert.deepEqual(plan.due(0, true).start, ['a', 'b', 'c']);
    plan.ended('b', 'succeeded');
    assert.deepEqual(plan.due(0, true).start, ['d']);
  });

  it('begins with a canary, and with the others only when that has stayed well', () => {
    const plan = there({ concurrency: 4, canary: 1 });
    assert.deepEqual(plan.due(0, true).start, ['a']);
    assert.equal(plan.ended('a', 'succeeded'), true);
    assert.deepEqual(plan.holds.soaking, ['a']);
    assert.deepEqual(plan.due(0, true).start, []);
    plan.holds.soaked('a');
    assert.deepEqual(plan.due(0, true).start, ['b', 'c', 'd']);
  });

  it('takes another canary for one that was skipped or went to sleep', () => {
    const plan = there({ concurrency: 4, canary: 1 });
    plan.due(0, true);
    assert.equal(plan.ended('a', 'skipped'), false);
    assert.deepEqual(plan.due(0, true).start, ['b']);
    plan.ended('b', 'succeeded');
    plan.holds.dozed('b');
    assert.deepEqual(plan.due(0, true).start, ['c']);
  });

  it('takes for canaries first those that were there all the time', () => {
    const plan = new Plan({ ...usual, canary: 1 });
    plan.add(['asleep', 'awake'], 0);
    plan.away('asleep', 0);
    plan.asks('asleep', true, 0);
    plan.asks('awake', false, 0);
    assert.deepEqual(plan.due(0, true).start, ['awake']);
  });

  for (const maxFailures of [0, 1, 2]) {
    it(`stops when a canary does not stay ready, with maxFailures ${maxFailures}`, () => {
      const plan = there({ canary: 1, maxFailures });
      plan.due(0, true);
      plan.ended('a', 'succeeded');
      plan.spoiled('a');
      assert.equal(plan.holds.mode, 'stopped');
      assert.equal(plan.holds.stopReason, 'canary');
      assert.deepEqual(plan.due(0, true).start, []);
      plan.resume(0);
      assert.deepEqual(plan.due(0, true).start, ['b']);
    });
  }

  it('stops because of a canary, even if another device fails before it stops', () => {
    const plan = there({ canary: 2, concurrency: 2, maxFailures: 0 }, ['a', 'b']);
    plan.due(0, true);
    plan.ended('a', 'succeeded');
    plan.spoiled('a');
    assert.equal(plan.holds.mode, 'active', 'nothing is left to be stopped');
    plan.ended('b', 'failed');
    plan.add(['c'], 0);
    plan.asks('c', false, 0);
    assert.deepEqual(plan.due(0, true).start, []);
    assert.deepEqual([plan.holds.mode, plan.holds.stopReason], ['stopped', 'canary']);
  });

  it('stops after the allowed number of failures, and counts only failures', () => {
    const plan = there({ concurrency: 2, maxFailures: 2 }, ['a', 'b', 'c', 'd', 'e', 'f']);
    plan.due(0, true);
    plan.ended('a', 'timed_out');
    plan.ended('b', 'rejected');
    plan.due(0, true);
    plan.ended('c', 'failed');
    assert.equal(plan.holds.mode, 'active');
    plan.due(0, true);
    plan.ended('d', 'failed');
    assert.equal(plan.holds.mode, 'stopped');
    assert.equal(plan.holds.stopReason, 'failures');
    assert.deepEqual(plan.due(0, true).start, []);
    assert.equal(plan.isDone, false);
  });

  it('is not stopped by the last device, since nothing is left to be stopped', () => {
    const plan = there({}, ['a']);
    plan.due(0, true);
    plan.ended('a', 'failed');
    assert.equal(plan.holds.mode, 'active');
    assert.equal(plan.isDone, true);
  });

  for (const maxFailures of [0, 3]) {
    it(`is stopped by a canary that the update harms, with maxFailures ${maxFailures}`, () => {
      const plan = there({ maxFailures, canary: 1 });
      plan.due(0, true);
      plan.ended('a', 'failed', 'NOT_BACK');
      assert.equal(plan.holds.stopReason, 'canary');
      assert.deepEqual(plan.due(0, true).start, []);
    });

    it(`is not stopped by a device that never got the update, or comes after the canary, with maxFailures ${maxFailures}`, () => {
      const plan = there({ maxFailures, canary: 1 });
      plan.due(0, true);
      plan.ended('a', 'failed', 'STALLED');
      assert.deepEqual(plan.due(0, true).start, ['b']);
      plan.ended('b', 'succeeded');
      plan.holds.soaked('b');
      assert.deepEqual(plan.due(0, true).start, ['c']);
      plan.ended('c', 'failed', 'NOT_BACK');
      assert.deepEqual(plan.due(0, true).start, ['d']);
    });
  }

  it('never stops with maxFailures 0', () => {
    const plan = there({ maxFailures: 0 });
    for (const device of ['a', 'b', 'c', 'd']) {
      assert.deepEqual(plan.due(0, true).start, [device]);
      plan.ended(device, 'failed');
    }
    assert.equal(plan.isDone, true);
  });

  it('lets a device that is away hold no place, and serves it first when it wakes', () => {
    const plan = there({});
    plan.away('a', 0);
    assert.deepEqual(plan.due(0, true).start, ['b']);
    plan.asks('a', true, 0);
    assert.deepEqual(plan.due(0, true).start, []);
    plan.ended('b', 'succeeded');
    assert.deepEqual(plan.due(0, true).start, ['a']);
  });

  it('gives up a device that was away for so long, but never one that waits for its turn', () => {
    const plan = there({});
    plan.away('b', 100);
    assert.deepEqual(plan.due(100, true), { start: ['a'], expired: [], wakeAt: 1100 });
    assert.deepEqual(plan.due(1099, true).expired, []);
    assert.deepEqual(plan.due(1100, true).expired, ['b']);
    plan.ended('b', 'timed_out');
    assert.deepEqual(plan.due(1_000_000, true).expired, []);
  });

  it('adds up how long a device was away, but not how long it waited for its turn', () => {
    const plan = there({}, ['a', 'b']);
    plan.away('b', 0);
    assert.deepEqual(plan.due(0, true).start, ['a']);
    plan.asks('b', true, 400);
    plan.away('b', 9400);
    assert.deepEqual(plan.due(9999, true).expired, []);
    assert.deepEqual(plan.due(10_000, true).expired, ['b']);
  });

  it('does not wait longer for a device that is there each time for a moment only', () => {
    const plan = there({}, ['a']);
    for (const now of [0, 400, 800]) {
      assert.deepEqual(plan.due(now, true), { start: ['a'], expired: [] });
      plan.notSent('a');
      assert.deepEqual(plan.due(now, true), { start: [], expired: [], wakeAt: 1000 });
      plan.asks('a', true, now + 400);
    }
    plan.away('a', 1200);
    assert.deepEqual(plan.due(1200, true).expired, ['a']);
  });

  it('gives up, with the window closed, also what is there', () => {
    const plan = there({}, ['a', 'b']);
    plan.due(0, true);
    assert.deepEqual(plan.due(5000, false).expired, []);
    assert.deepEqual(plan.due(5999, false).expired, []);
    assert.deepEqual(plan.due(6000, false).expired, ['b']);
  });

  it('starts nothing while the window is closed, and finishes what runs', () => {
    const plan = there({}, ['a', 'b']);
    assert.deepEqual(plan.due(0, false).start, []);
    assert.deepEqual(plan.due(10, true).start, ['a']);
    plan.ended('a', 'succeeded');
    assert.deepEqual(plan.due(20, false).start, []);
    assert.deepEqual(plan.due(30, true).start, ['b']);
  });

  it('keeps a distance between two starts', () => {
    const plan = there({ concurrency: 3, spacing: 50 });
    assert.deepEqual(plan.due(0, true), { start: ['a'], expired: [], wakeAt: 50 });
    assert.deepEqual(plan.due(49, true).start, []);
    assert.deepEqual(plan.due(50, true).start, ['b']);
  });

  it('starts nothing that joins when enough have failed, although nothing was left to be stopped', () => {
    const plan = there({ concurrency: 2 }, ['a', 'b']);
    plan.due(0, true);
    plan.ended('a', 'failed');
    assert.equal(plan.holds.mode, 'active');
    plan.add(['c'], 0);
    plan.asks('c', false, 0);
    assert.deepEqual(plan.due(0, true).start, []);
    assert.deepEqual([plan.holds.mode, plan.holds.stopReason], ['stopped', 'failures']);
  });

  it('does not start again what had gone when enough have failed meanwhile', () => {
    const plan = there({ concurrency: 2 }, ['a', 'b']);
    plan.due(0, true);
    plan.ended('a', 'failed');
    plan.notSent('b');
    plan.asks('b', true, 0);
    assert.deepEqual(plan.due(0, true).start, []);
    assert.equal(plan.holds.mode, 'stopped');
  });

  it('forgets what failed when it is to go on, also where it was not stopped', () => {
    const plan = there({ concurrency: 2 }, ['a', 'b']);
    plan.due(0, true);
    plan.ended('a', 'failed');
    plan.resume(0);
    plan.again(['a'], 0);
    plan.asks('a', false, 0);
    assert.deepEqual(plan.due(0, true).start, ['a']);
  });

  it('does not start again with a canary that is watched', () => {
    const plan = there({ canary: 1 }, ['a', 'b']);
    plan.due(0, true);
    plan.ended('a', 'succeeded');
    plan.again(['a'], 0);
    assert.equal(plan.stage('a'), 'succeeded');
    plan.holds.soaked('a');
    assert.deepEqual(plan.due(0, true).start, ['b']);
  });

  it('takes back a turn that came too late', () => {
    const plan = there({});
    plan.due(0, true);
    plan.notSent('a');
    assert.equal(plan.stage('a'), 'away');
    assert.deepEqual(plan.due(10, true).start, ['b']);
  });

  it('takes back no turn of a device that has none', () => {
    const plan = there({}, ['runs', 'asks', 'ended']);
    plan.due(0, true);
    plan.ended('ended', 'canceled');
    for (const id of ['asks', 'ended', 'unknown']) plan.notSent(id);
    assert.deepEqual(
      [plan.stage('asks'), plan.stage('ended'), plan.stage('unknown')],
      ['asking', 'canceled', undefined],
    );
  });

  it('lets nothing expire while it is paused or stopped, and starts counting again after that', () => {
    const plan = there({});
    plan.away('a', 0);
    plan.holds.pause();
    assert.deepEqual(plan.due(5000, true), { start: [], expired: [] });
    plan.resume(5000);
    assert.deepEqual(plan.due(5000, true), { start: ['b'], expired: [], wakeAt: 6000 });
  });

  it('waits no longer for a device that is asked for again', () => {
    const plan = new Plan({ ...usual, expires: 1000 });
    plan.add(['a'], 0);
    plan.away('a', 0);
    plan.add(['a', 'b'], 900);
    plan.away('b', 900);
    assert.deepEqual(plan.due(1000, true).expired, ['a']);
  });

  it('waits on after a restart for as long as was left', () => {
    const plan = new Plan({ ...usual, expires: 1000 }, new Plan(usual).holds.state, [
      { device: 'a', state: 'waiting', since: -600 },
    ]);
    plan.away('a', 100);
    assert.deepEqual(plan.due(399, true).expired, []);
    assert.deepEqual(plan.due(400, true).expired, ['a']);
  });

  it('does not count after a restart how long a device waited for its turn', () => {
    const plan = there({}, ['a', 'b']);
    plan.away('b', 0);
    plan.asks('b', false, 600);
    assert.deepEqual(plan.wait('b'), { waited: 600 });
    plan.away('b', 9000);
    assert.deepEqual(plan.wait('b'), { since: 8400 });
  });

  it('does not count twice that a device is there', () => {
    const plan = new Plan(usual);
    plan.add(['a'], 100);
    plan.away('a', 100);
    plan.asks('a', false, 500);
    plan.asks('a', true, 9000);
    assert.deepEqual(plan.wait('a'), { waited: 400 });
  });

  it('waits for no device that has ended, and for none that is not part of it', () => {
    const plan = there({}, ['a']);
    plan.ended('a', 'canceled');
    assert.deepEqual([plan.wait('a'), plan.wait('z')], [undefined, undefined]);
  });

  it('says which devices wait to be started, and which are served', () => {
    const plan = there({}, ['runs', 'asks', 'away', 'ended']);
    plan.add(['new'], 0);
    plan.due(0, true);
    plan.away('away', 0);
    plan.ended('ended', 'canceled');
    const waiting = ['runs', 'asks', 'away', 'ended', 'new', 'unknown'].filter((id) => plan.waits(id));
    assert.deepEqual(waiting, ['asks', 'away', 'new']);
    assert.deepEqual([...plan.running], ['runs']);
  });

  it('says what keeps devices from starting', () => {
    const plan = there({ concurrency: 2, canary: 1, maxFailures: 2 });
    assert.equal(plan.hold(true), undefined, 'the canary may start');
    assert.equal(plan.hold(false), 'window');
    plan.due(0, true);
    assert.equal(plan.hold(true), 'canary');
    plan.ended('a', 'succeeded');
    assert.equal(plan.hold(true), 'canary', 'it is under observation');
    plan.holds.soaked('a');
    plan.due(0, true);
    assert.equal(plan.hold(true), undefined, 'only a slot is missing');
    plan.holds.pause();
    assert.deepEqual([plan.hold(true), plan.hold(false)], ['paused', 'paused']);
    plan.ended('b', 'failed');
    plan.ended('c', 'failed');
    assert.equal(plan.hold(true), 'stopped');
  });

  it('says whether anything is left to do', () => {
    const plan = there({ concurrency: 2 }, ['a', 'b', 'c']);
    assert.equal(plan.idle, 'no');
    plan.due(0, true);
    plan.ended('a', 'failed');
    assert.equal(plan.idle, 'stopped');
    plan.ended('b', 'succeeded');
    plan.ended('c', 'canceled');
    assert.equal(plan.idle, 'done');
  });

  it('is done after a restart if all its devices had ended', () => {
    const plan = new Plan(usual, undefined, [
      { device: 'a', state: 'succeeded', since: 0 },
      { device: 'b', state: 'timed_out', since: 0 },
    ]);
    assert.deepEqual([plan.isDone, plan.stage('a'), plan.stage('b')], [true, 'succeeded', 'timed_out']);
  });

  it('goes on after a restart as it was', () => {
    const plan = there({ concurrency: 2, canary: 2, maxFailures: 3 });
    plan.due(0, true);
    plan.ended('a', 'succeeded');
    plan.ended('b', 'failed');
    const after = new Plan({ ...usual, concurrency: 2, canary: 2, maxFailures: 2 }, structuredClone(plan.holds.state), [
      { device: 'a', state: 'succeeded', since: 0 },
      { device: 'b', state: 'failed', since: 0 },
      { device: 'c', state: 'running', since: 0 },
      { device: 'd', state: 'waiting', since: 0 },
    ]);
    assert.deepEqual(after.holds.soaking, ['a']);
    after.asks('d', false, 0);
    assert.deepEqual(after.due(0, true).start, [], 'c has the place of the second canary');
    after.ended('c', 'failed');
    assert.equal(after.holds.mode, 'stopped', 'the failure before the restart counts');
  });
});

/** Each action of a user in each state of a plan with failed, running, waiting and absent devices. */
describe('steering a plan', () => {
  const begun = (canary: number): Plan => {
    const plan = new Plan({ ...usual, concurrency: 5, canary, maxFailures: 2 });
    plan.add(['failed', 'runs', 'extra', 'waits', 'away'], 0);
    for (const device of ['failed', 'runs', 'extra']) plan.asks(device, false, 0);
    plan.due(0, true);
    plan.ended('failed', 'failed');
    plan.due(0, true);
    plan.asks('waits', false, 0);
    plan.away('away', 0);
    return plan;
  };
  const states = {
    active: () => begun(0),
    paused: () => {
      const plan = begun(0);
      plan.holds.pause();
      return plan;
    },
    stopped: () => {
      const plan = begun(0);
      plan.ended('extra', 'failed');
      return plan;
    },
    soaking: () => {
      const plan = begun(2);
      assert.equal(plan.ended('extra', 'succeeded'), true);
      return plan;
    },
    closed: () => begun(0),
  };
  const actions = {
    pause: (plan: Plan) => plan.holds.pause(),
    resume: (plan: Plan) => plan.resume(10),
    cancel: (plan: Plan) => ['waits', 'away'].forEach((device) => plan.ended(device, 'canceled')),
    supersede: (plan: Plan) => plan.ended('waits', 'canceled'),
    retry: (plan: Plan) => {
      plan.resume(10);
      plan.again(['failed', 'runs'], 10);
      plan.asks('failed', false, 0);
    },
    join: (plan: Plan) => {
      plan.add(['failed', 'runs', 'waits', 'new'], 10);
      plan.asks('new', false, 0);
    },
  };
  /** The mode after the action, and the devices that start next. */
  const expected: Record<keyof typeof states, Record<keyof typeof actions, [mode: string, start: string[]]>> = {
    active: {
      pause: ['paused', []],
      resume: ['active', ['waits']],
      cancel: ['active', []],
      supersede: ['active', []],
      retry: ['active', ['failed', 'waits']],
      join: ['active', ['waits', 'new']],
    },
    paused: {
      pause: ['paused', []],
      resume: ['active', ['waits']],
      cancel: ['paused', []],
      supersede: ['paused', []],
      retry: ['active', ['failed', 'waits']],
      join: ['paused', []],
    },
    stopped: {
      pause: ['stopped', []],
      resume: ['active', ['waits']],
      cancel: ['stopped', []],
      supersede: ['stopped', []],
      retry: ['active', ['failed', 'waits']],
      join: ['stopped', []],
    },
    soaking: {
      pause: ['paused', []],
      resume: ['active', []],
      cancel: ['active', []],
      supersede: ['active', []],
      retry: ['active', []],
      join: ['active', []],
    },
    closed: {
      pause: ['paused', []],
      resume: ['active', []],
      cancel: ['active', []],
      supersede: ['active', []],
      retry: ['active', []],
      join: ['active', []],
    },
  };

  for (const state of ['active', 'paused', 'stopped', 'soaking', 'closed'] as const) {
    for (const action of ['pause', 'resume', 'cancel', 'supersede', 'retry', 'join'] as const) {
      it(`${action} while it is ${state}`, () => {
        const plan = states[state]();
        actions[action](plan);
        const [after, start] = expected[state][action];
        assert.equal(plan.holds.mode, after);
        assert.deepEqual(plan.due(10, state !== 'closed').start, start);
        assert.equal(plan.stage('runs'), 'running', 'what runs is finished');

        // In every case the plan ends if everything goes well from now on.
        plan.resume(20);
        for (let round = 0; round < 5 && !plan.isDone; round += 1) {
          for (const device of plan.holds.soaking) plan.holds.soaked(device);
          for (const device of ['failed', 'runs', 'extra', 'waits', 'away', 'new']) {
            if (plan.stage(device) === 'running') plan.ended(device, 'succeeded');
            else plan.asks(device, false, 0);
          }
          plan.due(20, true);
        }
        assert.equal(plan.isDone, true);
      });
    }
  }
});
