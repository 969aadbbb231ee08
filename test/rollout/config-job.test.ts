import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { inspect } from 'node:util';
import mqtt from 'mqtt';
import { readDeviceConfig } from '../../src/config/read-config';
import { readPatch } from '../../src/config/patch';
import { checkConfig, type Remark } from '../../src/config/check-device';
import { withDeadline } from '../../src/deadline';
import type { ConfigSettings } from '../../src/config/settings';
import { HomieError } from '../../src/errors';
import { HomieBroker } from '../../src/homie/broker';
import { inEnglish } from '../../src/texts/text';
import type { Update } from '../../src/update/update';
import { ConfigJob } from '../../src/rollout/config-job';
import type { RolloutSettings } from '../../src/rollout/settings';
import { patient, quick } from '../config/lab';
import { running, sequential } from '../ota/lab';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { lateOf } from './late';
import { untilTrue } from '../support/until-true';

/** Counter for device ids: the process has one table of locks, so no id is used twice. */
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
  const job = (
    patch: unknown,
    ids: string[],
    settings: Partial<ConfigSettings> = {},
    rollout: Partial<RolloutSettings> = {},
  ) => {
    const input = { broker, patch: readPatch(patch), devices: ids, settings: { ...patient, ...settings } };
    const made = new ConfigJob(input, { ...sequential, ...rollout });
    const told: Update[] = [];
    made.on('progress', (update) => told.push(update));
    return { made, told };
  };

  it('waits for one that is always said to have just started no longer than `expires`', async () => {
    const device = await add({ uptime: 0 });
    const { made } = job({ name: 'New' }, [device.id], {}, { expires: 1500 });
    const client = await mqtt.connectAsync(server.url, { reconnectPeriod: 0 });
    const lies = setInterval(() => client.publish(`homie/${device.id}/$stats/uptime`, '0'), 50);
    try {
      const summary = await made.run();
      assert.deepEqual(
        summary.devices.map(({ state, error }) => [state, error?.code]),
        [['timed_out', 'DEVICE_OFFLINE']],
      );
    } finally {
      clearInterval(lies);
      await client.endAsync(true);
    }
  });

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

  it('moves one device after the other, and observes no canary where it is not any more', async () => {
    const [a, b] = [await add(), await add()];
    const { made } = job({ mqtt: { base_topic: 'garden/' } }, [a.id, b.id], {}, { canary: 1, soak: 600_000 });
    const summary = await made.run();
    assert.deepEqual(summary.counts, { succeeded: 2 });
    assert.deepEqual([a.baseTopic, b.baseTopic], ['garden/', 'garden/']);
    assert.deepEqual(made.state().plan.soaking, []);
  });

  it('does not observe the last canary when the end of the job was noticed before', async () => {
    const device = await add();
    const input = { broker, patch: readPatch({ name: 'New' }), devices: [device.id], settings: patient };
    let isPaused = false;
    const made: ConfigJob = new ConfigJob(
      input,
      { ...sequential, canary: 1, soak: 600_000 },
      {
        save: async () => {
          // Any command makes the job look at what is due, also while the end of its last device is stored.
          if (made.state().plan.soaking.length > 0 && !isPaused) {
            isPaused = true;
            made.pause();
          }
          await setImmediate();
          return true;
        },
      },
    );
    await made.run();
    await made.served(device.id);
    assert.equal(broker.locks.holder(device.id), undefined);
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

  describe('of a device that sleeps after a moment, and was asleep when the connection was made', () => {
    /** Adds a device that is awake for less than the uptime that a proof of its reboot would need. */
    const addAsleep = async (options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> => {
      await broker.close();
      const device = await add({ sleep: { awake: 2_500, asleep: Infinity }, ...options });
      await untilTrue(device, 'phase', () => device.phase === 'asleep');
      broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/' });
      broker.start();
      await broker.settled();
      return device;
    };
    const wakeOnce = async (device: SimulatedDevice): Promise<void> => {
      await device.wake();
      await untilTrue(device, 'phase', () => device.phase === 'asleep');
    };

    it('sends the patch at its next wake, and does not claim to have seen the reboot', async () => {
      const device = await addAsleep();
      const { made } = job({ name: 'New' }, [device.id]);
      const done = made.run();
      await wakeOnce(device);
      assert.equal(device.patches.length, 1);
      const [update] = (await done).devices;
      assert.equal(update?.state, 'succeeded');
      assert.deepEqual([update.reboot, update.config?.taken], ['unproven', ['name']]);
      assert.equal(broker.locks.isRebootPending(device.id), true);
    });

    it('says that a value was lost where the configuration after the patch shows it', async () => {
      const device = await addAsleep({ misbehavior: { forgets: 'name' } });
      const { made } = job({ name: 'New', settings: { percentage: 7 } }, [device.id]);
      const done = made.run();
      await wakeOnce(device);
      const [update] = (await done).devices;
      assert.equal(update?.error?.code, 'VALUE_LOST');
      assert.match(update.error.message, /^The device came back, but name is/);
      assert.deepEqual([update.reboot, update.config?.lost.map(({ path }) => path)], ['unproven', ['name']]);
      assert.equal(broker.locks.isRebootPending(device.id), true);
    });

    it('does not claim that it took a patch of which it shows nothing, also when it wakes later', async () => {
      const device = await addAsleep();
      const { made, told } = job({ wifi: { password: 'test' } }, [device.id], { reboot: 2_000 });
      const done = made.run();
      await wakeOnce(device);
      const [update] = (await done).devices;
      assert.equal(update?.error?.code, 'REBOOT_UNPROVEN');
      assert.equal(broker.locks.isRebootPending(device.id), true);
      while (told.at(-1)?.late !== true) await wakeOnce(device);
      assert.equal(told.at(-1)?.error?.code, 'NOT_APPLIED');
    });

    it('says that it cannot be told whether it rebooted for a patch that it refused', async () => {
      const device = await addAsleep();
      const { made } = job({ settings: { percentage: 101 } }, [device.id], { reboot: 2_000 });
      const done = made.run();
      await wakeOnce(device);
      const [update] = (await done).devices;
      assert.equal(device.patches.length, 1);
      assert.equal(update?.error?.code, 'REBOOT_UNPROVEN');
      assert.equal(broker.locks.isRebootPending(device.id), true);
    });
  });

  it('gives the true result of a late reboot as a progress marked late', async () => {
    const device = await add({ statsInterval: 1, misbehavior: { notIdle: true } });
    const { made, told } = job({ name: 'New' }, [device.id], { ...quick, reboot: 1500 });
    const summary = await made.run();
    assert.equal(summary.devices[0]?.error?.code, 'NOT_APPLIED');
    const late = lateOf(made);
    device.setIdle(true);
    await late;
    const last = told.at(-1);
    assert.deepEqual(
      [last?.late, last?.state, last?.error, last?.config?.taken],
      [true, 'succeeded', undefined, ['name']],
    );
    assert.equal(made.devices[0]?.state, 'failed');
  });

  it('watches no longer when it is abandoned', async () => {
    const device = await add({ statsInterval: 1, misbehavior: { notIdle: true } });
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

    const loses = await add({ config, misbehavior: { forgets: 'settings' } });
    seen.push(await readDeviceConfig(broker, loses.id, { received: 5_000, secretNames }));
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
    const waiting = readDeviceConfig(broker, id, { received: 10_000, secretNames: [] });
    await withDeadline(1, undefined, (signal) => once(broker.registry, 'event', { signal })).catch(() => undefined);
    await add({ id, config: { settings: { percentage: 7 } } });
    const { config, stripped, device } = await waiting;
    assert.equal(device, id);
    assert.deepEqual(config['settings'], { percentage: 7 });
    assert.deepEqual(stripped, ['wifi.password', 'mqtt.username', 'mqtt.password']);
    await assert.rejects(readDeviceConfig(broker, 'nobody', { received: 50, secretNames: [] }), {
      code: 'DEVICE_UNKNOWN',
    });
  });

  it('checks without sending anything', async () => {
    const device = await add();
    const offline = await add();
    await offline.stop();
    await untilTrue(broker.registry, 'event', () => broker.registry.get(offline.id)?.state?.value === 'lost');
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

  it('says the same of a check in English and in the texts for other languages', async () => {
    const device = await add({ config: { settings: { percentage: 7 } } });
    const patch = readPatch({ wifi: { ssid: 'other', channel: 99 }, settings: { percentage: 'x' }, nmae: 'x' });
    const [checked] = (await checkConfig(broker, patch, [device.id], patient)).devices;
    assert.ok(checked);
    const { says, reason, problems, risks, warnings } = checked;
    assert.match(reason, /wifi\.bssid/);
    assert.equal(says.reason.map(inEnglish).join(' '), reason);
    assert.ok(problems.length > 1 && risks.length > 1 && warnings.length > 1);
    const read = (remarks: readonly Remark[]) =>
      remarks.map(({ path, says: texts }) => [path, ...texts.map(inEnglish)]);
    assert.deepEqual(
      read(says.problems),
      problems.map(({ path, message, hint }) => [path, message, hint]),
    );
    assert.deepEqual(
      read(says.risks),
      risks.map(({ path, message }) => [path, message]),
    );
    assert.deepEqual(
      read(says.warnings),
      warnings.map(({ path, message, hint }) => [path, message, hint]),
    );
  });
});
