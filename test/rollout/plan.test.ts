import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isEnd, Plan, type End, type PlanSettings } from '../../src/rollout/plan';

const usual: PlanSettings = {
  concurrency: 1,
  canary: 0,
  spacing: 0,
  maxFailures: 1,
  expires: 1000,
  continuous: false,
};

/** A plan whose devices are all there. */
function there(settings: Partial<PlanSettings>, devices: readonly string[] = ['a', 'b', 'c', 'd']): Plan {
  const plan = new Plan({ ...usual, ...settings });
  plan.add(devices, 0);
  for (const device of devices) plan.asks(device, false);
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

  it('serves so many at once as it may', () => {
    const plan = there({ concurrency: 3 });
    assert.deepEqual(plan.due(0, true).start, ['a', 'b', 'c']);
    plan.ended('b', 'succeeded');
    assert.deepEqual(plan.due(0, true).start, ['d']);
  });

  it('begins with a canary, and with the others only when that has stayed well', () => {
    const plan = there({ concurrency: 4, canary: 1 });
    assert.deepEqual(plan.due(0, true).start, ['a']);
    assert.equal(plan.ended('a', 'succeeded'), true);
    assert.deepEqual(plan.soaking, ['a']);
    assert.deepEqual(plan.due(0, true).start, []);
    plan.soaked('a');
    assert.deepEqual(plan.due(0, true).start, ['b', 'c', 'd']);
  });

  it('takes another canary for one that was skipped or went to sleep', () => {
    const plan = there({ concurrency: 4, canary: 1 });
    plan.due(0, true);
    assert.equal(plan.ended('a', 'skipped'), false);
    assert.deepEqual(plan.due(0, true).start, ['b']);
    plan.ended('b', 'succeeded');
    plan.dozed('b');
    assert.deepEqual(plan.due(0, true).start, ['c']);
  });

  it('takes for canaries first those that were there all the time', () => {
    const plan = new Plan({ ...usual, canary: 1 });
    plan.add(['asleep', 'awake'], 0);
    plan.away('asleep', 0);
    plan.asks('asleep', true);
    plan.asks('awake', false);
    assert.deepEqual(plan.due(0, true).start, ['awake']);
  });

  it('stops when a canary does not stay well', () => {
    const plan = there({ canary: 1 });
    plan.due(0, true);
    plan.ended('a', 'succeeded');
    plan.spoiled('a');
    assert.equal(plan.mode, 'stopped');
    assert.equal(plan.stopReason, 'canary');
    assert.deepEqual(plan.due(0, true).start, []);
  });

  it('stops after so many failures, and counts only failures', () => {
    const plan = there({ concurrency: 2, maxFailures: 2 }, ['a', 'b', 'c', 'd', 'e', 'f']);
    plan.due(0, true);
    plan.ended('a', 'timed_out');
    plan.ended('b', 'rejected');
    plan.due(0, true);
    plan.ended('c', 'failed');
    assert.equal(plan.mode, 'active');
    plan.due(0, true);
    plan.ended('d', 'failed');
    assert.equal(plan.mode, 'stopped');
    assert.equal(plan.stopReason, 'failures');
    assert.deepEqual(plan.due(0, true).start, []);
    assert.equal(plan.isDone, false);
  });

  it('is not stopped by the last device, since nothing is left to be stopped', () => {
    const plan = there({}, ['a']);
    plan.due(0, true);
    plan.ended('a', 'failed');
    assert.equal(plan.mode, 'active');
    assert.equal(plan.isDone, true);
  });

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
    plan.asks('a', true);
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

  it('takes back a turn that came too late', () => {
    const plan = there({});
    plan.due(0, true);
    plan.notSent('a', 10);
    assert.equal(plan.stage('a'), 'away');
    assert.deepEqual(plan.due(10, true).start, ['b']);
  });

  it('lets nothing expire while it is paused or stopped, and counts anew from there', () => {
    const plan = there({});
    plan.away('a', 0);
    plan.pause();
    assert.deepEqual(plan.due(5000, true), { start: [], expired: [] });
    plan.resume(5000);
    assert.deepEqual(plan.due(5000, true), { start: ['b'], expired: [], wakeAt: 6000 });
  });

  it('goes on after a restart as it was', () => {
    const plan = there({ concurrency: 2, canary: 2, maxFailures: 3 });
    plan.due(0, true);
    plan.ended('a', 'succeeded');
    plan.ended('b', 'failed');
    const after = Plan.restore({ ...usual, concurrency: 2, canary: 2, maxFailures: 2 }, structuredClone(plan.state()), [
      { device: 'a', state: 'succeeded', since: 0 },
      { device: 'b', state: 'failed', since: 0 },
      { device: 'c', state: 'running', since: 0 },
      { device: 'd', state: 'waiting', since: 0 },
    ]);
    assert.deepEqual(after.soaking, ['a']);
    after.asks('d', false);
    assert.deepEqual(after.due(0, true).start, [], 'c has the place of the second canary');
    after.ended('c', 'failed');
    assert.equal(after.mode, 'stopped', 'the failure before the restart counts');
  });
});

