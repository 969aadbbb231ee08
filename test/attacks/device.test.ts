import assert from 'node:assert/strict';
import mqtt, { type MqttClient } from 'mqtt';
import { HomieBroker } from '../../src/homie/broker';
import { untilReady } from '../../src/homie/presence';
import { bringFirmware } from '../../src/ota/exchange';
import type { Outcome } from '../../src/homie/update';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { buildEsp8266Image } from '../support/images';
import { codeOf, next, patient, raw } from '../ota/lab';

/** What a device answers when it is sent an image. It may send as much as it likes, under its own topics. */
type Play = (say: (attribute: string, payload: string) => void, forever: (work: () => void) => void) => void;

describeWithBrokers('a device that only pretends to take an image', (start) => {
  let server: TestBroker;
  let broker: HomieBroker;
  let device: MqttClient;
  let count = 0;
  const timers: NodeJS.Timeout[] = [];
  before(async () => {
    server = await start();
    broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/' });
    broker.start();
    device = await mqtt.connectAsync(server.url, { reconnectPeriod: 0 });
    await broker.settled();
  });
  afterEach(() => {
    for (const timer of timers.splice(0)) clearInterval(timer);
    device.removeAllListeners('message');
  });
  after(async () => {
    await device.endAsync(true);
    await broker.close();
    await server.stop();
  });

  const update = async (play: Play, image = next): Promise<Outcome> => {
    const id = `pretender-${(count += 1)}`;
    const say = (attribute: string, payload: string): void => {
      device.publish(`homie/${id}/${attribute}`, payload, { retain: true, qos: 1 });
    };
    const images = `homie/${id}/$implementation/ota/firmware/`;
    device.on('message', (topic, payload) => {
      if (topic.startsWith(images) && payload.length === image.length)
        play(say, (work) => void timers.push(setInterval(work, 100)));
    });
    await device.subscribeAsync(`${images}+`, { qos: 1 });
    for (const [attribute, payload] of [
      ['$homie', '2.0.1'],
      ['$fw/name', 'my-light'],
      ['$fw/version', '1.0.0'],
      ['$fw/checksum', 'c'.repeat(32)],
      ['$implementation', 'esp8266'],
      ['$implementation/ota/enabled', 'true'],
      ['$online', 'true'],
      ['$state', 'ready'],
    ] as const) {
      say(attribute, payload);
    }
    const watch = broker.watch(id);
    const abandon = new AbortController();
    try {
      await untilReady(broker, watch, id, performance.now() + 30_000, abandon.signal);
      broker.locks.acquire(id, 'test');
      const outcome = await bringFirmware({
        broker,
        device: id,
        job: 'test',
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
        report: () => undefined,
      });
      assert.ok(outcome !== undefined);
      return outcome;
    } finally {
      watch.close();
      broker.locks.release(id, 'test');
    }
  };
  const STATUS = '$implementation/ota/status';

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
