import assert from 'node:assert/strict';
import { stopFlow, TestFlow } from './flow';
import { caughtCode, connected, next, payload, Scene, state } from './scene';
import { untilTrue } from '../support/until-true';

describe('homie-ota, when it is deployed again', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  it('cancels what waits, and is done with the message', async () => {
    const flow = await scene.flow({ device: 'never-seen' });
    flow.send({ payload: next });
    await flow.progress.first(state('waiting'));
    await flow.deploy(scene.broker, { device: 'another' }, [], 'nodes');
    const result = await flow.result.first();
    assert.equal(payload(result, 'state'), 'canceled');
    assert.deepEqual(flow.dones, [{ code: undefined }]);
  });

  it('leaves alone what is under way, says so, and keeps the device locked until it has restarted', async () => {
    const device = await scene.device('left-alone', { flashDelay: 100, misbehavior: { notIdle: true } });
    const flow = await scene.flow({ device: device.id });
    flow.send({ payload: next });
    await flow.progress.first((msg) => payload(msg, 'phase') === 'accepted');
    const after = await flow.deploy(scene.broker, { device: device.id, expires: '0' }, [], 'nodes');

    assert.deepEqual(flow.dones, [{ code: 'ABANDONED' }]);
    assert.equal(payload(await flow.result.first(), 'error.code'), 'ABANDONED');
    assert.match(
      after.log(),
      /left-alone: failed: The node was stopped or redeployed and no longer observed the device/,
    );

    after.send({ payload: next });
    assert.equal(caughtCode(await after.caught.first()), 'REBOOT_PENDING');
    assert.equal(device.received.length, 1);

    device.setIdle(true);
    const { locks, registry } = after.broker;
    await untilTrue(registry, 'event', () => !locks.isRebootPending(device.id));
    after.send({ payload: next });
    const second = await after.result.nth(2);
    assert.equal(payload(second, 'reason'), 'up_to_date');
  });

  it('stops at once with jobs in every state, and leaves nothing behind', async () => {
    const device = await scene.device('under-way', { flashDelay: 100, misbehavior: { notIdle: true } });
    const flow = await scene.flow();
    flow.send({ payload: next, device: device.id });
    flow.send({ payload: next, device: 'waits' });
    flow.send({ payload: next, device: ['a', 'b', 'c'] });
    flow.send({ payload: next, options: { matchFirmware: true } });
    await flow.progress.first((msg) => payload(msg, 'phase') === 'accepted');
    await flow.progress.first((msg) => payload(msg, 'device') === 'c');
    const begun = performance.now();
    await stopFlow();
    assert.ok(performance.now() - begun < 2000);
    assert.equal(flow.dones.length, 4);
    assert.equal(scene.clients(), 1);
  });

  it('stops at once without a connection', async () => {
    const flow = await TestFlow.start({ host: '127.0.0.1', port: '1' });
    flow.send({ payload: next, device: 'waits' });
    flow.send({ payload: next, options: { matchFirmware: true } });
    flow.send({ payload: next, action: 'check' });
    await flow.progress.first(state('waiting'));
    const begun = performance.now();
    await stopFlow();
    assert.ok(performance.now() - begun < 2000);
    assert.equal(flow.dones.length, 3);
  });

  it('reconnects with another broker', async () => {
    const other = await Scene.open();
    try {
      const flow = await scene.flow();
      const after = await flow.deploy(other.broker);
      await after.showed(connected);
      assert.equal(scene.clients(), 0);
      assert.equal(other.clients(), 1);
    } finally {
      await other.close();
    }
  });
});