/** What the user does, in each mode of a plan with a device that waits, one that runs and one that has failed. */
describe('steering a plan', () => {
  const modes = {
    active: () => undefined,
    paused: (plan: Plan) => plan.pause(),
    stopped: (plan: Plan) => {
      plan.ended('extra', 'failed');
    },
  };
  const actions = {
    pause: (plan: Plan) => plan.pause(),
    resume: (plan: Plan) => plan.resume(10),
    cancel: (plan: Plan) => ['waits', 'away'].forEach((device) => plan.ended(device, 'canceled')),
    retry: (plan: Plan) => {
      plan.resume(10);
      plan.again(['failed'], 10);
      plan.asks('failed', false);
    },
    join: (plan: Plan) => {
      plan.add(['waits', 'new'], 10);
      plan.asks('new', false);
    },
  };
  /** The mode after it, and who is served next. */
  const expected: Record<keyof typeof modes, Record<keyof typeof actions, [mode: string, start: string[]]>> = {
    active: {
      pause: ['paused', []],
      resume: ['active', ['waits']],
      cancel: ['active', []],
      retry: ['active', ['failed', 'waits']],
      join: ['active', ['waits', 'new']],
    },
    paused: {
      pause: ['paused', []],
      resume: ['active', ['waits']],
      cancel: ['paused', []],
      retry: ['active', ['failed', 'waits']],
      join: ['paused', []],
    },
    stopped: {
      pause: ['stopped', []],
      resume: ['active', ['waits']],
      cancel: ['stopped', []],
      retry: ['active', ['failed', 'waits']],
      join: ['stopped', []],
    },
  };

  for (const mode of ['active', 'paused', 'stopped'] as const) {
    for (const action of ['pause', 'resume', 'cancel', 'retry', 'join'] as const) {
      it(`${action} while it is ${mode}`, () => {
        const plan = new Plan({ ...usual, concurrency: 5, maxFailures: 2 });
        plan.add(['failed', 'runs', 'extra'], 0);
        for (const device of ['failed', 'runs', 'extra']) plan.asks(device, false);
        plan.due(0, true);
        plan.add(['waits', 'away'], 0);
        plan.ended('failed', 'failed');
        plan.asks('waits', false);
        plan.away('away', 0);
        modes[mode](plan);

        actions[action](plan);
        const [after, start] = expected[mode][action];
        assert.equal(plan.mode, after);
        assert.deepEqual(plan.due(10, true).start, start);
        assert.equal(plan.stage('runs'), 'running', 'what runs is finished');
      });
    }
  }
});

