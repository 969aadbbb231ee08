import assert from 'node:assert/strict';
import { planUpdate, startUpdate } from '../../nodes/sidebar/sidebar-plan';
import type { Staged } from '../../nodes/sidebar/upload-store';
import { Firmware } from '../../src/firmware/firmware';
import type { CheckSummary } from '../../src/ota/check';
import { next } from '../ota/lab';

/** The updates of a homie-broker, whose check ends when the test says so. */
class SlowUpdates {
  readonly broker = { registry: { devices: new Map() } };
  readonly started: (readonly string[])[] = [];
  end: () => void = () => undefined;

  check(): Promise<CheckSummary> {
    const update = {
      device: 'lamp',
      verdict: 'update',
      reason: 'The device would be updated.',
      says: [],
      from: {},
    } as const;
    return new Promise((resolve) => {
      this.end = () => resolve({ counts: { update: 1 }, to: {}, devices: [update] });
    });
  }

  async update(_firmware: Firmware, devices: readonly string[]): Promise<void> {
    this.started.push(devices);
  }
}

describe('the plan of an update in the sidebar', () => {
  const all = { runningThisFirmware: true } as const;
  let nodes: Record<'slow' | 'quick', { readonly type: 'homie-broker'; link: object; updates: SlowUpdates }>;
  let RED: Parameters<typeof planUpdate>[0];
  let staged: Staged;

  beforeEach(async () => {
    const broker = () => ({ type: 'homie-broker', link: {}, updates: new SlowUpdates() }) as const;
    nodes = { slow: broker(), quick: broker() };
    RED = Object.create({ nodes: { getNode: (id: keyof typeof nodes) => nodes[id] } });
    staged = { id: 'firmware', firmware: await Firmware.from(next) };
  });

  /** Returns the id of a plan for all devices of the broker `quick`. */
  const quickPlan = async (): Promise<string> => {
    const plan = planUpdate(RED, staged, 'quick', all);
    nodes.quick.updates.end();
    return (await plan).id;
  };

  it('is the one requested last, even if an earlier request takes longer', async () => {
    const earlier = planUpdate(RED, staged, 'slow', all);
    const id = await quickPlan();
    nodes.slow.updates.end();
    const { id: old } = await earlier;
    await assert.rejects(startUpdate(RED, staged, 'slow', old), { reason: 'changed' });
    assert.equal(await startUpdate(RED, staged, 'quick', id), 1);
    assert.deepEqual([nodes.slow.updates.started, nodes.quick.updates.started], [[], [['lamp']]]);
  });

  it('is started once, also if two requests come at the same time', async () => {
    const id = await quickPlan();
    const start = (): Promise<number> => startUpdate(RED, staged, 'quick', id);
    const [first, second] = await Promise.allSettled([start(), start()]);
    assert.deepEqual([first.status, second.status], ['fulfilled', 'rejected']);
    assert.deepEqual(nodes.quick.updates.started, [['lamp']]);
  });

  it('is not started after the homie-broker was deployed again', async () => {
    const id = await quickPlan();
    nodes.quick.updates = new SlowUpdates();
    await assert.rejects(startUpdate(RED, staged, 'quick', id), { reason: 'changed' });
    assert.deepEqual(nodes.quick.updates.started, []);
  });
});
