import assert from 'node:assert/strict';
import mqtt, { type MqttClient } from 'mqtt';
import { Firmware } from '../../src/firmware/firmware';
import { HomieBroker } from '../../src/homie/broker';
import { forgetDevices } from '../../src/devices/forget-devices';
import { listDevices, type ListedDevice } from '../../src/devices/list';
import { otaWork } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import { everyDevice, type DeviceQuery } from '../../src/devices/query';
import { patient, sequential } from '../ota/lab';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { buildEsp8266Image, running as old } from '../support/images';
import { freePort } from '../support/ports';
import { untilTrue } from '../support/until-true';

const fresh = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 400_000, seed: 2 });
const later = buildEsp8266Image({ name: 'my-light', version: '2.0.0', size: 60_000, seed: 3 });
const plug = buildEsp8266Image({ name: 'my-plug', version: '1.0.0', size: 60_000, seed: 4 });
/** The fresh image as a device has it whose flash mode is another. */
const freshElsewhere = Buffer.from(fresh);
freshElsewhere.writeUInt8((fresh.readUInt8(2) + 1) % 4, 2);

const never = new AbortController().signal;
const ids = (devices: readonly ListedDevice[]): string[] => devices.map(({ id }) => id);

describeWithBrokers('The list of devices', (start) => {
  let server: TestBroker;
  let broker: HomieBroker;
  let client: MqttClient;
  const devices: SimulatedDevice[] = [];

  beforeEach(async () => {
    server = await start();
    client = await mqtt.connectAsync(server.url, { reconnectPeriod: 0 });
    broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/' });
  });
  afterEach(async () => {
    await Promise.all(devices.splice(0).map((device) => device.stop()));
    await broker.close();
    await client.endAsync();
    await server.stop();
  });

  const add = async (id: string, options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> => {
    const device = new SimulatedDevice({ url: server.url, id, image: old, uptime: 3600, ...options });
    devices.push(device);
    await device.start();
    return device;
  };
  const retain = async (root: string, values: Record<string, string>): Promise<void> => {
    for (const [topic, value] of Object.entries(values)) {
      await client.publishAsync(`${root}/${topic}`, value, { qos: 1, retain: true });
    }
  };
  const list = (query: Partial<DeviceQuery> = {}, firmware?: Firmware): Promise<ListedDevice[]> =>
    listDevices({ broker, updates: Queue.of(broker).updates }, { ...everyDevice, ...query }, firmware, never);
  const until = async (condition: () => boolean): Promise<void> => {
    await untilTrue(broker.registry, 'event', condition);
  };

  it('has what each device has published, once what is retained has settled', async () => {
    const device = await add('list-light', { name: 'Light in the hall' });
    await retain('homie/list-light', { '$implementation/ota/status': '200' });
    await retain('homie/list-bare', { $state: 'lost' });
    broker.start();
    const [bare, light] = await list();
    const unknown = undefined;
    assert.deepEqual(bare, {
      id: 'list-bare',
      name: unknown,
      state: 'lost',
      firmware: { name: unknown, version: unknown, checksum: unknown },
      implementation: { name: unknown, version: unknown },
      ota: { enabled: unknown, status: unknown },
      uptime: unknown,
      lastSeen: unknown,
    });
    // It has sent its statistics again, if this took long.
    assert.ok(light?.uptime !== undefined && light.uptime >= 3600);
    assert.deepEqual(light, {
      id: 'list-light',
      name: 'Light in the hall',
      state: 'ready',
      firmware: { name: 'my-light', version: '1.0.0', checksum: device.checksum },
      implementation: { name: 'esp8266', version: '3.0.0' },
      ota: { enabled: true, status: '200' },
      uptime: light.uptime,
      lastSeen: unknown,
    });
  });

  it('says when a device was last seen, by its live messages only', async () => {
    await add('list-seen');
    broker.start();
    await broker.settled();
    assert.equal((await list())[0]?.lastSeen, undefined);
    const before = Date.now();
    await client.publishAsync('homie/list-seen/$stats/uptime', '3660', { qos: 1 });
    await until(() => broker.registry.get('list-seen')?.uptime?.value === 3660);
    const seen = Date.parse((await list())[0]?.lastSeen ?? '');
    assert.ok(seen >= before - 1 && seen <= Date.now() + 1);
    assert.match((await list())[0]?.lastSeen ?? '', /^\d{4}-\d\d-\d\dT.*Z$/);
    await devices[0]?.stop();
    await until(() => broker.registry.get('list-seen')?.state?.value === 'lost');
    assert.ok(Math.abs(Date.parse((await list())[0]?.lastSeen ?? '') - seen) <= 1);
  });

  it('has those that are asked for', async () => {
    await add('list-a1');
    await add('list-a2', { image: fresh });
    await add('list-b1', { image: plug });
    await add('list-c1', { image: later });
    await add('list-c2', { image: freshElsewhere });
    await retain('homie/list-d1', { $state: 'sleeping', '$fw/name': 'my-light' });
    broker.start();
    assert.equal((await list()).length, 6);
    assert.deepEqual(ids(await list({ state: ['sleeping', 'lost'] })), ['list-d1']);
    assert.deepEqual(ids(await list({ firmware: ['my-plug', 'none'] })), ['list-b1']);
    assert.deepEqual(ids(await list({ device: ['list-a*', 'list-c2', 'list-x'] })), ['list-a1', 'list-a2', 'list-c2']);
    assert.deepEqual(ids(await list({ device: [] })), []);
    assert.deepEqual(ids(await list({ device: ['*2'], state: ['ready'], firmware: ['my-light'] })), [
      'list-a2',
      'list-c2',
    ]);
    const firmware = await Firmware.from(fresh);
    assert.deepEqual(ids(await list({}, firmware)), ['list-a1']);
    assert.deepEqual(ids(await list({ device: ['list-b*'] }, firmware)), []);
  });

  it('does not take the nodes of a device for devices', async () => {
    await add('list-outer');
    await broker.close();
    broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/list-outer/' });
    await retain('homie/list-outer/inner', { $state: 'ready' });
    broker.start();
    assert.deepEqual(ids(await list()), ['inner']);
    assert.ok(broker.registry.devices.size > 1);
  });

  it('says of each device what is on offer for it, and how far its update is', async () => {
    await add('list-old', { flashDelay: 5 });
    await add('list-fresh', { image: fresh });
    await add('list-mode', { image: freshElsewhere });
    await add('list-later', { image: later });
    await add('list-plug', { image: plug });
    await retain('homie/list-bare', { $state: 'ready', '$fw/name': 'my-light' });
    broker.start();
    await broker.settled();
    const { library } = Queue.of(broker);
    const { scope } = broker.locks;
    const states = async (): Promise<unknown> =>
      Object.fromEntries((await list()).map(({ id, update }) => [id.slice(5), update?.state]));
    assert.deepEqual([...new Set((await list()).map(({ update }) => update))], [undefined]);

    await library.offer(scope, await Firmware.from(old));
    const firmware = await Firmware.from(fresh);
    await library.offer(scope, firmware);
    const others = {
      fresh: 'up_to_date',
      mode: 'up_to_date',
      later: 'newer_installed',
      plug: undefined,
      bare: undefined,
    };
    assert.deepEqual(await states(), { old: 'available', ...others });

    const choice = { devices: ['list-old', 'list-away'] };
    await retain('homie/list-away', { $state: 'lost', '$fw/name': 'my-light', '$fw/version': '1.0.0' });
    await until(() => broker.registry.get('list-away')?.fwVersion !== undefined);
    const work = otaWork(firmware, { choice, settings: patient, rollout: sequential }, { broker });
    const { job, run } = await Queue.of(broker).ask({ node: 'node', store: undefined }, work, {});
    const written = new Promise<void>((resolve) => {
      job.on('progress', ({ device, progress }) => {
        if (device === 'list-old' && progress > 0) resolve();
      });
    });
    const updated = new Promise<void>((resolve) => {
      job.on('result', ({ device }) => {
        if (device === 'list-old') resolve();
      });
    });
    const end = run();
    await written;
    const { away, old: busy } = Object.fromEntries((await list()).map(({ id, update }) => [id.slice(5), update]));
    assert.deepEqual(away, {
      installed: '1.0.0',
      offered: '1.1.0',
      state: 'scheduled',
      reason: 'offline',
    });
    assert.deepEqual([busy?.installed, busy?.state], ['1.0.0', 'updating']);
    assert.ok((busy?.progress ?? 0) > 0 && (busy?.remaining ?? -1) >= 0);
    await updated;
    assert.deepEqual(await states(), { old: 'up_to_date', away: 'scheduled', ...others });
    job.cancel();
    await end;
    assert.deepEqual(await states(), { old: 'up_to_date', away: undefined, ...others });
  });

  it('is refused with the reason where there is no connection', async () => {
    await broker.close();
    broker = new HomieBroker({
      url: `mqtt://127.0.0.1:${await freePort()}`,
      protocolVersion: 'auto',
      baseTopic: 'homie/',
    });
    broker.start();
    await assert.rejects(list(), { code: 'BROKER_UNREACHABLE' });
    await broker.close();
    await assert.rejects(list(), { code: 'NOT_CONNECTED' });
  });
});

describeWithBrokers('Devices that are to be forgotten', (start) => {
  let server: TestBroker;
  let broker: HomieBroker;

  beforeEach(async () => {
    server = await start();
    const client = await mqtt.connectAsync(server.url, { reconnectPeriod: 0 });
    for (const [id, state] of Object.entries({ a1: 'lost', a2: 'ready', a3: 'disconnected', b1: 'lost' })) {
      await client.publishAsync(`homie/forgetting-${id}/$state`, state, { qos: 1, retain: true });
    }
    await client.endAsync();
    broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/' });
    broker.start();
  });
  afterEach(async () => {
    await broker.close();
    await server.stop();
  });

  const forget = async (query: Partial<DeviceQuery>): Promise<unknown> =>
    (
      await forgetDevices({ broker, library: Queue.of(broker).library }, { ...everyDevice, ...query }, undefined, never)
    ).map(({ id, cleared, error }) => [id.replace('forgetting-', ''), cleared.length, error?.code]);

  it('are those that a pattern matches, and each of them has an answer', async () => {
    assert.deepEqual(await forget({ device: ['forgetting-a*'] }), [
      ['a1', 1, undefined],
      ['a2', 0, 'DEVICE_PRESENT'],
      ['a3', 1, undefined],
    ]);
    assert.deepEqual([...broker.registry.devices.keys()].sort(), ['forgetting-a2', 'forgetting-b1']);
  });

  it('are those of a pattern that fit all else, and those that are named in any case', async () => {
    assert.deepEqual(await forget({ device: ['forgetting-a2', '*'], state: ['disconnected'] }), [
      ['a2', 0, 'DEVICE_PRESENT'],
      ['a3', 1, undefined],
    ]);
  });

  it('must be named: by IDs, or by a pattern that matches one', async () => {
    await assert.rejects(forget({ state: ['lost'] }), { code: 'NO_DEVICE' });
    await assert.rejects(forget({ device: [] }), { code: 'NO_DEVICE' });
    await assert.rejects(forget({ device: ['c*'] }), { code: 'NO_MATCH' });
    assert.deepEqual(await forget({ device: ['forgetting-c'] }), [['c', 0, 'DEVICE_UNKNOWN']]);
    await broker.settled();
    assert.equal(broker.registry.devices.size, 4);
  });
});
