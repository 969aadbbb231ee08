import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { NodeStatus } from 'node-red';
import { ThrottledStatus } from '../../nodes/shared/throttled-status';

class Shown extends EventEmitter {
  readonly all: { text: string | undefined; at: number }[] = [];

  status(status: string | NodeStatus): void {
    this.all.push({ text: typeof status === 'string' ? status : status.text, at: performance.now() });
    this.emit('status');
  }
}

describe('the status of a node', () => {
  it('shows at once, then the newest at the end of a quarter of a second', async () => {
    const node = new Shown();
    let text = '1';
    const status = new ThrottledStatus(node, () => ({ text }));
    const begunAt = performance.now();
    status.refresh();
    for (text of ['2', '3', '4']) status.refresh();
    assert.deepEqual(
      node.all.map((shown) => shown.text),
      ['1'],
    );
    await once(node, 'status');
    assert.deepEqual(
      node.all.map((shown) => shown.text),
      ['1', '4'],
    );
    assert.ok((node.all[1]?.at ?? 0) - begunAt >= 245);
    status.close();
  });

  it('is not repeated while it is the same', async () => {
    const node = new Shown();
    let text = 'same';
    const status = new ThrottledStatus(node, () => ({ text }));
    status.refresh();
    status.refresh();
    text = 'other';
    await once(node, 'status');
    status.close();
    assert.deepEqual(
      node.all.map((shown) => shown.text),
      ['same', 'other'],
    );
  });

  it('is found out once in a quarter of a second, also while it stays the same', async () => {
    const node = new Shown();
    let text = 'same';
    let found = 0;
    const status = new ThrottledStatus(node, () => {
      found += 1;
      return { text };
    });
    for (let change = 0; change < 2000; change += 1) status.refresh();
    assert.equal(found, 1);
    await setTimeout(300);
    assert.equal(found, 2);
    text = 'other';
    for (let change = 0; change < 2000; change += 1) status.refresh();
    await once(node, 'status');
    status.close();
    assert.equal(found, 3);
  });

  it('is not shown any more once it is closed', () => {
    const node = new Shown();
    const status = new ThrottledStatus(node, () => ({ text: 'late' }));
    status.close();
    status.refresh();
    assert.equal(node.all.length, 0);
  });
});
