import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestBroker, describeWithBrokers } from '../support/brokers';
import { buildEsp8266Image } from '../support/images';
import type { DeviceOptions } from './device';
import { macOf } from './options';
import { next, running, Scene } from './scene';
import { md5 } from '../support/md5';

describeWithBrokers('a simulated device', (start) => {
  let broker: TestBroker;
  let scene: Scene;

  const open = async (options?: Partial<DeviceOptions>) => (scene = await Scene.open(broker.url, options));

  beforeEach(async () => {
    broker = await start();
  });
  afterEach(async () => {
    await scene.close();
    await broker.stop();
  });

  it('runs the new image after an update', async () => {
    await open({ uptime: 3600 });
    await scene.update();
    await scene.sees('$implementation/ota/status 200');
    await scene.sees('$state lost');
    await scene.sees('$fw/version 1.1.0');
    await scene.sees(`$fw/checksum ${md5(next)}`);
    await scene.sees('$state ready');
    await scene.sees('$stats/uptime 0');
    assert.equal(scene.device.checksum, md5(next));
    assert.deepEqual(scene.device.image, next);
    assert.deepEqual(
      scene.device.received.map(({ bytes, total }) => [bytes, total]),
      [[next.length, next.length]],
    );
  });

  for (const homie of [2, 3] as const) {
    it(`has a MAC address of its own in Homie ${homie}, the same at every boot`, async () => {
      await open({ homie });
      await scene.device.restart();
      const mac = await scene.sees(/^\$mac /);
      assert.match(mac, /^\$mac 5C:CF:7F(:[0-9A-F]{2}){3}$/);
      assert.notEqual(mac, `$mac ${macOf({ id: 'hall' })}`);
      await scene.device.restart();
      await scene.sees(mac);
    });
  }

  it('has the MAC address that it is given, as its id too when its configuration has none', async () => {
    await open({ mac: 'A0:00:00:00:00:0B' });
    await scene.device.restart();
    await scene.sees('$mac A0:00:00:00:00:0B');
    const back = once(scene.device, 'ready');
    await scene.publish('$implementation/config/set', '{"device_id":null}');
    await back;
    assert.equal(scene.device.id, 'a0000000000b');
  });

  it('counts on after a mere reconnect', async () => {
    await open({ uptime: 3600 });
    scene.device.dropConnection();
    await scene.sees('$state lost');
    await scene.sees('$state ready');
    assert.match(await scene.sees(/^\$stats\/uptime/), / 36\d\d$/);
  });

  it('is half dead after a drop in the middle, until a message for no MD5 frees it', async () => {
    await open({ misbehavior: { dropAt: 20_000 } });
    await scene.update();
    await scene.sees('$implementation/ota/status 202');
    await scene.sees('$state lost');
    await scene.sees('$state ready');
    await scene.publish('light/on/set', 'true');
    await scene.publish('$implementation/ota/firmware/x', 'x');
    assert.equal(
      await scene.sees(/^(light\/on|\$stats\/uptime|\$implementation\/ota\/status) /),
      '$implementation/ota/status 400 BAD_CHECKSUM',
    );
    await scene.sees(/^\$stats\/uptime/);
    await scene.publish('light/on/set', 'true');
    await scene.sees('light/on true');
    assert.equal(scene.device.checksum, md5(running));
  });

  it('takes an update that was cut off before', async () => {
    await open({ misbehavior: { dropAt: 20_000 } });
    await scene.update();
    await scene.sees('$state lost');
    await scene.sees('$state ready');
    await scene.update();
    await scene.sees('$implementation/ota/status 200');
    await scene.sees(`$fw/checksum ${md5(next)}`);
  });

  it('boots the old image after a crash in the middle', async () => {
    await open({ uptime: 3600, misbehavior: { crashAt: 20_000 } });
    await scene.update();
    await scene.sees('$state lost');
    await scene.sees('$state init');
    await scene.sees(`$fw/checksum ${md5(running)}`);
    await scene.sees('$stats/uptime 0');
  });

  it('is not missed before the keepalive when it hangs, and works again when it is restarted', async () => {
    await open({ keepalive: 1, misbehavior: { hangAt: 20_000 } });
    await scene.update();
    await scene.sees('$implementation/ota/status 202');
    await scene.sees('$state lost');
    assert.equal(scene.device.phase, 'off');
    await scene.device.restart();
    await scene.sees('$state ready');
    await scene.update();
    await scene.sees('$implementation/ota/status 200');
  });

  it('loses the statuses that it is told to lose', async () => {
    await open({ misbehavior: { loseStatuses: (status) => status === '202' } });
    await scene.update();
    await scene.sees(/^\$implementation\/ota\/status/).then((text) => assert.match(text, / 200$/));
  });

  it('waits for the sketch to be idle before it reboots', async () => {
    const misbehavior = { notIdle: true };
    await open({ misbehavior });
    await scene.update();
    await scene.sees('$implementation/ota/status 200');
    await scene.publish('light/on/set', 'true');
    await scene.sees('light/on true');
    scene.device.setIdle(true);
    await scene.sees('$state lost');
    await scene.sees(`$fw/checksum ${md5(next)}`);
    assert.deepEqual(misbehavior, { notIdle: true });
  });

  it('loses its 200 together with the connection while its sketch is busy, and is not half dead', async () => {
    await open({ uptime: 3600, misbehavior: { notIdle: true, dropBefore: '200' } });
    await scene.update();
    await scene.sees('$state lost');
    await scene.sees('$state ready');
    assert.match(await scene.sees(/^(\S+ota\/status|\$stats\/uptime) /), / 36\d\d$/);
    assert.equal(scene.device.checksum, md5(running));
    assert.equal(scene.device.hasToBoot, true);
    scene.device.setIdle(true);
    await scene.sees(`$fw/checksum ${md5(next)}`);
  });

  it('boots an image although its connection was lost with the 200', async () => {
    await open({ misbehavior: { dropBefore: '200' } });
    await scene.update();
    await scene.sees('$state lost');
    assert.match(await scene.sees(/^(\S+ota\/status|\$fw\/checksum) /), new RegExp(md5(next)));
  });

  it('tells its statistics late', async () => {
    await open({ statsInterval: 60, misbehavior: { statisticsDelay: 500 } });
    const delays: number[] = [];
    let readyAt = 0;
    scene.device.on('ready', () => (readyAt = performance.now()));
    scene.device.on('publish', (topic) => topic === '$stats/uptime' && delays.push(performance.now() - readyAt));
    scene.device.dropConnection();
    await scene.sees('$state ready');
    await scene.sees(/^\$stats\/uptime/);
    assert.equal(delays.length, 1);
    // The delay starts when `ready` is published, which is acknowledged a little later.
    assert.ok((delays[0] ?? 0) > 300, String(delays));
  });

  it('loses the first statistics of each connection', async () => {
    await open({ uptime: 3600, statsInterval: 1, misbehavior: { loseFirstStatistics: true } });
    const uptimes: string[] = [];
    scene.device.on('publish', (topic) => topic === '$stats/uptime' && uptimes.push(topic));
    const ready = once(scene.device, 'ready');
    scene.device.dropConnection();
    await ready;
    assert.deepEqual(uptimes, []);
    await scene.sees('$state ready');
    await scene.sees(/^\$stats\/uptime/);
  });

  it('comes back with another image', async () => {
    const other = buildEsp8266Image({ name: 'other', seed: 3 });
    await open({ misbehavior: { comesBackWith: other } });
    await scene.update();
    await scene.sees('$fw/name other');
    await scene.sees(`$fw/checksum ${md5(other)}`);
  });

  it('never comes back when it is told so', async () => {
    await open({ misbehavior: { neverBack: true } });
    await scene.update();
    await scene.sees('$state lost');
    assert.equal(scene.device.phase, 'off');
  });

  it('forgets its configuration at a reset, and never comes back', async () => {
    await open();
    await scene.publish('$implementation/reset', 'false');
    await scene.publish('$implementation/reset', 'true');
    await scene.sees('$implementation/reset false');
    await scene.sees('$state lost');
    assert.equal(scene.device.phase, 'off');
  });

  it('reboots silently when its reboot is silent, which the broker sees when it reconnects', async () => {
    await open({ misbehavior: { reboot: 'silent' } });
    await scene.update();
    await scene.sees('$implementation/ota/status 200');
    await scene.sees('$state lost');
    assert.equal(await scene.sees(/^\$state/), '$state init');
    await scene.sees(`$fw/checksum ${md5(next)}`);
  });

  it('has $online instead of $state in Homie 2', async () => {
    await open({ homie: 2 });
    await scene.update();
    await scene.sees(/^\$implementation\/ota\/status 206 /);
    await scene.sees('$implementation/ota/status 200');
    await scene.sees('$online false');
    await scene.sees(`$fw/checksum ${md5(next)}`);
    await scene.sees('$online true');
    await scene.sees('$stats/uptime 0');
  });

  it('reports the MD5 of an image without what follows its last segment', async () => {
    await open();
    await scene.update(Buffer.concat([next, Buffer.alloc(100, 0xff)]));
    await scene.sees('$implementation/ota/status 200');
    await scene.sees(`$fw/checksum ${md5(next)}`);
  });

  it('receives no more than had come when the connection ends while it flashes', async () => {
    await open({ flashDelay: 20 });
    const booted = scene.device.checksum;
    scene.device.once('status', () => scene.device.dropConnection());
    await scene.update();
    await scene.sees('$state lost');
    await scene.sees('$state ready');
    assert.ok((scene.device.received[0]?.bytes ?? 0) < next.length);
    assert.equal(scene.device.checksum, booted);
  });
});
