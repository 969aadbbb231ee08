import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connectAsync } from 'mqtt';
import { type TestBroker, describeWithBrokers } from '../support/brokers';
import { buildEsp8266Image } from '../support/images';
import type { DeviceOptions } from './device';
import { next, running, Scene } from './scene';
import { md5 } from '../support/md5';

const STATUS = '$implementation/ota/status';
const OTHER = md5(Buffer.from('other'));
const image = (dialect: '3' | '3.7' | '4', options: Parameters<typeof buildEsp8266Image>[0] = {}) =>
  buildEsp8266Image({ name: 'my-light', version: '2.0.0', size: 60_000, seed: 5, ...options, dialect });

/** Returns the retained messages below a topic. @param last the one that came last */
async function retained(url: string, root: string, last: string): Promise<Map<string, string>> {
  const client = await connectAsync(url);
  const messages = new Map<string, string>();
  const complete = new Promise<void>((resolve) => {
    client.on('message', (topic, payload) => {
      messages.set(topic.slice(root.length + 1), payload.toString());
      if (messages.has(last)) resolve();
    });
  });
  await client.subscribeAsync(`${root}/#`);
  if (last === 'end') await client.publishAsync(`${root}/end`, 'end', { qos: 1 });
  await complete;
  await client.endAsync();
  return messages;
}

