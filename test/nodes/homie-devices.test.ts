import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { NodeMessage } from 'node-red';
import { md5 } from '../../src/firmware/checksum';
import { buildEsp8266Image } from '../support/images';
import { freePort } from '../support/ports';
import { startProxy } from '../support/proxy';
import { stopFlow, TestFlow } from './flow';
import { caughtCode, next, payload, running, Scene, untilHeard } from './scene';

/** Returns a list in short: id and state of each device. */
function short({ payload: list }: NodeMessage): unknown {
  assert.ok(Array.isArray(list));
  return list.map(({ id, state }) => `${id} ${state}`);
}

const event = (name: string) => (msg: NodeMessage) => payload(msg, 'event') === name;

const devicesNode = { type: 'homie-devices', device: '', state: '', firmware: '', outdated: false, events: false };

describe('homie-devices', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  const start = (settings: object = {}, more?: Parameters<typeof TestFlow.start>[2]): Promise<TestFlow> =>
    TestFlow.start(scene.broker, { ...devicesNode, ...settings }, more);

  describe('asked for the devices', () => {
    it('answers whatever comes, and waits until all of them are known', async () => {
      // Before the node subscribes, the devices have published all that they ever will.
      const silent = { statsInterval: 3600, misbehavior: { statisticsDelay: 3_600_000 } };
      await scene.device('devices-a', silent);
      await scene.device('devices-b', silent);
      const flow = await start();
      flow.send({ topic: 'kept', payload: 1700000000000 });
      const answer = await flow.result.first();
      assert.equal(answer['topic'], 'kept');
      assert.deepEqual(short(answer), ['devices-a ready', 'devices-b ready']);
      assert.deepEqual(payload(answer, '0.firmware.version'), '1.0.0');
      assert.equal(payload(answer, '0.lastSeen'), undefined);
      await flow.completed.first();
      assert.deepEqual(flow.dones, [{ code: undefined }]);
      assert.equal(flow.result.messages.length + flow.progress.messages.length, 1);
    });

    it('shows how many of them are ready', async () => {
      const [device] = [await scene.device('devices-c'), await scene.device('devices-d')];
      const flow = await start();
      assert.deepEqual(await flow.showed('2/2'), { fill: 'green', shape: 'dot', text: '2/2' });
      await device.stop();
      await flow.showed('1/2');
    });

    it('says that the limit of devices is reached: in the answer, below the node and in the log', async () => {
      await scene.device('devices-real');
      const flow = await start();
      await flow.showed('1/1');
      flow.send({});
      assert.ok(!('deviceLimit' in (await flow.result.nth(1))));
      const { baseTopic, registry } = flow.broker;
      const made = (id: number): string => `${baseTopic}made-up-${id}/$state`;
      for (let id = 0; id < registry.limit; id += 1) registry.receive(made(id), Buffer.from('ready'), false);
      flow.send({});
      const answer = await flow.result.nth(2);
      assert.equal(answer['deviceLimit'], 20_000);
      assert.equal(payload(answer, '0.id'), 'devices-real');
      const { fill } = await flow.showed('too many devices');
      assert.equal(fill, 'yellow');
      assert.match(flow.log(), /The limit of 20000 devices under scene-\d+\/ is reached/);
      for (let id = 0; id < registry.limit; id += 1) registry.receive(made(id), Buffer.alloc(0), false);
      flow.send({ deviceLimit: 7 });
      assert.equal((await flow.result.nth(3))['deviceLimit'], 7);
    });

    it('gives those that the message asks for, else those that the node does', async () => {
      await scene.device('devices-e');
      await (await scene.device('devices-f')).stop();
      const flow = await start({ state: 'lost' });
      flow.send({});
      assert.deepEqual(short(await flow.result.nth(1)), ['devices-f lost']);
      flow.send({ device: 'devices-*', options: { state: ['ready', 'lost'] } });
      assert.deepEqual(short(await flow.result.nth(2)), ['devices-e ready', 'devices-f lost']);
      flow.send({ options: { state: '', firmware: 'another' } });
      assert.deepEqual(short(await flow.result.nth(3)), []);
    });

    it('gives those that are behind a firmware, which is in no answer', async () => {
      await scene.device('devices-old');
      await scene.device('devices-new', { image: next });
      const flow = await start({ outdated: true });
      const copy = Buffer.from(next);
      flow.send({ payload: copy, file: copy, options: { firmware: 'my-light' } });
      const answer = await flow.result.first();
      assert.deepEqual(short(answer), ['devices-old ready']);
      assert.equal('file' in answer, false);
      flow.send({ payload: running, options: { state: 'ready', outdated: 'true' } });
      // A device with a higher version is not behind.
      assert.deepEqual(short(await flow.result.nth(2)), []);
      flow.send({ payload: '<!doctype html>' });
      assert.equal(caughtCode(await flow.caught.first()), 'FIRMWARE_IS_HTML');
    });

    for (const [title, msg, code] of [
      ['an action that it does not know', { action: 'update' }, 'UNKNOWN_ACTION'],
      ['a state that no device has', { options: { state: 'online' } }, 'INVALID_SETTING'],
      ['a setting that it does not have', { options: { force: true } }, 'UNKNOWN_SETTING'],
      ['a device that cannot be', { device: 'a/b' }, 'INVALID_DEVICE_ID'],
      ['what is outdated without a firmware', { options: { outdated: true }, payload: 7 }, 'PAYLOAD_TYPE'],
    ] as const) {
      it(`refuses ${title}, and answers nothing`, async () => {
        const flow = await start();
        await flow.showed('0/0');
        flow.send(msg);
        assert.equal(caughtCode(await flow.caught.first()), code);
        await flow.showedError(code);
        assert.deepEqual(flow.dones, [{ code }]);
        assert.equal(flow.result.messages.length, 0);
        flow.send({});
        await flow.result.first();
        await flow.done(2);
      });
    }

    it('says why when there is no connection', async () => {
      const flow = await TestFlow.start({ host: '127.0.0.1', port: String(await freePort()) }, devicesNode);
      await flow.showedError('BROKER_UNREACHABLE');
      flow.send({});
      assert.equal(caughtCode(await flow.caught.first()), 'BROKER_UNREACHABLE');
      assert.equal(flow.result.messages.length, 0);
    });

    it('says so when it has no broker, or a setting that makes no sense', async () => {
      const flow = await start({ broker: 'none' });
      flow.send({});
      assert.equal(caughtCode(await flow.caught.first()), 'NO_BROKER');
      const other = await flow.deploy(scene.broker, { ...devicesNode, state: 'gone' });
      assert.match(other.log(), /state must be one or more of init, ready/);
      await other.showedError('INVALID_SETTING');
      other.send({});
      assert.equal(caughtCode(await other.caught.first()), 'INVALID_SETTING');
    });
  });

  describe('with events', () => {
    it('sends nothing where they are not wanted', async () => {
      const flow = await start();
      await flow.showed('0/0');
      await scene.device('devices-quiet');
      await flow.showed('1/1');
      assert.equal(flow.progress.messages.length, 0);
    });

    it('sends one report for all that is there, and then what happens', async () => {
      const device = await scene.device('devices-there');
      await scene.device('devices-there-too');
      const flow = await start({ events: true });
      await flow.progress.first(event('inventory'));
      const [report] = flow.progress.messages;
      assert.deepEqual(report?.payload, {
        event: 'inventory',
        count: 2,
        counts: { ready: 2 },
        updates: [],
        text: '2 devices: 2 ready.',
      });
      const appeared = scene.device('devices-late');
      const first = await flow.progress.first(event('appeared'));
      assert.deepEqual([first['topic'], first['device']], ['devices-late', 'devices-late']);
      assert.equal(report?.['topic'], '');
      assert.equal(report !== undefined && 'device' in report, false);
      assert.equal(payload(first, 'firmware.name'), 'my-light');
      // The flow may change a message.
      Object.assign(Object(payload(first, 'firmware')), { checksum: 'spoilt' });
      await (await appeared).stop();
      await device.stop();
      const lost = await flow.progress.first(
        (msg) => msg['topic'] === 'devices-there' && payload(msg, 'to') === 'lost',
      );
      assert.deepEqual(lost.payload, {
        event: 'state',
        device: 'devices-there',
        from: 'ready',
        to: 'lost',
        text: 'devices-there: state changed from ready to lost.',
      });
      await scene.device('devices-late');
      await flow.progress.first((msg) => msg['topic'] === 'devices-late' && payload(msg, 'from') === 'init');
      assert.deepEqual(flow.progress.messages.filter(event('firmware')), []);
    });

    it('begins with the report also when only this node is deployed', async () => {
      await scene.device('devices-again');
      const flow = await start();
      await flow.showed('1/1');
      const after = await flow.deploy(scene.broker, { ...devicesNode, events: true }, [], 'nodes');
      assert.equal(payload(await after.progress.first(), 'count'), 1);
      assert.equal(after.progress.messages.length, 1);
    });
  });

  describe('with firmware on offer', () => {
    const updater = {
      id: 'updater',
      type: 'homie-ota',
      z: 'flow',
      broker: 'broker',
      device: 'devices-light',
      deviceType: 'str',
      canary: '0',
      x: 0,
      y: 0,
      wires: [[], [], ['summary']],
    };
    let userDir: string;

    beforeEach(async () => {
      userDir = await mkdtemp(path.join(tmpdir(), 'homie-devices-'));
    });
    afterEach(async () => {
      // Node-RED leaves the folder only when it has ended.
      await stopFlow();
      await rm(userDir, { recursive: true, force: true });
    });

    const begin = (): Promise<TestFlow> => start({ events: true }, { more: [updater], userDir });
    const stored = (): Promise<string[]> => readdir(path.join(userDir, 'homie-ota', 'firmware'));

    it('tells of an update once, when it is offered and when it is proven, but not after a restart', async () => {
      const light = await scene.device('devices-light');
      const flow = await begin();
      await flow.progress.first(event('inventory'));
      await untilHeard(flow.broker, [light]);
      flow.sendTo('updater', { payload: next, action: 'offer' });
      const available = await flow.progress.first(event('update_available'));
      assert.deepEqual([available['topic'], available['device']], ['devices-light', 'devices-light']);
      assert.deepEqual(available.payload, {
        event: 'update_available',
        device: 'devices-light',
        installed: '1.0.0',
        offered: '1.1.0',
        text: 'devices-light: update to my-light 1.1.0 is available; version 1.0.0 is installed.',
      });

      await stopFlow();
      const again = await begin();
      const report = await again.progress.first();
      assert.deepEqual(report.payload, {
        event: 'inventory',
        count: 1,
        counts: { ready: 1 },
        updates: ['devices-light'],
        text: '1 device: 1 ready. 1 update is available.',
      });
      await untilHeard(again.broker, [light]);
      again.sendTo('updater', { device: payload(report, 'updates') });
      const updated = await again.progress.first(event('updated'));
      assert.equal(payload(updated, 'text'), 'devices-light: updated from my-light 1.0.0 to 1.1.0.');
      assert.deepEqual([payload(updated, 'from.version'), payload(updated, 'to.version')], ['1.0.0', '1.1.0']);
      await again.summary.first((msg) => payload(msg, 'state') === 'succeeded');
      assert.deepEqual(again.progress.messages.filter(event('update_available')), []);
    });

    it('forgets the images of a device, and keeps those that another device needs', async () => {
      const light = await scene.device('devices-light');
      const other = await scene.device('devices-other');
      const flow = await begin();
      await flow.progress.first(event('inventory'));
      await untilHeard(flow.broker, [light, other]);
      const newest = buildEsp8266Image({ name: 'my-light', version: '1.2.0', seed: 3 });
      const update = async (image: Buffer, round: number, ...devices: string[]): Promise<void> => {
        flow.sendTo('updater', { payload: image, device: devices, round });
        const summary = await flow.summary.first((msg) => msg['round'] === round);
        assert.equal(payload(summary, 'state'), 'succeeded');
      };
      await update(next, 1, 'devices-light', 'devices-other');
      await update(newest, 2, 'devices-light');
      const files = await Promise.all([next, newest].map(async (image) => `${await md5(image)}.bin`));
      for (const file of files) assert.ok((await stored()).includes(file));

      // It was lost at each reboot, too.
      const lost = (msg: NodeMessage): boolean => msg['topic'] === 'devices-light' && payload(msg, 'to') === 'lost';
      const before = flow.progress.messages.filter(lost).length;
      await light.stop();
      await flow.progress.nth(before + 1, lost);
      flow.send({ action: 'forget', device: 'devices-light' });
      assert.equal(payload(await flow.result.first(), '0.error'), undefined);
      await stopFlow();
      assert.deepEqual(await stored(), [files[0]]);
      assert.ok(other.image.equals(next));
      // The same after a restart: what was forgotten is not read again.
      const again = await begin();
      await again.progress.first(event('inventory'));
      await stopFlow();
      assert.deepEqual(await stored(), [files[0]]);
    });
  });

  describe('asked to forget', () => {
    it('clears what is retained of a device that was lost, and refuses another, which it names', async () => {
      await (await scene.device('devices-lost')).stop();
      await scene.device('devices-here');
      const flow = await start();
      flow.send({ action: 'forget', device: 'devices-*', topic: 'kept' });
      const answer = await flow.result.first();
      assert.equal(answer['topic'], 'kept');
      assert.equal('action' in answer, false);
      assert.deepEqual([payload(answer, '0.id'), payload(answer, '0.error.code')], ['devices-here', 'DEVICE_PRESENT']);
      assert.deepEqual([payload(answer, '1.id'), payload(answer, '1.error')], ['devices-lost', undefined]);
      assert.ok(Number(payload(answer, '1.cleared.length')) > 20);
      const caught = await flow.caught.first();
      assert.equal(caughtCode(caught), 'DEVICE_PRESENT');
      assert.match(String(Reflect.get(Object(caught['error']), 'message')), /devices-here/);
      await flow.showedError('DEVICE_PRESENT');
      assert.deepEqual(flow.dones, [{ code: 'DEVICE_PRESENT' }]);
      flow.send({});
      assert.deepEqual(short(await flow.result.nth(2)), ['devices-here ready']);
      await flow.showed('1/1');
    });

    it('ends at once when it is closed while the broker takes a clearing on a dead link', async () => {
      await (await scene.device('devices-cleared')).stop();
      const port = Number(Reflect.get(scene.broker, 'port'));
      let seen = (): void => undefined;
      const clearing = new Promise<void>((resolve) => (seen = resolve));
      // Only the message that clears a topic names it. That message still reaches the broker, but its acknowledgement
      // is lost.
      const listen = () => (chunk: Buffer) => {
        if (!chunk.includes('/devices-cleared/$name')) return;
        link.stall();
        seen();
      };
      const link = await startProxy(port, { listen });
      try {
        const flow = await TestFlow.start({ ...scene.broker, port: String(link.port) }, devicesNode);
        flow.send({ action: 'forget', device: 'devices-cleared' });
        await clearing;
        const begun = performance.now();
        await stopFlow();
        assert.ok(performance.now() - begun < 2000);
        assert.equal(flow.dones.length, 1);
      } finally {
        await link.close();
      }
    });

    it('refuses a device that a job is with, but not one that a job waits for, and one that nobody names', async () => {
      for (const id of ['devices-taken', 'devices-waited-for']) await (await scene.device(id)).stop();
      const updater = {
        id: 'updater',
        type: 'homie-ota',
        z: 'flow',
        broker: 'broker',
        device: 'devices-waited-for',
        deviceType: 'str',
        x: 0,
        y: 0,
        wires: [[], ['progress']],
      };
      const flow = await start({}, { more: [updater] });
      await flow.showed('0/2');
      flow.sendTo('updater', { payload: next, options: { canary: 0 } });
      await flow.progress.first((msg) => payload(msg, 'state') === 'waiting');
      flow.send({ action: 'forget', device: 'devices-waited-for' });
      const forgotten = await flow.result.first((msg) => payload(msg, '0.cleared') !== undefined);
      assert.equal(payload(forgotten, '0.error'), undefined);
      flow.broker.locks.acquire('devices-taken', 'job');
      flow.send({ action: 'forget', device: 'devices-taken' });
      assert.equal(caughtCode(await flow.caught.first()), 'DEVICE_BUSY');
      flow.broker.locks.release('devices-taken', 'job');
      flow.send({ action: 'forget' });
      assert.equal(caughtCode(await flow.caught.nth(2)), 'NO_DEVICE');
    });
  });

  it('tells how far each device is from the firmware that a homie-ota was given', async () => {
    const device = await scene.device('devices-updated', { flashDelay: 30 });
    await (await scene.device('devices-asleep')).stop();
    const updater = {
      id: 'updater',
      type: 'homie-ota',
      z: 'flow',
      broker: 'broker',
      device: 'devices-updated, devices-asleep',
      deviceType: 'str',
      canary: '0',
      x: 0,
      y: 0,
      wires: [['summary'], ['summary'], []],
    };
    const flow = await start({}, { more: [updater] });
    await flow.showed('1/2');
    flow.send({ round: 1 });
    const round = (number: number) => (msg: NodeMessage) => msg['round'] === number;
    const updates = async (number: number): Promise<unknown> => {
      const list: unknown = (await flow.result.first(round(number))).payload;
      assert.ok(Array.isArray(list));
      return list.map(({ update }) => update?.state);
    };
    assert.deepEqual(await updates(1), [undefined, undefined]);

    flow.sendTo('updater', { payload: next, action: 'offer' });
    flow.sendTo('updater', { payload: next });
    await flow.summary.first((msg) => payload(msg, 'phase') === 'accepted');
    flow.send({ round: 2 });
    assert.deepEqual(await updates(2), ['scheduled', 'updating']);
    const busy = await flow.result.first(round(2));
    assert.equal(payload(busy, '1.update.offered'), '1.1.0');
    assert.ok(Number(payload(busy, '1.update.progress')) >= 0);

    await flow.summary.first((msg) => payload(msg, 'state') === 'succeeded');
    assert.ok(device.image.equals(next));
    flow.send({ round: 3 });
    assert.deepEqual(await updates(3), ['scheduled', 'up_to_date']);
    flow.sendTo('updater', { action: 'cancel' });
    await flow.summary.first((msg) => payload(msg, 'state') === 'canceled');
    flow.send({ round: 4 });
    assert.deepEqual(await updates(4), ['available', 'up_to_date']);
  });

  it('leaves no listener when it is deployed again, and is done with what it was asked', async () => {
    await (await scene.device('devices-left')).stop();
    const flow = await start({ events: true });
    await flow.showed('0/1');
    const { broker } = flow;
    const listeners = (): number[] => [
      ...broker.eventNames().map((name) => broker.listenerCount(name)),
      ...broker.registry.eventNames().map((name) => broker.registry.listenerCount(name)),
    ];
    const before = listeners();
    flow.send({ action: 'forget', device: 'devices-left' });
    const after = await flow.deploy(scene.broker, { ...devicesNode, events: true, name: 'again' }, [], 'nodes');
    assert.equal(after.broker, broker);
    assert.deepEqual(flow.dones, [{ code: undefined }]);
    await after.progress.first(event('inventory'));
    assert.deepEqual(listeners(), before);
    assert.equal(broker.locks.holder('devices-left'), undefined);
    assert.equal(broker.connection.listenerCount('message'), 1);
  });
});
