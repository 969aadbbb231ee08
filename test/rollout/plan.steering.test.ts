import assert from 'node:assert/strict';
import { isFinal } from '../../src/update/update';
import type { Mode } from '../../src/rollout/holds';
import { Plan, type PlanStage } from '../../src/rollout/plan';

const ends = ['succeeded', 'skipped', 'failed', 'timed_out', 'rejected', 'canceled'] as const;

type Action = 'pause' | 'resume' | 'cancel' | 'retry' | 'join' | 'supersede';

/** The mode of a plan after each action, by the mode before. */
const modes: Record<Mode, Record<Action, Mode>> = {
  // prettier-ignore
  active:  { pause: 'paused',  resume: 'active', cancel: 'active',  retry: 'active', join: 'active',  supersede: 'active' },
  // prettier-ignore
  paused:  { pause: 'paused',  resume: 'active', cancel: 'paused',  retry: 'active', join: 'paused',  supersede: 'paused' },
  // prettier-ignore
  stopped: { pause: 'stopped', resume: 'active', cancel: 'stopped', retry: 'active', join: 'stopped', supersede: 'stopped' },
};

/**
 * The stage of a device after each action, by the stage before. A running device is canceled only if nothing was sent.
 */
const stages: Record<PlanStage, Partial<Record<Action, PlanStage>>> = {
  new: { cancel: 'canceled', supersede: 'canceled' },
  away: { cancel: 'canceled', supersede: 'canceled' },
  asking: { cancel: 'canceled', supersede: 'canceled' },
  running: { cancel: 'canceled' },
  succeeded: { retry: 'new' },
  skipped: { retry: 'new' },
  failed: { retry: 'new' },
  timed_out: { retry: 'new' },
  rejected: { retry: 'new' },
  canceled: { retry: 'new' },
};

/** Actions for the device `a`, as a job performs them. */
const actions: Record<Action, (plan: Plan) => void> = {
  pause: (plan) => plan.holds.pause(),
  resume: (plan) => plan.resume(1),
  cancel: (plan) => void plan.ended('a', 'canceled'),
  retry: (plan) => {
    plan.resume(1);
    plan.again(['a'], 1);
  },
  join: (plan) => plan.add(['a', 'c'], 1),
  // A running device is not superseded, but finished.
  supersede: (plan) => void (plan.stage('a') !== 'running' && plan.ended('a', 'canceled')),
};

/** Returns a plan with the device `a` in a stage, and `b`, which waits. */
function planWith(stage: PlanStage, mode: Mode): Plan {
  const plan = new Plan({
    concurrency: 5,
    canary: 0,
    spacing: 0,
    maxFailures: 2,
    expires: 1000,
    continuous: false,
  });
  plan.add(['a', 'b', 'x', 'y'], 0);
  if (stage === 'away') plan.away('a', 0);
  else if (stage !== 'new') plan.asks('a', false, 0);
  if (stage === 'running' || isFinal(stage)) assert.deepEqual(plan.due(0, true).start, ['a']);
  if (isFinal(stage)) plan.ended('a', stage);
  plan.away('b', 0);
  plan.ended('x', mode === 'stopped' ? 'failed' : 'succeeded');
  plan.ended('y', mode === 'stopped' ? 'failed' : 'succeeded');
  if (mode === 'paused') plan.holds.pause();
  assert.deepEqual([plan.stage('a'), plan.holds.mode], [stage, mode]);
  return plan;
}

describe('a plan that is steered', () => {
  for (const mode of ['active', 'paused', 'stopped'] as const) {
    for (const stage of ['new', 'away', 'asking', 'running', ...ends] as const) {
      for (const action of ['pause', 'resume', 'cancel', 'retry', 'join', 'supersede'] as const) {
        it(`${action}: ${mode}, with a device that is ${stage}`, () => {
          const plan = planWith(stage, mode);
          actions[action](plan);
          const then = stages[stage][action] ?? stage;
          assert.deepEqual([plan.stage('a'), plan.holds.mode], [then, modes[mode][action]]);

          // Now all devices are ready: the plan starts those, and only those, that it may start.
          for (const device of ['a', 'b', 'c']) plan.asks(device, false, 0);
          const free = [
            ...(isFinal(then) || then === 'running' ? [] : ['a']),
            'b',
            ...(action === 'join' ? ['c'] : []),
          ];
          assert.deepEqual(plan.due(2, true).start, modes[mode][action] === 'active' ? free : []);
          assert.deepEqual(plan.due(2, true).start, [], 'none is started twice');
        });
      }
    }
  }
});