describeWithBrokers('a simulated device of the fork', (start) => {
  let broker: TestBroker;
  let scene: Scene;

  const open = async (options: Partial<DeviceOptions> = {}) =>
    (scene = await Scene.open(broker.url, { dialect: '4', statusGrace: 200, ...options }));
  const ask = async (level: string, payload: Buffer | string) => {
    await scene.publish(`$implementation/ota/firmware/${level}`, payload);
    return scene.sees(/ota\/status /);
  };
  /** Returns the statuses and states from now until one that matches. */
  const until = async (last: RegExp) => {
    const seen: string[] = [];
    while (!last.test(seen.at(-1) ?? '')) seen.push(await scene.sees(/^(\$state|\S+ota\/status) /));
    return seen.map((text) => text.replace(/^\S+ /, '')).filter((text) => !text.startsWith('206 '));
  };
  const isLost = async () => {
    await scene.sees('$state lost');
    assert.equal(scene.device.phase, 'off');
  };

  beforeEach(async () => {
    broker = await start();
  });
  afterEach(async () => {
    await scene.close();
    await broker.stop();
  });

  it('says its version, and how long its Wi-Fi has been there (ran)', async () => {
    await open();
    const messages = await retained(broker.url, 'homie/lamp', '$stats/mqttackmaxdepth');
    assert.equal(messages.get('$homie'), '3.0.1');
    assert.equal(messages.get('$implementation/version'), '4.0.0');
    assert.ok(messages.get('$stats')?.split(',').includes('uptimewifi'));
    assert.ok(messages.has('$stats/uptimewifi'));
  });

  it('reboots a second after its 200 (ran)', async () => {
    await open({ statusGrace: 1000 });
    await scene.update();
    await scene.sees(`${STATUS} 200`);
    const begun = performance.now();
    await scene.sees('$state lost');
    assert.ok(performance.now() - begun > 900);
    await scene.sees(`$fw/checksum ${md5(next)}`);
    await scene.sees('$state ready');
  });

  it('does not boot an image with another MD5 on core 3 (ran)', async () => {
    await open({ core: 3 });
    await scene.publish(`$implementation/ota/firmware/${OTHER}`, next);
    await scene.sees(`${STATUS} 400 BAD_CHECKSUM 7 END`);
    assert.equal(scene.device.hasToBoot, false);
  });

  it('loses its 202 when the image is there before the loop (ran)', async () => {
    await open();
    const small = buildEsp8266Image({ size: 5_600, seed: 3 });
    assert.equal(await ask(md5(small), small), `${STATUS} 200`);
    await scene.sees(`$fw/checksum ${md5(small)}`);
  });

  it('loses a status that the loop does not send in time (ran)', async () => {
    await open({ misbehavior: { delaysStatus: (status) => /^20[02]$/.test(status) } });
    await scene.update();
    assert.deepEqual(await until(/lost/), ['lost']);
    await scene.sees(`$fw/checksum ${md5(next)}`);
  });

  it('answers a second image in place of the first, and boots the first (ran)', async () => {
    const second = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 60_000, seed: 9 });
    await open({ flashDelay: 10 });
    await Promise.all([scene.update(), scene.update(second)]);
    assert.deepEqual(await until(/lost/), ['202', '503 REBOOT_PENDING', 'lost']);
    await scene.sees(`$fw/checksum ${md5(next)}`);
  });

  it('discards an image whose transfer breaks off, and says so before it starts again (ran)', async () => {
    await open({ uptime: 3600, misbehavior: { dropAt: 20_000 } });
    await scene.update();
    assert.deepEqual(await until(/ready/), ['202', 'lost', '500 DISCONNECTED', 'init', 'ready']);
    assert.match(await scene.sees(/^\$stats\/uptime/), / 36\d\d$/);
    await scene.publish('light/on/set', 'true');
    await scene.sees('light/on true');
    await scene.update();
    await scene.sees(`$fw/checksum ${md5(next)}`);
  });

  it('ends an update that gets no more bytes (read)', async () => {
    await open({ otaTimeout: 300, misbehavior: { stallAt: 20_000 } });
    await scene.update();
    assert.deepEqual(await until(/408/), ['202', '408 TIMEOUT']);
    assert.equal(scene.device.isUpdating, false);
  });

  it('tells whether an image is staged (ran)', async () => {
    await open({ misbehavior: { notIdle: true } });
    assert.equal(await ask('x', 'x'), `${STATUS} 400 BAD_CHECKSUM 7 VALIDATE`);
    assert.equal(await ask(md5(next), '0'), `${STATUS} 400 BAD_FIRMWARE 10 VALIDATE`);
    assert.equal(await ask(md5(running), Buffer.alloc(4096)), `${STATUS} 304`);
    await scene.update();
    await scene.sees(`${STATUS} 200`);
    assert.equal(await ask('x', 'x'), `${STATUS} 503 REBOOT_PENDING`);
    assert.equal(await ask(md5(next), '0'), `${STATUS} 200`);
    assert.equal(await ask(md5(running), Buffer.alloc(4096)), `${STATUS} 503 REBOOT_PENDING`);
    scene.device.setIdle(true);
    await scene.sees(`$fw/checksum ${md5(next)}`);
  });

  it('says too that a new configuration waits for the reboot (ran)', async () => {
    await open({ misbehavior: { notIdle: true } });
    const patched = once(scene.device, 'message');
    await scene.publish('$implementation/config/set', '{"name":"Lamp"}');
    await patched;
    assert.equal(await ask('x', 'x'), `${STATUS} 503 REBOOT_PENDING`);
  });

  it('never flashes a retained image, but flashes it once when it is connected (ran)', async () => {
    await open();
    const client = await connectAsync(broker.url);
    const topic = `homie/lamp/$implementation/ota/firmware/${md5(next)}`;
    await client.publishAsync(topic, next, { qos: 1, retain: true });
    await scene.sees(`${STATUS} 200`);
    await scene.sees(`$fw/checksum ${md5(next)}`);
    assert.equal(await scene.sees(/ota\/status /), `${STATUS} 400 RETAINED_FIRMWARE`);
    assert.equal(scene.device.hasToBoot, false);
    await client.endAsync();
  });

  for (const [base, answer] of [
    ['b'.repeat(34), '304'],
    ['b'.repeat(35), '400 BAD_CHECKSUM 7 VALIDATE'],
  ] as const) {
    it(`reads 128 bytes of a topic: ${base.length + 94} (ran)`, async () => {
      await open({ baseTopic: `${base}/`, id: 'l'.repeat(31) });
      const topic = `${base}/${scene.device.id}/$implementation/ota/firmware/${md5(running)}`;
      assert.equal(topic.length, base.length + 94);
      assert.equal(await ask(md5(running), '0'), `${STATUS} ${answer}`);
    });
  }

  it('drops a patch of more than 4,096 bytes, and leaves its topic alone (ran)', async () => {
    await open();
    const patch = (length: number) => '{"name":"Lamp"}'.padEnd(length, ' ');
    const received = once(scene.device, 'message');
    await scene.publish('$implementation/config/set', patch(4097));
    await received;
    assert.deepEqual(scene.device.patches, []);
    await scene.publish('$implementation/config/set', patch(4096));
    await scene.sees('$state lost');
    await scene.sees('$state ready');
    assert.equal(scene.device.patches.length, 1);
  });

  for (const patch of [{ mqtt: { base_topic: 'home/iot/' } }, { device_id: 'My_Light' }]) {
    it(`boots without end and is lost after ${JSON.stringify(patch)} (read)`, async () => {
      await open();
      await scene.publish('$implementation/config/set', JSON.stringify(patch));
      await isLost();
      await assert.rejects(scene.device.restart());
    });
  }

  for (const [what, options] of [
    ['has a base topic of two levels', { baseTopic: 'home/iot/' }],
    ['has an id with an underscore', { id: 'My_Light' }],
  ] as const) {
    for (const dialect of ['3.7', '4'] as const) {
      it(`is lost after an update to ${dialect} when it ${what} (read)`, async () => {
        await open({ dialect: '3', ...options });
        await scene.update(image(dialect));
        await scene.sees(`${STATUS} 200`);
        await isLost();
      });
    }
  }

  it('is lost after an update to the fork when the firmware has a name with capitals (read)', async () => {
    await open({ dialect: '3' });
    await scene.update(image('4', { name: 'My_Light' }));
    await isLost();
  });

  it('becomes one by an update, and is no more one after an update to the original', async () => {
    await open({ dialect: '3' });
    await scene.update(image('4'));
    await scene.sees('$implementation/version 4.0.0');
    await scene.sees('$state ready');
    assert.equal(await ask('x', 'x'), `${STATUS} 400 BAD_CHECKSUM 7 VALIDATE`);
    await scene.update(image('3'));
    await scene.sees('$implementation/version 3.0.0');
    await scene.sees('$state ready');
    assert.equal(await ask('x', 'x'), `${STATUS} 400 BAD_CHECKSUM`);
    await scene.update(image('3.7'));
    await scene.sees('$implementation/version 3.7.1');
    await scene.sees('$state ready');
  });

  it('forgets an image whose transfer breaks off in version 3.7, and is not half dead (read)', async () => {
    await open({ dialect: '3.7', misbehavior: { dropAt: 20_000 } });
    await scene.update();
    assert.deepEqual(await until(/ready/), ['202', 'lost', 'init', 'ready']);
    await scene.publish('light/on/set', 'true');
    await scene.sees('light/on true');
    assert.equal(scene.device.isUpdating, false);
  });

  it('boots the second image in version 3.7 (read)', async () => {
    const second = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 60_000, seed: 9 });
    await open({ dialect: '3.7', flashDelay: 10, statusGrace: 4000 });
    await Promise.all([scene.update(), scene.update(second)]);
    await scene.sees(`$fw/checksum ${md5(second)}`);
  });

  it('is lost after an update to 4.0.0 when its configuration has TLS (read)', async () => {
    await open({ dialect: '3', config: { mqtt: { host: '127.0.0.1', port: 1883, ssl: true } } });
    await scene.update(image('4'));
    await isLost();
  });
});

