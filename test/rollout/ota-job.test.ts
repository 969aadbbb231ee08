import { md5 } from '../../src/firmware/checksum';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { HomieBroker } from '../../src/homie/broker';
import type { Update } from '../../src/update/update';
import { Firmware } from '../../src/firmware/firmware';
import { check } from '../../src/ota/check';
import type { JobState } from '../../src/rollout/job-state';
import type { JobView } from '../../src/rollout/job-view';
import { OtaJob } from '../../src/rollout/ota-job';
import { Queue } from '../../src/rollout/queue';
import type { RolloutSettings } from '../../src/rollout/settings';
import { patient, sequential } from '../ota/lab';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { buildEsp8266Image, running as old, next as fresh } from '../support/images';
import { lateOf } from './late';
import { untilTrue } from '../support/until-true';

const other = buildEsp8266Image({ name: 'my-plug', version: '1.0.0', size: 60_000, seed: 3 });

describeWithBrokers('a job of several devices', (start) => {
  let server: TestBroker;
  let broker: HomieBroker;
  let firmware: Firmware;
  let count = 0;
  const devices: SimulatedDevice[] = [];

  before(async () => {
    firmware = await Firmware.from(fresh);
  });
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
      id: `job-${(count += 1)}`,
      image: old,
      uptime: 3600,
      ...options,
    });
    devices.push(device);
    await device.start();
    return device;
  };
  const run = async (job: OtaJob): Promise<{ results: Update[]; progress: Update[] }> => {
    const results: Update[] = [];
    const progress: Update[] = [];
    job.on('result', (update) => results.push(update));
    job.on('progress', (update) => progress.push(update));
    await job.run();
    return { results, progress };
  };

  it('hashes the image in no other way where the device reports its MD5', async () => {
    const device = await add({ image: fresh });
    await broker.settled();
    const { image, info } = firmware;
    const hashed = { image, info, checksums: () => Promise.reject(new Error('It was hashed')) };
    const input = { broker, firmware: hashed, choice: { devices: [device.id] }, settings: patient };
    const { results } = await run(new OtaJob(input, sequential));
    assert.deepEqual(
      results.map(({ reason }) => reason),
      ['up_to_date'],
    );
  });

  it('has updated a device that took the image although it seemed to have fallen asleep before', async () => {
    const device = await add({ flashDelay: 20, misbehavior: { loseStatuses: () => true } });
    await broker.settled();
    const input = { broker, firmware, choice: { devices: [device.id] }, settings: patient };
    const job = new OtaJob(input, sequential);
    // The image arrives before the device disconnects.
    const topic = `homie/${device.id}/$state`;
    device.once('status', () => void broker.connection.publish(topic, 'sleeping', { qos: 1, timeout: 5_000 }));
    const { results, progress } = await run(job);
    assert.ok(progress.some(({ state, attempt }, index) => index > 0 && state === 'waiting' && attempt === 0));
    assert.deepEqual(
      results.map(({ state, reboot }) => ({ state, reboot })),
      [{ state: 'succeeded', reboot: 'unproven' }],
    );
    const again = await run(new OtaJob(input, sequential));
    assert.deepEqual(
      again.results.map(({ reason }) => reason),
      ['up_to_date'],
    );
  });

  it('sends no image that failures stop in another rollout while a device has its turn', async () => {
    const device = await add();
    await broker.settled();
    const { history } = Queue.of(broker);
    const choice = { runningThisFirmware: true } as const;
    const job = new OtaJob({ broker, firmware, choice, settings: patient }, sequential);
    job.on('progress', ({ state }) => {
      if (state === 'running') void history.stop(broker.locks.scope, firmware.info.md5);
    });
    const { results } = await run(job);
    assert.deepEqual(
      results.map(({ state, reason }) => ({ state, reason })),
      [{ state: 'skipped', reason: 'stopped' }],
    );
    assert.deepEqual(device.received, []);
  });

  it('tells late that a device with a busy sketch runs the image', async () => {
    const device = await add({ statsInterval: 1, misbehavior: { notIdle: true } });
    await broker.settled();
    const settings = { ...patient, reboot: 600 };
    const job = new OtaJob({ broker, firmware, choice: { devices: [device.id] }, settings }, sequential);
    const { results, progress } = await run(job);
    assert.deepEqual(
      results.map(({ error }) => error?.code),
      ['NOT_REBOOTED'],
    );
    const late = lateOf(job);
    device.setIdle(true);
    await late;
    const last = progress.at(-1);
    assert.deepEqual([last?.late, last?.state, last?.reboot, last?.error], [true, 'succeeded', 'proven', undefined]);
    assert.equal(job.devices[0]?.state, 'failed');
    assert.equal(broker.locks.isRebootPending(device.id), false);
  });

  it('watches such a device no longer when it is abandoned', async () => {
    const device = await add({ statsInterval: 1, misbehavior: { notIdle: true } });
    await broker.settled();
    const settings = { ...patient, reboot: 600 };
    const job = new OtaJob({ broker, firmware, choice: { devices: [device.id] }, settings }, sequential);
    const { results, progress } = await run(job);
    assert.deepEqual(
      results.map(({ error }) => error?.code),
      ['NOT_REBOOTED'],
    );
    await job.abandon();
    assert.equal(
      progress.some(({ late }) => late),
      false,
    );
    assert.equal(broker.locks.isRebootPending(device.id), true);
  });

  for (const [what, misbehavior, expected] of [
    ['the canary that it observes', {}, (id: string) => ({ soaking: [id], failures: 0 })],
    ['a failure', { failEraseAt: 0 }, () => ({ soaking: [], failures: 1 })],
  ] as const) {
    it(`has stored ${what} when it reports the result`, async () => {
      const [device, second] = [await add({ misbehavior }), await add()];
      await broker.settled();
      const stored: JobState[] = [];
      const save = async (changed: JobView): Promise<boolean> => stored.push(changed.state()) > 0;
      const input = { broker, firmware, choice: { devices: [device.id, second.id] }, settings: patient };
      const job = new OtaJob(
        input,
        { ...sequential, canary: 1, maxFailures: 2, soak: 600_000, spacing: 600_000 },
        { save },
      );
      const result = once(job, 'result');
      const ended = job.run();
      await result;
      const plan = stored.at(-1)?.plan;
      assert.deepEqual({ soaking: plan?.soaking, failures: plan?.failures }, expected(device.id));
      await job.abandon();
      await ended.catch(() => undefined);
    });
  }

  it('brings the image onto one after the other, and gives one result for each', async () => {
    const [a, b, c] = [await add(), await add(), await add()];
    await broker.settled();
    const job = new OtaJob(
      { broker, firmware, choice: { devices: [a.id, b.id, c.id] }, settings: patient },
      sequential,
    );
    const { results, progress } = await run(job);

    assert.deepEqual(results.map(({ device }) => device).sort(), [a.id, b.id, c.id].sort());
    for (const device of [a, b, c]) assert.ok(device.image.equals(fresh));
    const running = new Set<string>();
    for (const { device, state } of progress) {
      if (state === 'running') running.add(device);
      else running.delete(device);
      assert.ok(running.size <= 1, 'two devices at once');
    }
    const { state, counts, text } = job.summary();
    assert.equal(state, 'succeeded');
    assert.deepEqual(counts, { succeeded: 3 });
    assert.match(text, /^3 devices: 3 updated/);
  });

  it('finds all devices that run this firmware, and leaves the others alone', async () => {
    const [light, plug, current] = [await add(), await add({ image: other }), await add({ image: fresh })];
    const { results } = await run(
      new OtaJob({ broker, firmware, choice: { runningThisFirmware: true }, settings: patient }, sequential),
    );

    const states = Object.fromEntries(results.map(({ device, state }) => [device, state]));
    assert.deepEqual(states, { [light.id]: 'succeeded', [current.id]: 'skipped' });
    assert.deepEqual(plug.received, []);
  });

  it('says so when no device runs this firmware', async () => {
    await add({ image: other });
    const job = new OtaJob({ broker, firmware, choice: { runningThisFirmware: true }, settings: patient }, sequential);
    await assert.rejects(job.run(), { code: 'NO_MATCH' });
  });

  it('lets a device that is away hold up nobody', async () => {
    const [away, there] = [await add(), await add()];
    await broker.settled();
    await away.stop();
    await untilTrue(broker.registry, 'event', () => broker.registry.get(away.id)?.state?.value === 'lost');
    const job = new OtaJob(
      { broker, firmware, choice: { devices: [away.id, there.id] }, settings: patient },
      { ...sequential, expires: 60_000 },
    );
    const ended = job.run();
    const [first] = await once(job, 'result');
    assert.equal(first.device, there.id);
    assert.equal(first.state, 'succeeded');

    await away.start();
    await ended;
    assert.ok(away.image.equals(fresh));
  });

  it('waits for a device that another job has, takes no slot meanwhile, and decides again when it is free', async () => {
    const [shared, free] = [await add({ flashDelay: 20 }), await add()];
    await broker.settled();
    const job = (ids: string[], settings: RolloutSettings): OtaJob =>
      new OtaJob({ broker, firmware, choice: { devices: ids }, settings: patient }, settings);
    const first = job([shared.id], sequential);
    const ended = first.run();
    await untilTrue(first, 'progress', () => first.devices[0]?.state === 'running');
    const { results, progress } = await run(job([shared.id, free.id], { ...sequential, concurrency: 1 }));
    assert.deepEqual(
      results.map(({ device, state, reason }) => [device, state, reason]),
      [
        [free.id, 'succeeded', undefined],
        [shared.id, 'skipped', 'up_to_date'],
      ],
    );
    const waiting = progress.find(({ state }) => state === 'waiting');
    assert.deepEqual([waiting?.device, waiting?.reason], [shared.id, 'busy']);
    assert.match(waiting?.hint ?? '', /busy with another job/);
    assert.equal((await ended).state, 'succeeded');
    assert.equal(shared.images.length, 1);
  });

  it('shows after a restart that a device waits whose turn had come, and that was sent nothing', async () => {
    const device = await add();
    await broker.settled();
    const input = { broker, firmware, choice: { devices: [device.id] }, settings: patient };
    const before = new OtaJob(input, sequential);
    before.pause();
    void before.run();
    while (!before.state().admitted) await nextTurn();
    const { devices: entries, ...others } = before.state();
    const turn = entries.map((each) => ({
      ...each,
      entry: { ...each.entry, state: 'running', phase: 'sending' } as const,
    }));
    await before.abandon();
    const after = new OtaJob(input, sequential, { restored: { id: 'after', state: { ...others, devices: turn } } });
    void after.restart();
    const [shown] = after.devices;
    assert.deepEqual([shown?.state, shown?.reason, shown?.phase], ['waiting', 'paused', undefined]);
    await after.abandon();
  });

  it('gives up a device that another job has for too long', async () => {
    const device = await add({ flashDelay: 20 });
    await broker.settled();
    const input = { broker, firmware, choice: { devices: [device.id] }, settings: patient };
    const first = new OtaJob(input, sequential);
    const ended = first.run();
    await untilTrue(first, 'progress', () => first.devices[0]?.state === 'running');
    const { results } = await run(new OtaJob(input, { ...sequential, expires: 0 }));
    assert.deepEqual([results[0]?.state, results[0]?.error?.code], ['timed_out', 'DEVICE_BUSY']);
    assert.deepEqual(results[0]?.from, { name: 'my-light', version: '1.0.0', checksum: await md5(device.image) });
    assert.equal((await ended).state, 'succeeded');
  });

  it('holds the lock of a device across connections to the same broker', async () => {
    const device = await add({ flashDelay: 20 });
    const second = new HomieBroker({
      url: server.url.replace('127.0.0.1', 'localhost'),
      protocolVersion: 'auto',
      baseTopic: 'homie',
    });
    second.start();
    try {
      await Promise.all([broker.settled(), second.settled()]);
      const ended = new OtaJob(
        { broker, firmware, choice: { devices: [device.id] }, settings: patient },
        sequential,
      ).run();
      const { results } = await run(
        new OtaJob({ broker: second, firmware, choice: { devices: [device.id] }, settings: patient }, sequential),
      );
      assert.deepEqual([results[0]?.state, results[0]?.reason], ['skipped', 'up_to_date']);
      assert.equal((await ended).state, 'succeeded');
      assert.equal(device.images.length, 1);
    } finally {
      await second.close();
    }
  });

  it('cancels what waits, and watches no longer what was sent, which stays locked until it restarts', async () => {
    const [a, b] = [await add({ flashDelay: 20, statsInterval: 1 }), await add()];
    await broker.settled();
    // Only an uptime lower than the previous one shows a restart.
    await untilTrue(broker.registry, 'event', () => broker.registry.get(a.id)?.uptime?.live === true);
    const job = new OtaJob({ broker, firmware, choice: { devices: [a.id, b.id] }, settings: patient }, sequential);
    // At once: several statuses may arrive together.
    const canceled = new Promise((resolve) => {
      job.on('progress', ({ phase }) => {
        if (phase === 'accepted' || phase === 'flashing') resolve([job.cancel(), broker.locks.isRebootPending(a.id)]);
      });
    });
    const { counts, devices: updates } = await job.run();
    assert.deepEqual(await canceled, [{ unsent: [b.id], sent: [a.id] }, true]);
    assert.deepEqual(counts, { canceled: 2 });
    assert.deepEqual(
      updates.map(({ reason }) => reason),
      ['already_sent', undefined],
    );
    assert.match(String(updates[0]?.hint), /may still take effect/);
    assert.deepEqual(b.received, []);
    await untilTrue(broker.registry, 'event', () => !broker.locks.isRebootPending(a.id));
    assert.ok(a.image.equals(fresh));
  });

  it('cancels a device before the devices are found', async () => {
    const [a, b] = [await add(), await add()];
    await broker.settled();
    const job = new OtaJob({ broker, firmware, choice: { devices: [a.id, b.id] }, settings: patient }, sequential);
    const ended = job.run();
    assert.deepEqual(job.cancel([b.id]), { unsent: [b.id], sent: [] });
    assert.deepEqual((await ended).counts, { succeeded: 1, canceled: 1 });
    assert.deepEqual(b.received, []);
  });

  it('refuses ids that are none, and sends nothing', async () => {
    for (const id of ['', 'a/b', '+', '#', '$broadcast', 'a b']) {
      const job = new OtaJob({ broker, firmware, choice: { devices: [id] }, settings: patient }, sequential);
      await assert.rejects(job.run(), { code: 'INVALID_DEVICE_ID' }, JSON.stringify(id));
    }
    await assert.rejects(
      new OtaJob({ broker, firmware, choice: { devices: [] }, settings: patient }, sequential).run(),
      { code: 'NO_DEVICE' },
    );
  });

  it('tells beforehand what it would do, and sends nothing', async () => {
    const light = await add();
    const plug = await add({ image: other });
    const current = await add({ image: fresh });
    const closed = await add({ config: { ota: { enabled: false } } });
    const ahead = await add({ image: buildEsp8266Image({ name: 'my-light', version: '2.0.0', seed: 5 }) });
    const away = await add();
    const busy = await add();
    await broker.settled();
    await away.stop();
    await untilTrue(broker.registry, 'event', () => broker.registry.get(away.id)?.state?.value === 'lost');
    broker.locks.acquire(busy.id, 'somebody');

    const ids = [light, plug, current, closed, ahead, away, busy].map(({ id }) => id);
    const { devices: checked, counts } = await check(broker, firmware, { devices: [...ids, 'nobody'] }, patient);
    broker.locks.release(busy.id, 'somebody');
    assert.deepEqual(
      checked.map(({ verdict }) => verdict),
      ['update', 'incompatible', 'up_to_date', 'ota_disabled', 'older', 'offline', 'busy', 'unknown'],
    );
    assert.equal(counts.update, 1);
    for (const device of devices) assert.deepEqual(device.received, []);
  });
});
