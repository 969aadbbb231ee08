import assert from 'node:assert/strict';
import { planUpdate, startUpdate } from '../../nodes/sidebar-plan';
import type { Staged } from '../../nodes/firmware-stage';
import { Firmware } from '../../src/firmware/firmware';
import type { CheckSummary } from '../../src/ota/check';
import { next } from '../ota/lab';

/** A `homie-ota` whose check ends when the test says so. */
class SlowNode {
  readonly type = 'homie-ota';
  readonly received: unknown[] = [];
  end: () => void = () => undefined;

  check(): Promise<CheckSummary> {
    const devices = [{ device: 'lamp', verdict: 'update', reason: 'It would be updated.', from: {} }] as const;
    return new Promise((resolve) => {
      this.end = () => resolve({ counts: { update: 1 }, to: {}, devices });
    });
  }

  receive(msg: unknown): void {
    this.received.push(msg);
  }
}

describe('the plan of an update in the sidebar', () => {
  it('is the one requested last, even if an earlier request takes longer', async () => {
    const nodes = { slow: new SlowNode(), quick: new SlowNode() };
    const RED: Parameters<typeof planUpdate>[0] = Object.create({
      nodes: { getNode: (id: keyof typeof nodes) => nodes[id] },
    });
    const staged: Staged = { id: 'firmware', firmware: await Firmware.from(next) };
    const earlier = planUpdate(RED, staged, 'slow', 'node');
    const later = planUpdate(RED, staged, 'quick', 'node');
    nodes.quick.end();
    const { id } = await later;
    nodes.slow.end();
    const { id: old } = await earlier;
    assert.throws(() => startUpdate(RED, staged, 'slow', old), { reason: 'changed' });
    assert.equal(startUpdate(RED, staged, 'quick', id), 1);
    assert.deepEqual([nodes.slow.received.length, nodes.quick.received.length], [0, 1]);
  });
});
