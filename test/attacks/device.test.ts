/** A device that its owner, or a firmware of somebody else, turns against the others. It may write only its own topics. */
import assert from 'node:assert/strict';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { md5 } from '../../src/firmware/checksum';
import { HomieBroker } from '../../src/homie/broker';
import { untilReady } from '../../src/homie/presence';
import { bringFirmware } from '../../src/ota/exchange';
import type { Outcome, Summary } from '../../src/update/update';
import { Firmware } from '../../src/firmware/firmware';
import type { Job } from '../../src/rollout/job';
import { otaWork, type OtaWish } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import { SimulatedDevice } from '../simulator/device';
import type { TestBroker } from '../support/brokers';
import { buildEsp8266Image } from '../support/images';
import { endOf } from '../support/jobs';
import { resetLocks } from '../support/locks';
import { describeWithOwnTrees, NODE_RED } from '../support/own-trees';
import { codeOf, Lab, next, patient, raw, running, sequential, serving } from '../ota/lab';
import { untilTrue } from '../support/until-true';

const STATUS = '$implementation/ota/status';
const user = (username: string): IClientOptions => ({ username, protocolVersion: 4, reconnectPeriod: 0 });

/** What a device of the fleet publishes. */
const facts = (checksum: string): Record<string, string> => ({
  $homie: '2.0.1',
  '$fw/name': 'my-light',
  '$fw/version': '1.0.0',
  '$fw/checksum': checksum,
  $implementation: 'esp8266',
  '$implementation/ota/enabled': 'true',
  $online: 'true',
  $state: 'ready',
});

/** What a device answers when it is sent an image. It may send as much as it likes, under its own topics. */
type Play = (say: (attribute: string, text: string) => void, forever: (work: () => void) => void) => void;

describeWithOwnTrees('a device that only pretends to take an image', (start) => {
  let server: TestBroker;
  let broker: HomieBroker;
  let device: MqttClient;
  let count = 0;
  const timers: NodeJS.Timeout[] = [];
  before(async () => {
    server = await start();
    broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/', username: NODE_RED });
    broker.start();
    await broker.settled();
  });
  afterEach(async () => {
    for (const timer of timers.splice(0)) clearInterval(timer);
    await device.endAsync(true);
  });
  after(async () => {
    await broker.close();
    await server.stop();
    // What the devices still have to boot would count for those of the next suite, which have the same ids.
    resetLocks();
  });

  const update = async (play: Play, image = next): Promise<Outcome> => {
    const id = `pretender-${(count += 1)}`;
    device = await mqtt.connectAsync(server.url, user(id));
    const say = (attribute: string, text: string): void => {
      device.publish(`homie/${id}/${attribute}`, text, { retain: true, qos: 1 });
    };
    const images = `homie/${id}/$implementation/ota/firmware/`;
    device.on('message', (topic, { length }) => {
      if (topic.startsWith(images) && length === image.length)
        play(say, (work) => void timers.push(setInterval(work, 100)));
    });
    await device.subscribeAsync(`${images}+`, { qos: 1 });
    for (const [attribute, text] of Object.entries(facts('c'.repeat(32)))) say(attribute, text);
    const watch = broker.watch(id);
    const abandon = new AbortController();
    try {
      await untilReady(broker, watch, id, performance.now() + 30_000, abandon.signal);
      broker.locks.acquire(id, 'test');
      const outcome = await bringFirmware({
        ...serving(broker, id),
        firmware: await raw(image),
        settings: {
          ...patient,
          accepted: 1000,
          stall: 1000,
          reboot: 2000,
          ready: 2000,
          attempts: 1,
          recoverReboot: false,
        },
        cancel: abandon.signal,
        abandon: abandon.signal,
      });
      assert.ok(outcome !== undefined);
      return outcome;
    } finally {
      watch.close();
      broker.locks.release(id, 'test');
    }
  };

  it('is not waited for when it repeats that it accepts', async () => {
    const outcome = await update((say, forever) => forever(() => say(STATUS, '202')));
    assert.equal(codeOf(outcome), 'STALLED');
  });

  it('is not waited for when it repeats the same progress', async () => {
    const outcome = await update((say, forever) => {
      say(STATUS, '202');
      forever(() => say(STATUS, `206 1/${next.length}`));
    });
    assert.equal(codeOf(outcome), 'STALLED');
  });

  it('is not waited for when its progress goes to and fro', async () => {
    let turn = 0;
    const outcome = await update((say, forever) => {
      forever(() => say(STATUS, `206 ${100 + (turn++ % 2)}/${next.length}`));
    });
    assert.equal(codeOf(outcome), 'STALLED');
  });

  it('is not waited for longer than 1 s for each 1,000 bytes', async () => {
    const small = buildEsp8266Image({ name: 'my-light', size: 8_000 });
    let written = 0;
    const outcome = await update((say, forever) => {
      forever(() => say(STATUS, `206 ${(written += 1)}/${small.length}`));
    }, small);
    assert.equal(codeOf(outcome), 'STALLED');
    assert.ok(written < 1_000);
  });

  it('is not waited for when it connects again and again after the image was flashed', async () => {
    let uptime = 5000;
    const outcome = await update((say, forever) => {
      say(STATUS, '200');
      forever(() => {
        say('$state', 'init');
        say('$fw/checksum', 'c'.repeat(32));
        say('$state', 'ready');
        say('$stats/uptime', String((uptime += 1)));
      });
    });
    assert.notEqual(outcome.state, 'succeeded');
  });

  it('is not waited for when it connects again and again without an uptime', async () => {
    const outcome = await update((say, forever) => {
      say('$stats/uptime', '5000');
      say(STATUS, '200');
      forever(() => {
        say('$state', 'init');
        say('$fw/checksum', 'c'.repeat(32));
        say('$state', 'ready');
      });
    });
    assert.notEqual(outcome.state, 'succeeded');
  });
});

