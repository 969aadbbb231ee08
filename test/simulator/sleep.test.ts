import assert from 'node:assert/strict';
import { type TestBroker, describeWithBrokers } from '../support/brokers';
import type { DeviceOptions } from './device';
import { next, Scene } from './scene';
import { md5 } from '../support/md5';
import { untilTrue } from '../support/until-true';

/** The device falls asleep and wakes only when the test makes it. */
const told = { awake: Infinity, asleep: Infinity };

describeWithBrokers('a simulated device that sleeps', (start) => {
  let broker: TestBroker;
  let scene: Scene;

  const open = async (options: Partial<DeviceOptions>) => (scene = await Scene.open(broker.url, options));
  const asleep = async () => {
    await untilTrue(scene.device, 'phase', () => scene.device.phase === 'asleep');
  };

  beforeEach(async () => {
    broker = await start();
  });
  afterEach(async () => {
    await scene.close();
    await broker.stop();
  });

  it('says so, leaves the broker without its will, and boots, again and again', async () => {
    await open({ sleep: { awake: 20, asleep: 30 }, uptime: 3600 });
    for (let night = 0; night < 2; night += 1) {
      assert.match(await scene.sees(/^\$state/), / sleeping$/);
      assert.match(await scene.sees(/^\$state/), / init$/);
      await scene.sees('$state ready');
      await scene.sees(/^\$stats\/uptime \d$/);
    }
  });

  it('sleeps and wakes when it is told', async () => {
    await open({ sleep: told, uptime: 3600 });
    scene.device.prepareToSleep();
    await asleep();
    assert.match(await scene.sees(/^\$state/), / sleeping$/);
    await scene.device.wake();
    assert.match(await scene.sees(/^\$state/), / init$/);
    await scene.sees('$state ready');
    await scene.sees(/^\$stats\/uptime \d$/);
    await assert.rejects(scene.device.wake(), /not asleep/);
  });

  it('finishes an update and boots it although its time is up', async () => {
    await open({ sleep: told });
    scene.device.once('status', () => scene.device.prepareToSleep());
    await scene.update();
    await scene.sees('$implementation/ota/status 200');
    assert.match(await scene.sees(/^\$state/), / lost$/);
    await scene.sees(`$fw/checksum ${md5(next)}`);
    await scene.sees('$state ready');
    scene.device.prepareToSleep();
    await scene.sees('$state sleeping');
  });

  it('sleeps as soon as an update has failed when its time is up', async () => {
    await open({ sleep: told, misbehavior: { failWriteAt: 20_000 } });
    scene.device.once('status', () => scene.device.prepareToSleep());
    await scene.update();
    await scene.sees('$implementation/ota/status 500 FLASH_ERROR');
    await scene.sees('$state sleeping');
    await asleep();
  });

  it('sleeps at once when its time is up and the connection is gone', async () => {
    await open({ sleep: told, misbehavior: { dropAt: 20_000 } });
    scene.device.once('status', () => scene.device.prepareToSleep());
    await scene.update();
    await asleep();
    assert.match(await scene.sees(/^\$state/), / lost$/);
    await scene.device.wake();
    await scene.sees(/^\$stats\/uptime \d$/);
  });

  it('has $online false instead of $state sleeping in Homie 2', async () => {
    await open({ sleep: told, homie: 2 });
    scene.device.prepareToSleep();
    await scene.sees('$online false');
    await asleep();
  });
});
