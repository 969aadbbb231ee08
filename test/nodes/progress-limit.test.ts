import assert from 'node:assert/strict';
import { ProgressLimit } from '../../nodes/shared/progress-limit';
import type { Update } from '../../src/update/update';

const update = (more: Partial<Update>): Update => ({
  job: 'j',
  device: 'a',
  state: 'running',
  phase: 'flashing',
  progress: 0,
  written: 0,
  total: 1,
  estimated: true,
  from: {},
  to: {},
  attempt: 1,
  startedAt: '',
  duration: 0,
  ...more,
});

describe('progress messages', () => {
  it('are at most 4 a second for a device', () => {
    const limit = new ProgressLimit();
    const admitted = Array.from({ length: 1000 }, (_, ms) => limit.admits(update({ duration: ms }))).filter(
      Boolean,
    ).length;
    assert.equal(admitted, 4);
  });

  it('are counted for each device on its own', () => {
    const limit = new ProgressLimit();
    assert.ok(limit.admits(update({ duration: 0 })));
    assert.ok(limit.admits(update({ device: 'b', duration: 1 })));
    assert.ok(!limit.admits(update({ duration: 2 })));
  });

  it('always come when state, phase or attempt change', () => {
    const limit = new ProgressLimit();
    assert.ok(limit.admits(update({ duration: 0 })));
    assert.ok(limit.admits(update({ phase: 'rebooting', duration: 1 })));
    assert.ok(limit.admits(update({ phase: 'sending', attempt: 2, duration: 2 })));
    assert.ok(limit.admits(update({ state: 'failed', duration: 3 })));
  });
});