describeWithBrokers('a simulated device of convention 5', (start) => {
  let broker: TestBroker;
  let scene: Scene;

  beforeEach(async () => {
    broker = await start();
    scene = await Scene.open(broker.url, { convention: 5, statusGrace: 50 });
  });
  afterEach(async () => {
    await scene.close();
    await broker.stop();
  });

  it('describes itself in one message, and keeps the topics of its firmware (ran)', async () => {
    const messages = await retained(broker.url, 'homie/5/lamp', '$stats/mqttackmaxdepth');
    const description = JSON.parse(messages.get('$description') ?? '');
    assert.equal(description.homie, '5.0');
    assert.deepEqual(description.extensions, ['io.github.labodj.esp-runtime']);
    assert.deepEqual(Object.keys(description.nodes), ['light']);
    for (const absent of ['$homie', '$name', '$nodes', 'light/$name'])
      assert.equal(messages.has(absent), false, absent);
    assert.equal(messages.get('$state'), 'ready');
    assert.equal(messages.get('$fw/checksum'), md5(running));
    assert.equal(messages.get('$implementation/version'), '4.0.0');
    assert.ok(messages.has('$stats/uptimewifi'));
    assert.equal(JSON.parse(messages.get('$implementation/config') ?? '').mqtt.effective_base_topic, 'homie/5/');
    assert.deepEqual([...(await retained(broker.url, 'homie/lamp', 'end')).keys()], ['end']);
  });

  it('is updated below its own root (ran)', async () => {
    await scene.update();
    await scene.sees(`${STATUS} 200`);
    await scene.sees(`$fw/checksum ${md5(next)}`);
    await scene.sees('$state ready');
    await scene.publish('light/on/set', 'true');
    await scene.sees('light/on true');
  });

  it('moves with its base topic (ran)', async () => {
    const back = once(scene.device, 'ready');
    await scene.publish('$implementation/config/set', '{"mqtt":{"base_topic":"other/"}}');
    await back;
    assert.equal(scene.device.baseTopic, 'other/5/');
    assert.equal((await retained(broker.url, 'other/5/lamp', '$stats/uptime')).get('$state'), 'ready');
  });

  it('is what an image says that was built for it', async () => {
    await scene.update(image('4'));
    await once(scene.device, 'ready');
    assert.equal(scene.device.baseTopic, 'homie/');
    const client = await connectAsync(broker.url);
    const built = image('4', { convention: 5, version: '3.0.0' });
    await client.publishAsync(`homie/lamp/$implementation/ota/firmware/${md5(built)}`, built);
    await once(scene.device, 'ready');
    assert.equal(scene.device.baseTopic, 'homie/5/');
    await client.endAsync();
  });
});