describe('any sequence of events', () => {
  const devices = ['a', 'b', 'c', 'd', 'e'];
  const device = fc.constantFrom(...devices);
  const end = fc.constantFrom<End>('succeeded', 'skipped', 'failed', 'timed_out', 'rejected', 'canceled');
  const event = fc.oneof(
    fc.record({ kind: fc.constantFrom('asks', 'woke', 'away', 'notSent', 'soaked', 'spoiled', 'dozed'), device }),
    fc.record({ kind: fc.constant('ended'), device, end }),
    fc.record({ kind: fc.constant('time'), ms: fc.integer({ min: 1, max: 700 }), open: fc.boolean() }),
    fc.record({ kind: fc.constantFrom('pause', 'resume', 'retry', 'join'), device }),
  );
  const settings = fc.record({
    concurrency: fc.integer({ min: 1, max: 3 }),
    canary: fc.integer({ min: 0, max: 3 }),
    spacing: fc.constantFrom(0, 100),
    maxFailures: fc.integer({ min: 0, max: 2 }),
    expires: fc.constantFrom(0, 1000),
    continuous: fc.constant(false),
  });

  it('starts a device once until it has ended, never too many, and leaves no job stuck', () => {
    fc.assert(
      fc.property(settings, fc.array(event, { maxLength: 60 }), (chosen, events) => {
        const plan = new Plan(chosen);
        plan.add(devices, 0);
        let now = 0;
        let open = true;
        const running = (): number => devices.filter((each) => plan.stage(each) === 'running').length;
        const look = (): void => {
          const before = new Map(devices.map((each) => [each, plan.stage(each)]));
          const { start, expired } = plan.due(now, open);
          for (const each of start) assert.equal(before.get(each), 'asking');
          if (start.length > 0) assert.ok(open && plan.mode === 'active');
          assert.ok(running() <= chosen.concurrency);
          if (plan.inCanary && start.length > 0) {
            assert.ok(running() + plan.soaking.length <= chosen.canary, 'too many canaries');
          }
          for (const each of expired) {
            assert.notEqual(plan.stage(each), 'running');
            plan.ended(each, 'timed_out');
          }
        };
        for (const happened of events) {
          if ('ms' in happened) [now, open] = [now + happened.ms, happened.open];
          else if ('end' in happened) {
            // Only what runs can fail or succeed.
            const { device: id, end: how } = happened;
            const sent = how === 'failed' || how === 'succeeded';
            if (!sent || plan.stage(id) === 'running') plan.ended(id, how);
          } else apply(plan, happened.kind, happened.device, now);
          look();
        }
        // Now all goes well: whoever is not at rest gets through.
        plan.resume(now);
        open = true;
        for (let round = 0; round < 40 && !plan.isDone; round += 1) {
          for (const each of devices) {
            const stage = plan.stage(each);
            if (stage === 'running') plan.ended(each, 'succeeded');
            else if (stage !== undefined && !isEnd(stage)) plan.asks(each, false);
          }
          for (const each of plan.soaking) plan.soaked(each);
          now += 100;
          look();
        }
        assert.ok(plan.isDone, `stuck: ${devices.map((each) => `${each} ${plan.stage(each)}`).join(', ')}`);
      }),
      { numRuns: 3000 },
    );
  });

  const apply = (plan: Plan, kind: string, id: string, now: number): void => {
    switch (kind) {
      case 'asks':
        return plan.asks(id, false);
      case 'woke':
        return plan.asks(id, true);
      case 'away':
        return plan.away(id, now);
      case 'notSent':
        return plan.notSent(id, now);
      case 'soaked':
        return plan.soaked(id);
      case 'spoiled':
        return plan.spoiled(id);
      case 'dozed':
        return plan.dozed(id);
      case 'pause':
        return plan.pause();
      case 'resume':
        return plan.resume(now);
      case 'retry':
        return plan.again([id], now);
      case 'join':
        return plan.add([id], now);
    }
  };
});
