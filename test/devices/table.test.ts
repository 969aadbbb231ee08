import assert from 'node:assert/strict';
import { once } from 'node:events';
import mqtt, { type MqttClient } from 'mqtt';
import { Firmware } from '../../src/firmware/firmware';
import type { ErrorCode } from '../../src/errors';
import { HomieBroker } from '../../src/homie/broker';
import { configDefaults } from '../../src/config/settings';
import { configWork } from '../../src/rollout/config-work';
import { otaWork } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import { rolloutDefaults } from '../../src/rollout/settings';
import { DeviceTable, type TableChanges, type TableRow } from '../../src/devices/table';
import { patient } from '../ota/lab';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { buildEsp8266Image, running as old } from '../support/images';
import { untilTrue } from '../support/until-true';
import { endedUpdate } from '../support/updates';

const fresh = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 400_000, seed: 2 });

describeWithBrokers('The table of devices', (start) => {
  let server: TestBroker;
  let broker: HomieBroker;
  let table: DeviceTable;
  let client: MqttClient;
  const devices: SimulatedDevice[] = [];

  beforeEach(async () => {
    server = await start();
    client = await mqtt.connectAsync(server.url, { reconnectPeriod: 0 });
    broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/' });
    table = new DeviceTable(broker, Queue.of(broker).updates);
    table.start();
  });
  afterEach(async () => {
    table.close();
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
  /** What has changed since the cursor, as soon as that is so. */
  const changes = async (cursor: string, fits: (found: TableChanges) => boolean): Promise<TableChanges> => {
    for (;;) {
      const changed = once(table, 'changed');
      const found = table.read(cursor);
      if (fits(found)) return found;
      await changed;
    }
  };
  const rowOf = async (id: string, fits: (row: TableRow) => boolean): Promise<TableRow> => {
    const { rows } = await changes('', (found) => found.rows.some((row) => row.id === id && fits(row)));
    return rows.find((row) => row.id === id) ?? assert.fail();
  };

  it('is told as a whole once, and then as what has changed', async () => {
    const device = await add('table-a');
    await add('table-b', { name: '<b>B</b>' });
    broker.start();
    await broker.settled();
    const first = table.read(undefined);
    assert.equal(first.full, true);
    assert.deepEqual(first.rows, [
      {
        id: 'table-a',
        name: 'table-a',
        state: 'ready',
        firmware: 'my-light',
        version: '1.0.0',
        checksum: device.checksum,
      },
      {
        id: 'table-b',
        name: '<b>B</b>',
        state: 'ready',
        firmware: 'my-light',
        version: '1.0.0',
        checksum: device.checksum,
      },
    ]);
    const again = table.read(first.cursor);
    assert.deepEqual(again, { cursor: first.cursor, full: false, rows: [], gone: [] });

    await device.stop();
    const next = await changes(first.cursor, ({ rows }) => rows.length > 0);
    assert.equal(next.full, false);
    assert.deepEqual(
      next.rows.map(({ id, state }) => [id, state]),
      [['table-a', 'lost']],
    );
    assert.deepEqual(table.read(next.cursor), { cursor: next.cursor, full: false, rows: [], gone: [] });
  });

  it('drops what the registry has forgotten', async () => {
    broker.start();
    await broker.settled();
    const { registry } = broker;
    for (let id = 0; id <= registry.limit; id += 1) {
      registry.receive(`homie/made-up-${id}/$state`, Buffer.from('ready'), false);
      // What is forgotten was in the table.
      if (id === 0) table.read(undefined);
    }
    const { rows } = table.read(undefined);
    assert.equal(rows.length, registry.devices.size);
    assert.ok(!rows.some(({ id }) => id === 'made-up-0'));
  });

  it('tells of devices that are gone, and takes back one that comes again', async () => {
    await client.publishAsync('homie/table-gone/$state', 'lost', { qos: 1, retain: true });
    broker.start();
    await broker.settled();
    const { cursor, rows } = table.read(undefined);
    assert.deepEqual(rows, [{ id: 'table-gone', state: 'lost' }]);
    await client.publishAsync('homie/table-gone/$state', '', { qos: 1, retain: true });
    const found = await changes(cursor, ({ gone }) => gone.length > 0);
    assert.deepEqual([found.gone, found.rows], [['table-gone'], []]);
    await client.publishAsync('homie/table-gone/$state', 'lost', { qos: 1, retain: true });
    const back = await changes(found.cursor, (one) => one.rows.length > 0);
    assert.deepEqual(back.gone, []);
    assert.deepEqual(table.read(cursor).gone, [], 'it is there');
  });

  it('comes as a whole to whoever has a cursor of another table, or one that makes no sense', async () => {
    await add('table-any');
    broker.start();
    await broker.settled();
    const { cursor } = table.read(undefined);
    const [own] = cursor.split('.');
    for (const strange of [
      '',
      'x',
      `${own}.`,
      `${own}.99`,
      `${own}.-1`,
      `${own}.1e3`,
      'other.1',
      '.',
      `${own}.1.1x`.slice(0, 5),
    ]) {
      const { full, rows } = table.read(strange);
      assert.deepEqual([full, rows.length], [true, 1], strange);
    }
  });

  it('shows what was while the broker is away, and what is when it is back', async () => {
    const device = await add('table-away');
    broker.start();
    await broker.settled();
    const { cursor } = table.read(undefined);
    await device.stop();
    await changes(cursor, ({ rows }) => rows[0]?.state === 'lost');
    const lost = once(broker, 'status');
    await server.stop();
    await lost;
    const { rows, gone } = table.read(cursor);
    assert.deepEqual([rows.map(({ state }) => state), gone], [['lost'], []]);
  });

  it('shows no update for a device with a newer version, and that one is held back after a rollback', async () => {
    const newer = buildEsp8266Image({ name: 'my-light', version: '2.0.0', seed: 3 });
    await add('table-newer', { image: newer });
    await add('table-back');
    await add('table-same', { image: fresh });
    broker.start();
    await broker.settled();
    const firmware = await Firmware.from(fresh);
    const { library } = Queue.of(broker);
    await library.offer(broker.locks.scope, firmware);
    const offer = { version: '1.1.0', checksum: firmware.info.md5 };
    const first = await rowOf('table-back', (row) => row.offer !== undefined);
    assert.deepEqual(first.offer, { state: 'available', ...offer });
    assert.equal(first.canRollBack, undefined);
    const { md5 } = (await Firmware.from(old)).info;
    const key = `${broker.locks.scope}table-back`;
    const load = (): Promise<Firmware> => Firmware.from(old);
    await library.proven(key, { md5, from: firmware.info.md5, load, isRollback: true });
    const back = await rowOf('table-back', (row) => row.offer?.state !== 'available');
    assert.deepEqual(back.offer, { state: 'held', ...offer });
    const newerRow = await rowOf('table-newer', () => true);
    assert.deepEqual([newerRow.offer, newerRow.update], [{ state: 'newer_installed', ...offer }, undefined]);
    assert.equal((await rowOf('table-same', () => true)).offer, undefined);
    await library.allowAgain(key, firmware.info.md5);
    await rowOf('table-back', (row) => row.offer?.state === 'available');
    await library.exclude(key, true);
    const excluded = await rowOf('table-back', (row) => row.excluded === true);
    assert.equal(excluded.offer?.state, 'available');
    await library.exclude(key, false);
    await rowOf('table-back', (row) => row.excluded === undefined);
  });

  it('shows a configuration change beside what is on offer, and a device that accepts no firmware', async () => {
    const device = await add('table-config', { config: { ota: { enabled: false } } });
    broker.start();
    await broker.settled();
    await Queue.of(broker).library.offer(broker.locks.scope, await Firmware.from(fresh));
    assert.equal((await rowOf('table-config', ({ offer }) => offer?.state === 'available')).otaOff, true);
    const wish = {
      patch: { ota: { enabled: true } },
      devices: [device.id],
      settings: configDefaults,
      rollout: { ...rolloutDefaults, canary: 0, soak: 0 },
    };
    const work = configWork(wish, { broker });
    const { job, run } = await Queue.of(broker).ask({ node: 'node', store: undefined }, work, {});
    await run();
    const changed = await rowOf(
      'table-config',
      ({ otaOff, update }) => otaOff === undefined && update?.state === 'succeeded',
    );
    assert.deepEqual([changed.update?.job, changed.update?.change], [job.id, 'configuration']);
    assert.equal(changed.offer?.state, 'available');
  });

  it('shows that an image is held back which did not run on the device', async () => {
    await add('table-failed');
    await add('table-lost');
    broker.start();
    await broker.settled();
    const firmware = await Firmware.from(fresh);
    const { history, library } = Queue.of(broker);
    const fail = (device: string, code: ErrorCode): Promise<void> =>
      history.ended(broker.locks.keyOf(device), firmware.info.md5, endedUpdate(device, 'failed', code));
    await fail('table-failed', 'NOT_BACK');
    await fail('table-lost', 'NOT_REBOOTED');
    await library.offer(broker.locks.scope, firmware);
    assert.equal((await rowOf('table-failed', ({ offer }) => offer !== undefined)).offer?.state, 'held');
    assert.equal((await rowOf('table-lost', ({ offer }) => offer !== undefined)).offer?.state, 'available');
  });

  it('says that a job was paused, though no device shows it', async () => {
    await add('table-paused');
    broker.start();
    await broker.settled();
    const work = otaWork(
      await Firmware.from(fresh),
      { choice: { devices: ['table-absent'] }, settings: patient, rollout: rolloutDefaults },
      { broker },
    );
    const { job, run } = await Queue.of(broker).ask({ node: 'node', store: undefined }, work, {});
    void run();
    await changes('', () => job.devices[0]?.state === 'waiting');
    const changed = once(table, 'changed');
    job.pause();
    await changed;
    job.cancel();
    await job.untilIdle();
  });

  it('says that an image was put on offer, though no device shows it and there is no connection', async () => {
    table.read(undefined);
    const changed = once(table, 'changed');
    await Queue.of(broker).library.offer(broker.locks.scope, await Firmware.from(fresh));
    await changed;
  });

  it('shows how far the update of each device is, to its proven end', async () => {
    const device = await add('table-update', { flashDelay: 20, statsInterval: 1 });
    await add('table-queued', { flashDelay: 20 });
    broker.start();
    await broker.settled();
    // A reboot is proven by an uptime that fell.
    await untilTrue(broker.registry, 'event', () => broker.registry.get('table-update')?.uptime?.live === true);
    const firmware = await Firmware.from(fresh);
    await Queue.of(broker).library.offer(broker.locks.scope, firmware);
    await rowOf('table-update', ({ offer }) => offer?.state === 'available');

    const wish = {
      choice: { devices: ['table-update', 'table-queued'] },
      settings: patient,
      rollout: { ...rolloutDefaults, canary: 0, soak: 0 },
    };
    const work = otaWork(firmware, wish, { broker });
    const { job, run } = await Queue.of(broker).ask({ node: 'node', store: undefined }, work, {});
    const ran = run();
    const queued = await rowOf(
      'table-queued',
      ({ update }) => update?.state === 'queued' || update?.state === 'waiting',
    );
    assert.equal(queued.update?.version, '1.1.0');
    assert.deepEqual([queued.update.job, queued.update.change], [job.id, 'firmware']);
    const waits = await rowOf('table-queued', ({ update }) => update?.why?.kind === 'slot');
    assert.equal(waits.update?.why?.count, 1);
    const flashing = await rowOf('table-update', ({ update }) => update?.phase === 'flashing');
    assert.equal(flashing.update?.state, 'running');
    assert.ok((flashing.update?.progress ?? 0) > 0);
    await ran;
    const { update, checksum, version, canRollBack, offer } = await rowOf(
      'table-update',
      (row) => row.update?.state === 'succeeded' && row.offer === undefined,
    );
    assert.deepEqual(update, {
      job: job.id,
      change: 'firmware',
      state: 'succeeded',
      version: '1.1.0',
      checksum: firmware.info.md5,
    });
    assert.deepEqual([checksum, version, canRollBack, offer], [device.checksum, '1.1.0', undefined, undefined]);
  });
});
