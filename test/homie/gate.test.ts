import assert from 'node:assert/strict';
import { EventEmitter, getEventListeners, once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import mqtt, { type MqttClient } from 'mqtt';
import { HomieError, type ErrorCode } from '../../src/errors';
import { HomieBroker } from '../../src/homie/broker';
import { sendToDevice, sightingOf, type Sender } from '../../src/homie/gate';
import { DeviceLocks } from '../../src/homie/lock';
import type { PublishOptions } from '../../src/mqtt/connection';
import { startAedes, type AedesBroker } from '../support/aedes';
import { HANG_LIMIT } from '../support/limits';
import { resetLocks } from '../support/locks';
import { untilTrue } from '../support/until-true';

const MAC = '5C:CF:7F:00:00:01';
const facts = [
  ['$fw/name', 'light'],
  ['$fw/checksum', '0'.repeat(32)],
  ['$implementation', 'esp8266'],
  ['$mac', MAC],
  ['$stats/uptime', ''],
  ['$state', 'ready'],
] as const;
const options: PublishOptions = { qos: 1, timeout: HANG_LIMIT };
const image = { topic: 'homie/lamp/$implementation/ota/firmware/x', payload: 'x', ...options };

describe('A message that can change a device', () => {
  let server: AedesBroker;
  /** Emits `received` when the broker has received a message, and `stored` when a pending reboot is stored. */
  let arrivals: EventEmitter;
  let device: MqttClient;
  let broker: HomieBroker;
  let cancel: AbortController;
  let abandon: AbortController;
  /** The topics of what the broker has received for the device. */
  let received: string[];
  /** Topics that the broker does not acknowledge yet. */
  let held: Set<string>;
  /** Acknowledges what is held. */
  let acknowledge: () => void;
  /** What was stored about pending reboots, in order. */
  let stored: string[];
  let beforeStoring: () => void;
  let mayBegin: boolean;
  let handedOver: number;

  before(async () => {
    server = await startAedes();
    arrivals = new EventEmitter();
    const waiting: (() => void)[] = [];
    acknowledge = () => {
      held.clear();
      for (const each of waiting.splice(0)) each();
    };
    server.aedes.authorizePublish = (_client, { topic }, done) => {
      if (topic.startsWith('homie/lamp/$implementation/')) received.push(topic);
      if (held.has(topic)) waiting.push(() => done(null));
      else done(null);
      arrivals.emit('received');
    };
    device = await mqtt.connectAsync(server.url, { reconnectPeriod: 0 });
    received = [];
    held = new Set();
    await tellAll();
    await start();
  });
  beforeEach(async () => {
    resetLocks();
    [cancel, abandon, mayBegin, handedOver] = [new AbortController(), new AbortController(), true, 0];
    [received, held, stored, beforeStoring] = [[], new Set(), [], () => undefined];
    const from = performance.now();
    await tellAll();
    if (broker.status.state !== 'connected') await start();
    await untilTrue(broker.registry, 'event', () => (broker.registry.get('lamp')?.state?.at ?? 0) >= from);
    broker.locks.acquire('lamp', 'job');
    DeviceLocks.keep(async (key, pending) => {
      beforeStoring();
      await Promise.resolve();
      stored.push(`${key} ${pending?.what ?? 'nothing'}, ${received.length} sent`);
      arrivals.emit('stored');
    });
  });
  afterEach(() => acknowledge());
  after(async () => {
    await broker.close();
    await device.endAsync();
    await server.close();
    resetLocks();
  });

  async function start(): Promise<void> {
    broker = new HomieBroker({ url: server.url, protocolVersion: 4, baseTopic: 'homie' });
    broker.start();
    await broker.settled();
  }

  /** Publishes a topic of the device. */
  async function tell(topic: string, value: string): Promise<void> {
    await device.publishAsync(`homie/lamp/${topic}`, value, { qos: 1, retain: true });
  }

  async function tellAll(): Promise<void> {
    for (const [topic, value] of facts) await tell(topic, value);
  }

  /** Publishes a topic of the device, and waits until our side knows. */
  async function heard(topic: string, value: string): Promise<void> {
    const event = once(broker.registry, 'event');
    await tell(topic, value);
    await event;
  }

  /** Sends what leaves nothing to boot, whatever is known of the device. */
  function careless(): Sender {
    return {
      broker,
      device: 'lamp',
      job: 'job',
      cancel: cancel.signal,
      abandon: abandon.signal,
      mayBegin: () => mayBegin,
      handedOver: () => (handedOver += 1),
    };
  }

  function sender(changes: Partial<Sender> = {}): Sender {
    return { ...careless(), stages: 'image', seen: sightingOf(broker, 'lamp'), ...changes };
  }

  /** Sends an image, and returns the code of the error with which that is refused. */
  async function refusal(from: Sender): Promise<ErrorCode> {
    const sent = await sendToDevice(from, image);
    assert.ok(sent.kind === 'refused');
    return sent.error.code;
  }

  /** Publishes something else, which the broker does not acknowledge until `acknowledge`: later messages wait. */
  async function occupy(): Promise<void> {
    held.add('other');
    // On a fast link, two messages may be under way.
    for (let i = 0; i < 2; i += 1) broker.connection.publish('other', 'x', options).catch(() => undefined);
    await untilHeld();
  }

  /** Waits until the broker has received a message that it does not acknowledge. */
  async function untilHeld(): Promise<void> {
    await once(arrivals, 'received');
  }

  it('goes out while nothing prevents it, and what the device may boot is stored before', async () => {
    const sent = await sendToDevice(sender(), image);
    assert.deepEqual(sent, { kind: 'sent', noSubscribers: false });
    assert.deepEqual([received, handedOver], [[image.topic], 1]);
    assert.equal(stored[0], `homie/lamp ${MAC} image, 0 sent`);
    assert.equal(broker.locks.pending('lamp'), 'image');
  });

  it('leaves nothing to boot where it says so', async () => {
    await sendToDevice(careless(), image);
    assert.deepEqual([received, stored, broker.locks.pending('lamp')], [[image.topic], [], undefined]);
  });

  it('leaves no listener on the signals', async () => {
    await sendToDevice(sender(), image);
    assert.deepEqual(
      [cancel, abandon].map(({ signal }) => getEventListeners(signal, 'abort')),
      [[], []],
    );
  });

  it('needs no way to cancel it', async () => {
    const least = { broker, device: 'lamp', job: 'job', abandon: abandon.signal };
    assert.deepEqual(await sendToDevice(least, image), { kind: 'sent', noSubscribers: false });
  });

  const obstacles: [what: string, why: string, happens: () => unknown][] = [
    ['the user has canceled', 'canceled', () => cancel.abort()],
    ['the job is paused', 'halted', () => (mayBegin = false)],
    ['another process sends', 'halted', () => DeviceLocks.guard(() => new HomieError('DEVICE_BUSY'))],
    ['the device is lost', 'changed', () => heard('$state', 'lost')],
    ['the device has connected again meanwhile', 'changed', () => heard('$state', 'ready')],
    ['the device runs something else', 'changed', () => heard('$fw/checksum', '1'.repeat(32))],
    ['another device has taken the address', 'changed', () => heard('$mac', '5C:CF:7F:00:00:02')],
    ['the device can no longer be watched', 'abandoned', () => abandon.abort()],
  ];
  for (const [what, why, happens] of obstacles) {
    it(`does not go out when ${what}`, async () => {
      const from = sender();
      await happens();
      assert.deepEqual(await sendToDevice(from, image), { kind: 'not_sent', why });
      assert.deepEqual([received, stored, handedOver], [[], [], 0]);
    });

    it(`does not go out when ${what} while it waits for its turn`, async () => {
      await occupy();
      const publish = sendToDevice(sender(), image);
      await happens();
      acknowledge();
      assert.deepEqual(await publish, { kind: 'not_sent', why });
      await broker.connection.publish('last', 'x', options);
      assert.deepEqual([received, handedOver, broker.locks.pending('lamp')], [[], 0, undefined]);
      assert.deepEqual([stored.length, stored.at(-1)], [2, `homie/lamp ${MAC} nothing, 0 sent`]);
    });
  }

  it('does not go out over another connection than the one through which the device was seen', async () => {
    const seen = sightingOf(broker, 'lamp');
    const before = { ...seen, connection: seen.connection - 1 };
    assert.deepEqual(await sendToDevice(sender({ seen: before }), image), { kind: 'not_sent', why: 'changed' });
  });

  it('does not go out without a connection', async () => {
    await broker.close();
    assert.deepEqual(await sendToDevice({ ...careless(), stages: 'image' }, image), {
      kind: 'not_sent',
      why: 'changed',
    });
    assert.deepEqual(stored, []);
  });

  it('does not go out to a device that was not ready when it was seen', async () => {
    await heard('$state', 'lost');
    assert.deepEqual(await sendToDevice(sender(), image), { kind: 'not_sent', why: 'changed' });
  });

  it('is for a device of which nothing need be known', () => {
    const { connectionNumber: connection } = broker;
    const nothing = { connection, mac: undefined, checksum: undefined, stateAt: undefined };
    assert.deepEqual(sightingOf(broker, 'unknown'), nothing);
    broker.registry.receive('homie/new/$name', Buffer.from('New'), true);
    assert.deepEqual(sightingOf(broker, 'new'), nothing);
  });

  it('does not go out when the connection ends while it waits for its turn', async () => {
    await occupy();
    const publish = sendToDevice(sender(), image);
    await broker.close();
    assert.deepEqual(await publish, { kind: 'not_sent', why: 'changed' });
    assert.equal(broker.locks.pending('lamp'), undefined);
  });

  it('does not go out when the job loses the device while it waits for its turn', async () => {
    await occupy();
    const publish = sendToDevice(sender(), image);
    broker.locks.release('lamp', 'job');
    acknowledge();
    assert.deepEqual(await publish, { kind: 'not_sent', why: 'changed' });
    assert.deepEqual([received, handedOver], [[], 0]);
  });

  it('waits for nothing when it is canceled before its turn', async () => {
    await occupy();
    const publish = sendToDevice(sender(), image);
    await once(arrivals, 'stored');
    await setImmediate();
    cancel.abort();
    assert.deepEqual(await publish, { kind: 'not_sent', why: 'canceled' });
  });

  it('waits for nothing when it is canceled while the pending reboot is stored', async () => {
    await occupy();
    beforeStoring = () => cancel.abort();
    assert.deepEqual(await sendToDevice(sender(), image), { kind: 'not_sent', why: 'canceled' });
  });

  it('waits for nothing when the device can no longer be watched before its turn', async () => {
    await occupy();
    beforeStoring = () => abandon.abort();
    assert.deepEqual(await sendToDevice(sender(), image), { kind: 'not_sent', why: 'abandoned' });
  });

  it('leaves pending what was pending before, when it does not go out', async () => {
    await broker.locks.expectReboot('lamp', 'patch');
    await occupy();
    const publish = sendToDevice(sender({ stages: 'patch' }), image);
    mayBegin = false;
    acknowledge();
    assert.deepEqual(await publish, { kind: 'not_sent', why: 'halted' });
    assert.equal(broker.locks.pending('lamp'), 'patch');
  });

  it('goes to a device that is not ready where it need not be', async () => {
    await heard('$state', 'lost');
    await sendToDevice(careless(), image);
    assert.deepEqual(received, [image.topic]);
  });

  it('can no longer be canceled once it has gone out', async () => {
    held.add(image.topic);
    const publish = sendToDevice(sender(), image);
    await untilHeld();
    cancel.abort();
    acknowledge();
    assert.deepEqual(await publish, { kind: 'sent', noSubscribers: false });
    assert.equal(broker.locks.pending('lamp'), 'image');
  });

  it('keeps the device locked until the broker has it, when nobody watches the device any more', async () => {
    held.add(image.topic);
    const publish = sendToDevice(sender(), image);
    await untilHeld();
    const reason = new Error('closed');
    abandon.abort(reason);
    await assert.rejects(publish, reason);
    broker.locks.release('lamp', 'job');
    await broker.locks.rebooted('lamp');
    assert.equal(broker.locks.refusalOf('lamp', 'patch')?.code, 'REBOOT_PENDING');
    const free = broker.locks.unorphaned('lamp');
    acknowledge();
    await free;
    assert.equal(broker.locks.refusalOf('lamp', 'patch'), undefined);
  });

  it('did not cause a restart that happened before the broker had acknowledged it', async () => {
    await heard('$stats/uptime', '3000');
    held.add(image.topic);
    const publish = sendToDevice(sender(), image);
    await untilHeld();
    await heard('$stats/uptime', '1000');
    acknowledge();
    await publish;
    broker.locks.release('lamp', 'job');
    await broker.connection.ping();
    await heard('$stats/uptime', '1001');
    assert.equal(broker.locks.pending('lamp'), 'image');
    await heard('$stats/uptime', '1');
    assert.equal(broker.locks.pending('lamp'), undefined);
  });

  it('reports that the broker does not acknowledge it, and the device may have it to boot', async () => {
    held.add(image.topic);
    const sent = await sendToDevice(sender(), { ...image, timeout: 50 });
    assert.ok(sent.kind === 'sent');
    assert.equal(sent.error?.code, 'PUBLISH_TIMEOUT');
    await broker.close();
    assert.equal(broker.locks.pending('lamp'), 'image');
  });

  it('is refused to a job that does not have the device', async () => {
    assert.equal(await refusal(sender({ job: 'another' })), 'DEVICE_BUSY');
    assert.deepEqual([received, stored], [[], []]);
  });

  it('is refused when another device has taken the address', async () => {
    await heard('$mac', '5C:CF:7F:00:00:02');
    assert.equal(await refusal(sender()), 'OTHER_DEVICE');
    assert.equal(await refusal(sender({ job: 'another' })), 'DEVICE_BUSY');
    assert.deepEqual([received, stored], [[], []]);
  });

  it('goes to an address that a job has left, without the lock', async () => {
    await sendToDevice({ broker, device: 'lamp', abandon: abandon.signal }, image);
    assert.deepEqual(received, [image.topic]);
  });

  it('is refused if it is an image and the device has something to boot, and goes out if it is a patch', async () => {
    await broker.locks.expectReboot('lamp', 'patch');
    assert.equal(await refusal(sender()), 'REBOOT_PENDING');
    assert.deepEqual([received, broker.locks.pending('lamp')], [[], 'patch']);
    await sendToDevice(sender({ stages: 'patch' }), image);
    assert.deepEqual(received, [image.topic]);
  });

  describe('and that the broker does not accept', () => {
    const error = new HomieError('PUBLISH_DENIED');
    beforeEach(() => {
      broker.connection.publish = () => Promise.reject(error);
    });
    afterEach(() => {
      Reflect.deleteProperty(broker.connection, 'publish');
    });

    it('leaves nothing to boot', async () => {
      assert.deepEqual(await sendToDevice(sender(), image), { kind: 'refused', error });
      assert.equal(broker.locks.pending('lamp'), undefined);
      assert.deepEqual(stored, [`homie/lamp ${MAC} image, 0 sent`, `homie/lamp ${MAC} nothing, 0 sent`]);
    });

    it('leaves pending what was pending before', async () => {
      await broker.locks.expectReboot('lamp', 'patch');
      assert.deepEqual(await sendToDevice(sender({ stages: 'patch' }), image), { kind: 'refused', error });
      assert.equal(broker.locks.pending('lamp'), 'patch');
    });
  });
});