describeWithOwnTrees('a device beside another one', (start) => {
  let server: TestBroker;
  let thief: MqttClient;
  let rollout: { readonly broker: HomieBroker; readonly queue: Queue } | undefined;
  const timers: NodeJS.Timeout[] = [];

  beforeEach(async () => {
    server = await start();
    thief = await mqtt.connectAsync(server.url, user('thief'));
  });
  afterEach(async () => {
    for (const timer of timers.splice(0)) clearInterval(timer);
    await rollout?.queue.leave('node', true);
    await rollout?.broker.close();
    rollout = undefined;
    await thief.endAsync(true);
    await server.stop();
    resetLocks();
  });

  const say = (attribute: string, text: string | Buffer): void => {
    thief.publish(`homie/thief/${attribute}`, text, { retain: true, qos: 1 });
  };
  const pretend = (more: Record<string, string> = {}): void => {
    for (const [attribute, text] of Object.entries({ ...facts('c'.repeat(32)), ...more })) say(attribute, text);
  };
  const repeat = (work: () => void): void => void timers.push(setInterval(work, 20));
  const lab = (options: Partial<ConstructorParameters<typeof SimulatedDevice>[0]> = {}): Promise<Lab> =>
    Lab.open(server.url, { id: 'lamp', username: 'lamp', statsInterval: 1, ...options }, { username: NODE_RED });
  /** Rolls out an image to all devices of the firmware: to the other one, and to `z-lamp`. */
  const rollOut = async (misbehavior = {}): Promise<{ job: Job; ended: Promise<Summary>; lamp: SimulatedDevice }> => {
    const opened = await lab({ id: 'z-lamp', username: 'z-lamp', misbehavior });
    const { broker, device: lamp } = opened;
    rollout = { broker, queue: Queue.of(broker) };
    await untilTrue(broker.registry, 'event', () => broker.registry.get('thief')?.state?.value === 'ready');
    const wish: OtaWish = {
      choice: { runningThisFirmware: true },
      settings: { ...patient, accepted: 1000, stall: 1000, attempts: 1, recoverReboot: false },
      rollout: { ...sequential, canary: 1, soak: 0, maxFailures: 1, order: 'id' },
    };
    const work = otaWork(await Firmware.from(next), wish, { broker });
    const { job, run } = await rollout.queue.ask({ node: 'node', store: undefined }, work, {});
    return { job, ended: run(), lamp };
  };
  /** Answers to an image, once it has come. */
  const answer = async (play: () => void): Promise<void> => {
    await thief.subscribeAsync('homie/thief/$implementation/ota/firmware/+', { qos: 1 });
    thief.on('message', (_topic, { length }) => {
      if (length === next.length) play();
    });
  };
  const images = (): Promise<number> =>
    new Promise((resolve) => {
      thief.once('message', (_topic, { length }) => resolve(length));
    });

  it('can say and hear nothing in its name, nor leave a will there', async () => {
    const opened = await lab();
    const { broker, device } = opened;
    try {
      const watcher = await mqtt.connectAsync(server.url, user(NODE_RED));
      const heard: string[] = [];
      await watcher.subscribeAsync(['homie/+/$state', 'homie/+/$implementation/#'], { qos: 1 });
      watcher.on(
        'message',
        (topic, text, { retain }) => void (retain || heard.push(`${topic} ${text.toString('latin1', 0, 20)}`)),
      );
      const ownWill = new Promise<void>((resolve) => {
        watcher.on('message', (topic) => void (topic === 'homie/thief/$state' && resolve()));
      });
      // mosquitto grants the subscriptions and withholds the messages, aedes refuses them.
      for (const filter of ['homie/thief/mark', 'homie/#', 'homie/lamp/#', 'homie/lamp/$implementation/config'])
        await thief.subscribeAsync(filter).catch(() => undefined);
      const overheard: string[] = [];
      const marked = new Promise<void>((resolve) => {
        thief.on('message', (topic) => {
          overheard.push(topic);
          if (topic === 'homie/thief/mark') resolve();
        });
      });
      await watcher.publishAsync('homie/lamp/made/up', 'x', { qos: 1 });
      await thief.publishAsync('homie/thief/mark', 'x', { qos: 1 });
      const forged: [topic: string, text: string | Buffer][] = [
        ['$state', 'lost'],
        ['$state', ''],
        [STATUS, '200'],
        ['$implementation/config/set', '{"name":"taken"}'],
        ['$implementation/reset', 'true'],
        [`$implementation/ota/firmware/${await md5(next)}`, next],
        ['$fw/checksum', await md5(next)],
        ['$mac', '5C:CF:7F:00:00:00'],
      ];
      // aedes closes the connection at each, mosquitto takes it and throws it away.
      for (const [topic, text] of forged) {
        const client = mqtt.connect(server.url, user('thief'));
        client.on('error', () => undefined);
        await new Promise((resolve) => {
          client.on('close', () => resolve(undefined));
          client.publish(`homie/lamp/${topic}`, text, { qos: 1, retain: true }, () => client.end(true));
        });
        client.end(true);
      }
      for (const [id, clientId] of [
        ['lamp', 'first'],
        ['thief', 'second'],
      ] as const) {
        const will = { topic: `homie/${id}/$state`, payload: Buffer.from('lost'), qos: 1, retain: true } as const;
        const client = await mqtt.connectAsync(server.url, { ...user('thief'), clientId, will });
        client.on('error', () => undefined);
        // Whoever connects with its id makes the broker publish its will.
        const again = await mqtt.connectAsync(server.url, { ...user('thief'), clientId });
        await Promise.all([client.endAsync(true), again.endAsync(true)]);
      }
      await Promise.all([ownWill, marked]);
      assert.deepEqual(heard, ['homie/thief/$state lost']);
      assert.deepEqual(
        overheard.filter((topic) => !topic.startsWith('homie/thief/')),
        [],
      );
      assert.deepEqual([device.received, device.patches], [[], []]);
      const { state: shown, checksum, otaStatus, mac } = broker.registry.get('lamp') ?? {};
      assert.deepEqual(
        [shown?.value, checksum?.value, otaStatus?.value, mac?.value],
        ['ready', device.checksum, undefined, device.mac],
      );
      await watcher.endAsync(true);
    } finally {
      await opened.close();
    }
  });

  it('changes nothing of its update, whatever it publishes of itself meanwhile', async () => {
    const opened = await lab({ flashDelay: 10 });
    const { device } = opened;
    const sum = await md5(next);
    let turn = 0;
    const texts = ['200', '202', '304', '403', '500 INTERNAL_ERROR 4', '206 79999/80000', '400 BAD_CHECKSUM'];
    pretend({ $mac: device.mac });
    repeat(() => {
      turn += 1;
      say(STATUS, texts[turn % texts.length] ?? '');
      say('$fw/checksum', turn % 2 === 0 ? sum : 'c'.repeat(32));
      say('$stats/uptime', String(turn % 5));
      for (const each of ['lost', 'init', 'ready', 'sleeping']) say('$state', each);
    });
    const { outcome } = await opened.bring(await raw(next));
    assert.equal(codeOf(outcome), 'succeeded');
    assert.deepEqual([device.checksum, device.received.length], [sum, 1]);
    await opened.close();
  });

  it('does not unlock it by restarts of its own while it has an image to boot, also with its MAC address', async () => {
    const opened = await lab({ misbehavior: { notIdle: true } });
    const { broker, device } = opened;
    pretend({ $mac: device.mac });
    let uptime = 10_000;
    const restarted = async (): Promise<void> => {
      for (const seconds of [(uptime += 1), 0]) {
        say('$state', 'init');
        say('$state', 'ready');
        say('$stats/uptime', String(seconds));
        await untilTrue(broker.registry, 'event', () => broker.registry.get('thief')?.uptime?.value === seconds);
      }
    };
    await restarted();
    const settings = { reboot: 1000, recoverReboot: false };
    assert.equal(codeOf((await opened.bring(await raw(next), settings)).outcome), 'NOT_REBOOTED');
    await restarted();
    assert.equal(device.hasToBoot, true);
    assert.throws(() => broker.locks.acquire('lamp', 'another'), { code: 'REBOOT_PENDING' });
    await opened.close();
  });

  it('is not locked with it when that claims its MAC address and never boots what it was sent', async () => {
    const opened = await lab();
    pretend({ $mac: opened.device.mac });
    const { broker } = opened;
    await untilTrue(broker.registry, 'event', () => broker.registry.get('thief')?.state?.value === 'ready');
    broker.locks.acquire('thief', 'its job');
    await broker.locks.expectReboot('thief', 'image');
    assert.equal(codeOf((await opened.bring(await raw(next))).outcome), 'succeeded');
    assert.equal(broker.locks.isRebootPending('thief'), true);
    await opened.close();
  });

  it('is sent the image where it claims its firmware, and as a canary that fails stops the rollout', async () => {
    pretend();
    await answer(() => repeat(() => say(STATUS, `206 1/${next.length}`)));
    const came = images();
    const { job, ended, lamp } = await rollOut();
    assert.equal((await ended).state, 'stopped');
    assert.equal(await came, next.length);
    assert.deepEqual(lamp.received, []);
    job.resume();
    assert.equal(await endOf(job, lamp.id), 'succeeded');
    assert.equal(lamp.checksum, await md5(next));
    await lamp.stop();
  });

  it('may claim that it runs the image, after which that is sent to the other one, too, which is judged by itself', async () => {
    pretend({ '$stats/uptime': '9000' });
    const sum = await md5(next);
    await answer(() => {
      say(STATUS, '202');
      say(STATUS, '200');
      say('$state', 'init');
      pretend({ '$fw/checksum': sum });
      say('$stats/uptime', '1');
    });
    const { job, ended, lamp } = await rollOut({ comesBackWith: running });
    await ended;
    assert.equal(await endOf(job, 'thief'), 'succeeded');
    assert.equal(await endOf(job, lamp.id), 'OLD_FIRMWARE');
    await lamp.stop();
  });

  it('holds nothing up and costs little, however much and however long it retains of itself', async () => {
    const long = 'x'.repeat(1_000_000);
    pretend({ $name: long, '$fw/name': long, '$fw/version': long, '$implementation/config': long, [STATUS]: long });
    for (let i = 0; i < 5_000; i += 1) say(`made/up/${i}`, 'x');
    await thief.publishAsync('homie/thief/$name', long, { retain: true, qos: 1 });
    const opened = await lab();
    const { broker, device } = opened;
    const known = broker.registry.get('thief');
    for (const value of [known?.name?.value, known?.fwName?.value, known?.fwVersion?.value, known?.otaStatus?.value])
      assert.ok((value?.length ?? 0) <= 256);
    assert.ok((known?.config?.value.length ?? 0) <= 4096);
    assert.equal(codeOf((await opened.bring(await raw(next))).outcome), 'succeeded');
    assert.equal(device.checksum, await md5(next));
    await opened.close();
  });
});
