import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { readPatch } from '../../src/config/patch';
import { configDefaults } from '../../src/config/settings';
import { HomieError } from '../../src/errors';
import { Firmware } from '../../src/firmware/firmware';
import { HomieBroker } from '../../src/homie/broker';
import { moment } from '../../src/homie/elapsed';
import { DeviceLocks } from '../../src/homie/lock';
import type { Update } from '../../src/update/update';
import { ConfigJob } from '../../src/rollout/config-job';
import type { Job } from '../../src/rollout/job';
import type { JobOptions } from '../../src/rollout/job-view';
import { OtaJob } from '../../src/rollout/ota-job';
import type { RolloutSettings } from '../../src/rollout/settings';
import { readWindow } from '../../src/settings/times';
import { next, patient, running, sequential } from '../ota/lab';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { TestClock } from '../support/clock';
import { buildEsp8266Image } from '../support/images';
import { resetLocks } from '../support/locks';
import { startProxy, type Proxy } from '../support/proxy';
import { untilTrue } from '../support/until-true';

const another = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 80_000, seed: 5 });

describeWithBrokers('what waits for its turn on the way to the broker', (start) => {
  let server: TestBroker;
  let link: Proxy;
  let broker: HomieBroker;
  let firmware: Firmware;
  let devices: SimulatedDevice[];
  let jobs: Job[];

  before(async () => {
    firmware = await Firmware.from(next);
  });
  beforeEach(async () => {
    resetLocks();
    [devices, jobs] = [[], []];
    server = await start();
    link = await startProxy(Number(new URL(server.url).port));
    broker = await connected(`mqtt://127.0.0.1:${link.port}`);
  });
  afterEach(async () => {
    await Promise.all(jobs.map((job) => job.abandon()));
    await Promise.all(devices.map((device) => device.stop()));
    await broker.close();
    await link.close();
    await server.stop();
    resetLocks();
  });

  const connected = async (url: string): Promise<HomieBroker> => {
    const made = new HomieBroker({ url, protocolVersion: 'auto', baseTopic: 'homie/' });
    made.start();
    await made.settled();
    return made;
  };
  const add = async (id: string, options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> => {
    const device = new SimulatedDevice({ url: server.url, id, image: running, uptime: 3600, ...options });
    devices.push(device);
    await device.start();
    await untilTrue(broker.registry, 'event', () => broker.registry.get(id)?.uptime?.live === true);
    return device;
  };
  const otaJob = (settings: Partial<RolloutSettings>, options: JobOptions = {}): OtaJob => {
    const choice = { devices: devices.map(({ id }) => id) };
    const job = new OtaJob(
      { broker, firmware, choice, settings: patient },
      { ...sequential, concurrency: 3, ...settings },
      options,
    );
    jobs.push(job);
    return job;
  };
  const configJob = ({ id }: SimulatedDevice, options: JobOptions = {}): ConfigJob => {
    const input = { broker, patch: readPatch({ name: 'New' }), devices: [id], settings: configDefaults };
    const job = new ConfigJob(input, sequential, options);
    jobs.push(job);
    return job;
  };
  const images = (device: SimulatedDevice): number => device.images.length;
  /** Waits for a progress of the job that matches. */
  const told = (job: Job, fits: (update: Update) => boolean): Promise<void> =>
    new Promise((resolve) => {
      job.on('progress', (update) => {
        if (fits(update)) resolve();
      });
    });
  /** Runs a job that sends the image to the first device, while the image for the second one waits behind it. */
  const whileSecondWaits = async (
    first: SimulatedDevice,
    second: SimulatedDevice,
    onProgress: (update: Update) => void = () => undefined,
  ): Promise<{ readonly job: OtaJob; readonly ended: ReturnType<OtaJob['run']> }> => {
    const job = otaJob({});
    job.on('progress', onProgress);
    link.limit(60_000);
    const waits = told(job, ({ device, state }) => device === second.id && state === 'running');
    const sends = told(job, ({ device, phase }) => device === first.id && phase === 'sending');
    const ended = job.run();
    await Promise.all([waits, sends]);
    return { job, ended };
  };

  it('is not sent after a cancel, which says that it was in time', async () => {
    const [first, second] = [await add('first'), await add('second')];
    const { job, ended } = await whileSecondWaits(first, second);
    assert.deepEqual(job.cancel(), { unsent: ['second'], sent: ['first'] });
    const { devices: updates } = await ended;
    assert.deepEqual(
      updates.map(({ state }) => state),
      ['canceled', 'canceled'],
    );
    assert.deepEqual(
      updates.map(({ reason }) => reason),
      ['already_sent', undefined],
    );
    assert.equal(images(second), 0);
    assert.deepEqual(
      [first, second].map(({ id }) => broker.locks.isRebootPending(id)),
      [true, false],
    );
  });

  /** Runs a job until it waits for its device. */
  const whileAway = async (job: Job): Promise<{ readonly ended: ReturnType<Job['run']> }> => {
    const waits = told(job, ({ reason }) => reason === 'offline');
    const ended = job.run();
    // A test may abandon the job.
    ended.catch(() => undefined);
    await waits;
    return { ended };
  };
  /** Adds a device that sleeps until `wake`. */
  const addSleeper = async (id: string): Promise<SimulatedDevice> => {
    const device = await add(id);
    device.prepareToSleep();
    await untilTrue(broker.registry, 'event', () => broker.registry.get(id)?.state?.value === 'sleeping');
    await untilTrue(device, 'phase', () => device.phase === 'asleep');
    return device;
  };

  it('is overtaken by the image for a device that sleeps, and may soon do so again', async () => {
    const [first, second, sleeper] = [await add('first'), await add('second'), await addSleeper('sleeper')];
    await sleeper.wake();
    await untilTrue(broker.registry, 'event', () => broker.registry.get('sleeper')?.state?.value === 'ready');
    const sent: string[] = [];
    const { ended } = await whileSecondWaits(first, second, (update) => {
      if (update.phase === 'sending' && update.progress === 0) sent.push(update.device);
    });
    assert.equal((await ended).state, 'succeeded');
    assert.deepEqual(
      sent.filter((id) => id !== first.id),
      [sleeper.id, second.id],
    );
  });

  for (const brings of ['image', 'patch'] as const) {
    it(`does not wait for the disk when a sleeping device wakes, if that was stored ahead: ${brings}`, async () => {
      const device = await addSleeper('sleeper');
      const states: object[] = [];
      // Stores that something may be sent, but then hangs until the device has ended.
      const save: JobOptions['save'] = async (job) => {
        const [{ entry, flight, prepared } = {}] = job.state().devices;
        states.push({ state: entry?.state, flight: flight !== undefined, prepared: prepared === true });
        return flight === undefined || new Promise<never>(() => undefined);
      };
      const job = brings === 'image' ? otaJob({}, { save }) : configJob(device, { save });
      const { ended } = await whileAway(job);
      await device.wake();
      assert.equal((await ended).state, 'succeeded');
      assert.deepEqual(
        states.filter((each) => 'prepared' in each && each.prepared === true),
        [{ state: 'waiting', flight: false, prepared: true }],
      );
    });

    it(`waits for the disk when a sleeping device wakes, if nothing could be stored ahead: ${brings}`, async () => {
      const device = await addSleeper('sleeper');
      const disk = new EventEmitter();
      const save: JobOptions['save'] = async (job) => {
        if (!job.state().devices.some(({ flight }) => flight !== undefined)) return;
        disk.emit('hangs');
        await once(disk, 'works');
      };
      const job = brings === 'image' ? otaJob({}, { save }) : configJob(device, { save });
      const { ended } = await whileAway(job);
      await Promise.all([once(disk, 'hangs'), device.wake()]);
      await broker.connection.publish('mark', 'x', { qos: 1, timeout: 5_000 });
      assert.deepEqual([images(device), device.patches], [0, []]);
      disk.emit('works');
      assert.equal((await ended).state, 'succeeded');
    });
  }

  it('is stored ahead for as long as this process may send only', async () => {
    const device = await addSleeper('sleeper');
    const job = otaJob({});
    await whileAway(job);
    const isPrepared = (): unknown => job.changes().devices.find(({ entry }) => entry.device === device.id)?.prepared;
    assert.equal(isPrepared(), true);
    await job.abandon(true);
    const [stored] = job.changes().devices;
    assert.deepEqual([stored?.entry.device, stored?.prepared], [device.id, undefined]);
  });

  it('is no longer stored ahead when the device stays awake and must wait', async () => {
    const device = await addSleeper('sleeper');
    const states: unknown[] = [];
    const save: JobOptions['save'] = async (saved) => {
      for (const { prepared } of saved.changes().devices) states.push(prepared);
      return true;
    };
    const job = otaJob({}, { save });
    const { ended } = await whileAway(job);
    job.pause();
    const pauses = told(job, ({ reason }) => reason === 'paused');
    await device.wake();
    await pauses;
    await untilTrue(job, 'change', () => states.at(-1) === undefined);
    assert.ok(states.includes(true));
    job.resume();
    assert.equal((await ended).state, 'succeeded');
  });

  it('stays stored ahead after a kill, for as long as the device is locked', async () => {
    const device = await addSleeper('sleeper');
    const first = otaJob({});
    await whileAway(first);
    const state = first.state();
    assert.equal(state.devices[0]?.prepared, true);
    await first.abandon(true);
    const pending = { address: `homie/${device.id}`, what: 'image', at: moment(), statistics: true } as const;
    DeviceLocks.suspect(pending);
    const later = otaJob({}, { restored: { id: first.id, state } });
    assert.equal(later.state().devices[0]?.prepared, true);
    await broker.locks.rebooted(device.id);
    assert.equal(later.state().devices[0]?.prepared, undefined);
    const ended = later.restart();
    await device.wake();
    assert.equal((await ended).state, 'succeeded');
    assert.equal(later.state().devices[0]?.prepared, undefined);
  });

  for (const brings of ['image', 'patch'] as const) {
    it(`is not tried without a pause as long as this process may send nothing: ${brings}`, async () => {
      const device = await add('kept', { statsInterval: 600 });
      const unguard = DeviceLocks.guard(() => new HomieError('USER_DIR_IN_USE'));
      const job = brings === 'image' ? otaJob({}) : configJob(device);
      const times: number[] = [];
      const fourth = told(job, ({ state }) => state === 'running' && times.push(performance.now()) === 4);
      const ended = job.run();
      await fourth;
      const [first = 0, , , last = 0] = times;
      // Each attempt is reported once or twice.
      assert.ok(last - first >= 900, `four times in ${last - first} ms`);
      unguard();
      assert.equal((await ended).state, 'succeeded');
    });
  }

  it('is not sent while the job is paused, and is sent when it goes on', async () => {
    const [first, second] = [await add('first'), await add('second')];
    const { job, ended } = await whileSecondWaits(first, second);
    job.pause();
    await told(job, ({ device, state }) => device === first.id && state === 'succeeded');
    assert.equal(images(second), 0);
    job.resume();
    assert.equal((await ended).state, 'succeeded');
    assert.deepEqual([images(first), images(second)], [1, 1]);
  });

  it('is not sent after failures have stopped the rollout', async () => {
    const failing = await add('failing', { flashDelay: 40, misbehavior: { failWriteAt: 40_000 } });
    const [second, third] = [await add('second'), await add('third')];
    const job = otaJob({ maxFailures: 1 });
    // The first device is flashing while the second image is being sent, and the third image waits behind it.
    link.limit(25_000);
    const flashes = told(job, ({ device, phase }) => device === failing.id && phase === 'accepted');
    const waits = told(job, ({ device, state }) => device === third.id && state === 'running');
    const ended = job.run();
    await Promise.all([flashes, waits]);
    const summary = await ended;
    assert.equal(summary.state, 'stopped');
    await told(job, ({ device, state }) => device === second.id && state === 'succeeded');
    assert.equal(images(third), 0);
    assert.equal(job.summary().counts.failed, 1);
  });

  it('is not sent once more after the window has closed, but when it opens again', async () => {
    const clock = new TestClock(new Date(2026, 0, 10, 1, 0));
    const device = await add('dropped', { misbehavior: { dropAt: 30_000 } });
    const job = otaJob({ window: readWindow('01:00-02:00'), expires: 72 * 3_600_000 }, { clock });
    device.once('status', () => void clock.to(clock.now() + 90 * 60_000));
    const waits = told(job, ({ state, attempt }) => state === 'waiting' && attempt === 1);
    const back = once(device, 'ready');
    const ended = job.run();
    await Promise.all([waits, back]);
    await untilTrue(job, 'progress', () => job.devices[0]?.state !== 'running');
    assert.equal(job.summary().stage, 'window');
    assert.equal(images(device), 1);
    await clock.to(clock.now() + 24 * 3_600_000 - 80 * 60_000);
    assert.equal((await ended).state, 'succeeded');
    assert.equal(images(device), 2);
  });

  it('is no patch that was canceled while it was written down', async () => {
    const device = await add('patched');
    let isCanceled = false;
    const job = configJob(device, {
      save: async (saved) => {
        if (isCanceled || !saved.state().devices.some(({ flight }) => flight !== undefined)) return;
        isCanceled = true;
        job.cancel();
      },
    });
    jobs.push(job);
    assert.equal((await job.run()).state, 'canceled');
    await broker.connection.publish('mark', 'x', { qos: 1, timeout: 5_000 });
    assert.deepEqual(device.patches, []);
    assert.equal(broker.locks.isRebootPending(device.id), false);
  });

  it('is no patch of a job that is paused while it is written down, and the device is said to wait', async () => {
    const device = await add('paused');
    const job = configJob(device, {
      save: async (saved) => {
        if (saved.summary().state === 'running' && saved.state().devices.some(({ flight }) => flight !== undefined)) {
          job.pause();
        }
      },
    });
    jobs.push(job);
    const runs = told(job, ({ state }) => state === 'running');
    const ended = job.run();
    await runs;
    await untilTrue(job, 'progress', () => job.devices[0]?.state === 'waiting');
    assert.deepEqual(device.patches, []);
    job.cancel();
    assert.equal((await ended).state, 'canceled');
  });

  it('goes to a device of one job at a time, by whatever name each reaches the broker', async () => {
    const device = await add('shared', { flashDelay: 20 });
    // Another way to write 127.0.0.1.
    const other = await connected(server.url.replace('127.0.0.1', '127.1'));
    const first = otaJob({});
    const accepted = told(first, ({ phase }) => phase === 'accepted');
    const ended = first.run();
    await accepted;
    const second = new OtaJob(
      { broker: other, firmware: await Firmware.from(another), choice: { devices: [device.id] }, settings: patient },
      sequential,
    );
    const waits = told(second, ({ reason }) => reason === 'busy');
    const then = second.run();
    await waits;
    assert.equal(images(device), 1);
    assert.equal((await ended).state, 'succeeded');
    assert.equal((await then).state, 'succeeded');
    assert.equal(images(device), 2);
    await other.close();
  });
});
