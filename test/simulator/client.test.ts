import assert from 'node:assert/strict';
import { startAedes } from '../support/aedes';
import { type TestBroker, describeWithBrokers } from '../support/brokers';
import { buildEsp8266Image } from '../support/images';
import type { DeviceOptions } from './device';
import { next, running, Scene } from './scene';
import { md5 } from '../support/md5';

const STATUS = '$implementation/ota/status';

describeWithBrokers('the MQTT client of a simulated device', (start) => {
  let broker: TestBroker;
  let scene: Scene;

  const open = async (options: Partial<DeviceOptions>) => (scene = await Scene.open(broker.url, options));

  beforeEach(async () => {
    broker = await start();
  });
  afterEach(async () => {
    await scene.close();
    await broker.stop();
  });

  it('disconnects itself when an image holds up the answer to its ping for twice the keepalive', async () => {
    // 30 sectors take 3.6 s. The 206 after 1.6 s prevents the broker from giving up the device earlier.
    await open({ keepalive: 1, flashDelay: 120, segment: 536, uptime: 3600 });
    await scene.update(buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 120_000 }));
    await scene.sees(`${STATUS} 202`);
    await scene.sees(/ota\/status 206 /);
    assert.equal(await scene.sees(/^(\$state|\S+ota\/status) /), '$state init');
    await scene.sees(`$fw/checksum ${md5(running)}`);
    await scene.sees('$state ready');
    assert.equal(scene.device.isUpdating, true);
  });

  it('keeps its connection as long as the broker answers', async () => {
    await open({ keepalive: 1, statsInterval: 4, uptime: 3600 });
    await scene.sees(/^\$stats\/uptime/);
    assert.deepEqual(
      scene.seen.filter((text) => text.startsWith('$state')),
      [],
    );
  });

  it('says nothing of an image that comes right after its ready when it is 0.9.0, and boots it', async () => {
    await open({ mqttClient: '0.9.0', settling: 10_000 });
    await scene.update();
    assert.match(await scene.sees(/^(\$state|\S+ota\/status) /), /^\$state lost/);
    await scene.sees(`$fw/checksum ${md5(next)}`);
    await scene.sees('$state ready');
  });

  it('says so afterwards when it is 0.9.0 and has refused the image', async () => {
    await open({ mqttClient: '0.9.0', settling: 10_000, misbehavior: { failWriteAt: 20_000 } });
    await scene.update();
    await scene.sees(`${STATUS} 202`);
    await scene.sees(`${STATUS} 500 FLASH_ERROR`);
  });

  it('tells of an image as usual when it is 0.9.0 and has settled', async () => {
    await open({ mqttClient: '0.9.0', settling: 0 });
    await scene.update();
    await scene.sees(`${STATUS} 202`);
    await scene.sees(`${STATUS} 200`);
  });
});

describe('the MQTT client of a simulated device', () => {
  it('receives on in silence when it is 0.9.0, although the broker takes it for lost', async () => {
    const broker = await startAedes();
    // 15 sectors take 4.5 s.
    const scene = await Scene.open(broker.url, {
      mqttClient: '0.9.0',
      settling: 10_000,
      keepalive: 1,
      flashDelay: 300,
    });
    try {
      await scene.update();
      assert.match(await scene.sees(/^(\$state|\S+ota\/status) /), /^\$state lost/);
      assert.equal(scene.device.isUpdating, true);
      await scene.sees('$state init');
      await scene.sees(`$fw/checksum ${md5(next)}`);
    } finally {
      await scene.close();
      await broker.close();
    }
  });
});
