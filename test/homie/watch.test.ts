import assert from 'node:assert/strict';
import type { DeviceEvent } from '../../src/homie/device';
import { DeviceWatch } from '../../src/homie/watch';

function uptime(value: number): DeviceEvent {
  return { attribute: 'uptime', value, live: true, at: performance.now() };
}

describe('A watch', () => {
  it('gives events in the order in which they came, whether they waited or not', async () => {
    const watch = new DeviceWatch(() => undefined);
    watch.push(uptime(1));
    watch.push(uptime(2));
    const seen = [await watch.next(Infinity), await watch.next(Infinity)];
    const third = watch.next(Infinity);
    watch.push(uptime(3));
    seen.push(await third);
    assert.deepEqual(
      seen.map((event) => event?.attribute === 'uptime' && event.value),
      [1, 2, 3],
    );
  });

  it('gives undefined when the time has passed', async () => {
    const watch = new DeviceWatch(() => undefined);
    const until = performance.now() + 20;
    assert.equal(await watch.next(until), undefined);
    assert.ok(performance.now() >= until);
  });

  it('gives what has come already, even when the time has passed', async () => {
    const watch = new DeviceWatch(() => undefined);
    watch.push(uptime(1));
    assert.notEqual(await watch.next(performance.now() - 1000), undefined);
    assert.equal(await watch.next(performance.now() - 1000), undefined);
  });

  it('waits for longer than a timer can', async () => {
    const watch = new DeviceWatch(() => undefined);
    const next = watch.next(performance.now() + 60 * 24 * 3_600_000);
    // A timer that overflows would have ended by then.
    await new Promise((resolve) => setTimeout(resolve, 20));
    watch.push(uptime(1));
    assert.notEqual(await next, undefined);
  });

  it('rejects with the reason of the signal', async () => {
    const watch = new DeviceWatch(() => undefined);
    const controller = new AbortController();
    const next = watch.next(Infinity, controller.signal);
    controller.abort(new Error('no more'));
    await assert.rejects(next, /no more/);
    await assert.rejects(watch.next(Infinity, controller.signal), /no more/);
  });

  it('keeps the last 1000 events when nobody reads', async () => {
    const watch = new DeviceWatch(() => undefined);
    for (let i = 1; i <= 1500; i++) watch.push(uptime(i));
    const seen: unknown[] = [];
    for (let event = await watch.next(0); event !== undefined; event = await watch.next(0)) {
      seen.push(event.attribute === 'uptime' && event.value);
    }
    assert.equal(seen.length, 1000);
    assert.equal(seen[0], 501);
    assert.equal(seen.at(-1), 1500);
  });
});
