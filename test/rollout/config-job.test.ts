import assert from 'node:assert/strict';
import { once } from 'node:events';
import { inspect } from 'node:util';
import { getConfig } from '../../src/config/get';
import { readPatch } from '../../src/config/patch';
import { checkConfig } from '../../src/config/preview';
import { withDeadline } from '../../src/deadline';
import type { ConfigSettings } from '../../src/config/settings';
import { HomieError } from '../../src/errors';
import { HomieBroker } from '../../src/homie/broker';
import type { Update } from '../../src/homie/update';
import { ConfigJob } from '../../src/rollout/config-job';
import { patient, quick } from '../config/lab';
import { running, sequential } from '../ota/lab';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';

/** Locks are one for the process: no id is used twice. */
let count = 0;

describeWithBrokers('a job that changes configurations', (start) => {
  let server: TestBroker;
  let broker: HomieBroker;
  const devices: SimulatedDevice[] = [];

  beforeEach(async () => {
    server = await start();
    broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/' });
    broker.start();
  });
  afterEach(async () => {
    await Promise.all(devices.splice(0).map((device) => device.stop()));
    await broker.close();
    await server.stop();
  });

  const add = async (options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> => {
    const device = new SimulatedDevice({
      url: server.url,
      id: `conf-${(count += 1)}`,
      image: running,
      uptime: 3600,
      ...options,
    });
    devices.push(device);
    await device.start();
    return device;
  };
  const job = (patch: unknown, ids: string[], settings: Partial<ConfigSettings> = {}) => {
    const input = { broker, patch: readPatch(patch), devices: ids, settings: { ...patient, ...settings } };
    const made = new ConfigJob(input, sequential);
    const told: Update[] = [];
    made.on('progress', (update) => told.push(update));
    return { made, told };
  };

  it('changes one device after the other', async () => {
    const [a, b] = [await add(), await add()];
    const { made } = job({ name: 'New' }, [a.id, b.id]);
    const summary = await made.run();
    assert.deepEqual(summary.counts, { succeeded: 2 });
    assert.deepEqual(
      summary.devices.map(({ config, to }) => [config?.taken, to]),
      [
        [['name'], undefined],
        [['name'], undefined],
      ],
    );
  });

  it('says why a patch was refused, and what could have happened', async () => {
    const device = await add();
    const { made } = job({ wifi: { ssid: 'other' }, name: '' }, [device.id], { allowRisky: false });
    const [update] = (await made.run()).devices;
    assert.equal(update?.state, 'rejected');
    assert.equal(update.error?.code, 'CONFIG_RULE');
    assert.deepEqual(
      update.config?.problems.map(({ code }) => code),
      ['CONFIG_RULE', 'RISK_NOT_ALLOWED'],
    );
    assert.deepEqual(
      update.config.risks.map(({ path }) => path),
      ['wifi.ssid'],
    );
  });

  it('gives the true result of a late reboot as a progress marked late', async () => {
    const device = await add({ statsInterval: 1, misbehaviour: { notIdle: true } });
    const { made, told } = job({ name: 'New' }, [device.id], { ...quick, reboot: 1500 });
    const summary = await made.run();
    assert.equal(summary.devices[0]?.error?.code, 'NOT_APPLIED');
    device.setIdle(true);
    await made.afterwards();
    const last = told.at(-1);
    assert.deepEqual(
      [last?.late, last?.state, last?.error, last?.config?.taken],
      [true, 'succeeded', undefined, ['name']],
    );
    assert.equal(made.summary().devices[0]?.state, 'failed');
  });

  it('watches no longer when it is abandoned', async () => {
    const device = await add({ statsInterval: 1, misbehaviour: { notIdle: true } });
    const { made, told } = job({ name: 'New' }, [device.id], quick);
    const summary = await made.run();
    assert.equal(summary.devices[0]?.error?.code, 'NOT_APPLIED');
    await made.abandon();
    assert.equal(
      told.some(({ late }) => late),
      false,
    );
  });

  it('shows planted secrets nowhere: not in updates, summaries, checks, configurations or errors', async () => {
    const planted = ['pl4nt-wifi', 'pl4nt-user', 'pl4nt-mqtt', 'pl4nt-token', 'pl4nt-old', 'pl4nt-mine'];
    const [wifi = '', user = '', password = '', token = '', old = '', mine = ''] = planted;
    const config = { settings: { apiToken: old, pin: mine } };
    const secretNames = ['token', 'pin'];
    const patch = {
      wifi: { password: wifi },
      mqtt: { auth: true, username: user, password },
      settings: { apiToken: token, percentage: 7 },
    };
    const seen: unknown[] = [];
    const collect = async (device: SimulatedDevice, change: unknown, settings: Partial<ConfigSettings>) => {
      const { made, told } = job(change, [device.id], { secretNames, ...settings });
      seen.push(await made.run());
      await made.abandon();
      seen.push(...told);
    };

    const loses = await add({ config, misbehaviour: { forgets: 'settings' } });
    seen.push(await getConfig(broker, loses.id, { received: 5_000, secretNames }));
    seen.push(await checkConfig(broker, readPatch(patch), [loses.id], { ...patient, secretNames, split: true }));
    await collect(loses, { settings: { apiToken: token } }, {});
    await collect(await add({ config }), { wifi: { password: wifi.repeat(9) } }, {});
    await collect(await add({ config }), patch, { ...quick, split: true });
    await collect(await add({ config }), { settings: { apiToken: token, pin: mine } }, {});
    await collect(await add({ config }), { wifi: wifi, settings: token }, {});
    try {
      readPatch(`{"wifi":{"password":"${wifi}"}`);
    } catch (error) {
      seen.push(error, error instanceof HomieError && error.hint);
    }
    const updates = seen.filter((each): each is Update => typeof each === 'object' && each !== null && 'phase' in each);
    assert.ok(updates.length > 5);
    assert.match(JSON.stringify(seen), /VALUE_LOST/);
    for (const text of [JSON.stringify(seen), inspect(seen, { depth: Infinity, showHidden: true })]) {
      for (const secret of planted) assert.ok(!text.includes(secret), `${secret} is in ${text}`);
    }
  });

  it('gets a configuration, retained or as it comes, with what the device strips', async () => {
    const id = `late-${(count += 1)}`;
    const waiting = getConfig(broker, id, { received: 10_000, secretNames: [] });
    await withDeadline(1, undefined, (signal) => once(broker.registry, 'event', { signal })).catch(() => undefined);
    await add({ id, config: { settings: { percentage: 7 } } });
    const { config, stripped, device } = await waiting;
    assert.equal(device, id);
    assert.deepEqual(config['settings'], { percentage: 7 });
    assert.deepEqual(stripped, ['wifi.password', 'mqtt.username', 'mqtt.password']);
    await assert.rejects(getConfig(broker, 'nobody', { received: 50, secretNames: [] }), { code: 'DEVICE_UNKNOWN' });
  });

  it('checks without sending anything', async () => {
    const device = await add();
    const offline = await add();
    await offline.stop();
    while (broker.registry.get(offline.id)?.state?.value !== 'lost') await once(broker.registry, 'event');
    const ids = [device.id, offline.id, 'nobody'];
    const { devices: checks, counts } = await checkConfig(broker, readPatch({ name: 'New' }), ids, patient);
    assert.deepEqual(
      checks.map(({ verdict }) => verdict),
      ['set', 'offline', 'unseen'],
    );
    assert.deepEqual(counts, { set: 1, offline: 1, unseen: 1 });
    assert.deepEqual(checks[0]?.differences, [{ path: 'name', from: device.id, to: 'New' }]);
    assert.deepEqual([checks[0].messages, checks[0].reboots], [1, 1]);
    assert.deepEqual(device.patches, []);
  });
});
