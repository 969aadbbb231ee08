import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { Firmware } from '../../src/firmware/firmware';
import { HomieBroker } from '../../src/homie/broker';
import type { Attribute } from '../../src/homie/device';
import type { Phase, Update } from '../../src/update/update';
import { readPatch } from '../../src/config/patch';
import { configDefaults } from '../../src/config/settings';
import { ConfigJob } from '../../src/rollout/config-job';
import { History } from '../../src/rollout/store/history';
import type { Job } from '../../src/rollout/job';
import type { JobView } from '../../src/rollout/job-view';
import type { StoredDevice, JobState } from '../../src/rollout/job-state';
import { OtaJob } from '../../src/rollout/ota-job';
import { Queue } from '../../src/rollout/queue';
import { next, patient, running, sequential } from '../ota/lab';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import type { BrokerSuite, TestBroker } from '../support/brokers';
import { buildEsp8266Image } from '../support/images';
import { HANG_LIMIT } from '../support/limits';
import { lateOf } from './late';
import { untilTrue } from '../support/until-true';

const strange = buildEsp8266Image({ name: 'my-light', version: '0.9.0', size: 60_000, seed: 9 });
const configSettings = { ...configDefaults, reboot: HANG_LIMIT, ready: HANG_LIMIT, allowRisky: true };
/** Settings for tests in which no response is expected. */
const brief = { ...patient, stall: 500, reboot: 1_000, ready: 3_000 };

/** Counter for device ids: the process has one table of locks, so each test has its own device. */
let count = 0;

/** The stored state of a job, as read from a file. */
interface Written {
  readonly id: string;
  readonly state: JobState;
}

/** Tests of jobs that continue after a restart. */
export const restarts: BrokerSuite = (start) => {
  let server: TestBroker;
  let firmware: Firmware;
  let openedAt: number;
  let device: SimulatedDevice;
  /** Resolves when the device has reconnected after `open`. */
  let reconnected: Promise<void>;
  let broker: HomieBroker;
  let history: History;
  let written: Written | undefined;
  const filed = new Map<string, StoredDevice>();

  before(async () => {
    firmware = await Firmware.from(next);
    server = await start();
  });
  after(() => server.stop());
  beforeEach(() => {
    history = new History();
    written = undefined;
    filed.clear();
  });
  afterEach(async () => {
    await device.stop();
    await broker.close();
  });

  /** Starts a connection without waiting for it. */
  const connecting = (): void => {
    broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/' });
    const queue = Queue.of(broker);
    queue.use({ library: queue.library, history });
    broker.start();
  };
  const connect = async (): Promise<void> => {
    connecting();
    await broker.settled();
  };
  /** Waits for a live attribute of the device. */
  const untilSeen = async (attribute: Attribute, value?: unknown): Promise<void> => {
    // Several events may arrive at once.
    for await (const [id, event] of on(broker.registry, 'event')) {
      if (id !== device.id || event.attribute !== attribute || !event.live) continue;
      if (value === undefined || event.value === value) return;
    }
  };
  const open = async (options: Partial<DeviceOptions> = {}): Promise<void> => {
    const id = `restart-${(count += 1)}`;
    openedAt = performance.now();
    // Small segments cause a 206. The statistics are frequent, because only a live uptime shows what was missed.
    device = new SimulatedDevice({
      url: server.url,
      id,
      image: running,
      uptime: 3600,
      segment: 536,
      statsInterval: 1,
      ...options,
    });
    await device.start();
    reconnected = once(device, 'ready').then(() => undefined);
    await connect();
    await untilSeen('uptime');
  };
  /** Stores a job as a file would, which receives only the changes. */
  const save = async (job: JobView): Promise<void> => {
    const { devices, ...others } = job.changes();
    for (const each of devices) filed.set(each.entry.device, each);
    assert.deepEqual([...filed.values()], job.state().devices);
    written = JSON.parse(JSON.stringify({ id: job.id, state: { ...others, devices: [...filed.values()] } }));
  };
  const otaJob = (restored?: Written, settings = patient): OtaJob =>
    new OtaJob({ broker, firmware, choice: { devices: [device.id] }, settings }, sequential, {
      save,
      ...(restored && { restored }),
    });

  /** Runs a job until `moment`, and ends its process. @returns the stored state */
  const endAt = async (moment: (update: Update) => boolean): Promise<Written> => {
    const first = otaJob();
    const early: Update[] = [];
    first.on('result', (update) => early.push(update));
    void first.run().catch(() => undefined);
    await new Promise<void>((resolve) => {
      first.on('progress', (update) => {
        if (moment(update)) resolve();
      });
    });
    const kept = written;
    assert.ok(kept !== undefined);
    await first.abandon(true);
    await broker.close();
    assert.deepEqual(early, []);
    return kept;
  };
  /** Runs a job until `moment`, ends its process, and continues in another one. @returns the result */
  const interrupt = async (
    moment: (update: Update) => boolean,
    meanwhile = async (): Promise<void> => {},
    settings = patient,
  ): Promise<Update> => {
    const kept = await endAt(moment);
    await meanwhile();
    await connect();

    const job = otaJob(kept, settings);
    const results: Update[] = [];
    job.on('result', (update) => results.push(update));
    await job.restart();
    assert.equal(results.length, 1);
    const [result] = results;
    assert.ok(result !== undefined);
    return result;
  };
  const codeOf = ({ state, error }: Update): string => error?.code ?? state;
  const inPhase =
    (phase: Phase) =>
    (update: Update): boolean =>
      update.phase === phase;
  const images = (): number => device.images.length;
  /** Waits until the device, which has rebooted, has been up for longer than it had been before. */
  const hasBeenUpLonger = async (before: number): Promise<void> => {
    const reached = before + (performance.now() - openedAt) / 1000;
    if (device.hasToBoot) await once(device, 'boot');
    await new Promise<void>((resolve) => {
      device.on('publish', (topic, payload) => {
        if (topic === '$stats/uptime' && Number(payload) > reached + 1) resolve();
      });
    });
  };

  for (const phase of ['sending', 'accepted', 'flashing', 'rebooting', 'verifying'] as const) {
    it(`finds that the image runs when the process ended while ${phase}`, async () => {
      await open();
      const result = await interrupt(inPhase(phase));
      assert.equal(codeOf(result), 'succeeded');
      assert.ok(device.image.equals(next));
      assert.ok(images() <= 2, `${images()} images`);
    });
  }

  it('finds that the image runs when the device rebooted while nobody watched', async () => {
    await open();
    const result = await interrupt(inPhase('flashing'), async () => {
      await reconnected;
    });
    assert.equal(codeOf(result), 'succeeded');
    assert.equal(result.reboot, 'proven');
    assert.equal(images(), 1);
  });

  it('finds that an image with Homie 2 runs on a device that had Homie 3', async () => {
    await open({ homie: (image) => (image.equals(next) ? 2 : 3) });
    const result = await interrupt(inPhase('flashing'), async () => {
      await reconnected;
    });
    assert.equal(codeOf(result), 'succeeded');
    assert.equal(result.reboot, 'proven');
    assert.equal(images(), 1);
  });

  describe('with a device that sends its statistics once an hour', () => {
    /** Like `open`, but connects before the device starts: otherwise its next uptime would arrive in an hour. */
    const openSeldom = async (options: Partial<DeviceOptions> = {}): Promise<void> => {
      await connect();
      const id = `restart-${(count += 1)}`;
      openedAt = performance.now();
      const interval = { uptime: 3600, statsInterval: 3600 };
      device = new SimulatedDevice({ url: server.url, id, image: running, segment: 536, ...interval, ...options });
      await device.start();
      await untilTrue(broker.registry, 'event', () => broker.registry.get(id)?.uptime?.live === true);
      reconnected = once(device, 'ready').then(() => undefined);
    };
    /** Publishes the next uptime in place of the device, which would send it in an hour. */
    const sendUptime = async (seconds: number): Promise<void> => {
      const client = await connectAsync(server.url);
      await client.publishAsync(`homie/${device.id}/$stats/uptime`, String(seconds), { qos: 1, retain: true });
      await client.endAsync();
    };
    const told = (job: Job): Update[] => {
      const updates: Update[] = [];
      job.on('progress', (update) => updates.push(update));
      return updates;
    };
    const resultOf = async (job: Job): Promise<Update> => {
      const result = once(job, 'result');
      await job.restart();
      const [update]: Update[] = await result;
      assert.ok(update !== undefined);
      return update;
    };
    const flashUnseen = async (): Promise<Written> => {
      const kept = await endAt(inPhase('flashing'));
      await reconnected;
      await connect();
      return kept;
    };

    it('says that they come too seldom, and what to do, and tells the true result late', async () => {
      await openSeldom();
      const job = otaJob(await flashUnseen(), brief);
      const updates = told(job);
      const late = lateOf(job);
      const { error } = await resultOf(job);
      assert.equal(error?.code, 'UNCONFIRMED');
      assert.match(error.message, /sends its statistics every 3600 s, which is longer than reboot allows/);
      assert.match(error.hint, /marked late.* set reboot to more than 3600 s/);
      assert.equal(broker.locks.isRebootPending(device.id), true);
      await sendUptime(9);
      await late;
      const last = updates.at(-1);
      assert.deepEqual([last?.late, last?.state, last?.reboot], [true, 'succeeded', 'proven']);
      assert.equal(broker.locks.isRebootPending(device.id), false);
      assert.equal(images(), 1);
    });

    it('tells late, too, that another firmware runs', async () => {
      await openSeldom({ misbehavior: { comesBackWith: strange } });
      const job = otaJob(await flashUnseen(), brief);
      const updates = told(job);
      const late = lateOf(job);
      assert.equal((await resultOf(job)).error?.code, 'UNCONFIRMED');
      await sendUptime(9);
      await late;
      assert.deepEqual([updates.at(-1)?.late, updates.at(-1)?.error?.code], [true, 'OTHER_FIRMWARE']);
    });

    it('waits for them where reboot allows it', async () => {
      await openSeldom();
      const job = otaJob(await flashUnseen(), { ...patient, reboot: 3_700_000 });
      const verifying = new Promise<void>((resolve) => {
        job.on('progress', (update) => update.phase === 'verifying' && resolve());
      });
      const result = resultOf(job);
      await verifying;
      await sendUptime(9);
      const { state, reboot } = await result;
      assert.deepEqual([state, reboot], ['succeeded', 'proven']);
    });

    it('reports late how a device ended that was away for too long', async () => {
      await openSeldom();
      const kept = await endAt(inPhase('flashing'));
      await reconnected;
      await device.stop();
      await connect();
      const job = otaJob(kept, brief);
      const updates = told(job);
      const late = lateOf(job);
      assert.equal((await resultOf(job)).error?.code, 'NOT_BACK');
      await device.restart();
      await late;
      assert.deepEqual([updates.at(-1)?.late, updates.at(-1)?.state], [true, 'succeeded']);
    });

    describe('and a patch', () => {
      const quick = { ...configSettings, reboot: 1_000, ready: 3_000 };
      const patchJob = (restored?: Written): ConfigJob =>
        new ConfigJob(
          { broker, patch: readPatch({ name: 'Hall' }), devices: [device.id], settings: quick },
          sequential,
          { save, ...(restored && { restored }) },
        );
      /** Returns a job whose patch was applied while we were not connected. */
      const patchUnseen = async (): Promise<Job> => {
        await openSeldom();
        const first = patchJob();
        void first.run().catch(() => undefined);
        await new Promise<void>((resolve) => {
          first.on('progress', (update) => update.phase === 'received' && resolve());
        });
        const kept = written;
        assert.ok(kept !== undefined);
        await first.abandon(true);
        await broker.close();
        await reconnected;
        await connect();
        return patchJob(kept);
      };

      it('ends as UNCONFIRMED, and reports the outcome late when the statistics arrive', async () => {
        const job = await patchUnseen();
        const updates = told(job);
        const late = lateOf(job);
        const { error } = await resultOf(job);
        assert.equal(error?.code, 'UNCONFIRMED');
        assert.match(error.message, /sends its statistics every 3600 s, which is longer than reboot allows/);
        await sendUptime(9);
        await late;
        const last = updates.at(-1);
        assert.deepEqual([last?.late, last?.state, last?.config?.taken], [true, 'succeeded', ['name']]);
      });

      it('tells nothing late where another patch was sent meanwhile, whose reboot it is', async () => {
        const job = await patchUnseen();
        const updates = told(job);
        assert.equal((await resultOf(job)).error?.code, 'UNCONFIRMED');
        const restarted = untilSeen('state', 'ready');
        const client = await connectAsync(server.url);
        await client.publishAsync(`homie/${device.id}/$implementation/config/set`, '{"name":"Attic"}', { qos: 1 });
        await client.endAsync();
        await restarted;
        const shown = untilSeen('uptime');
        await sendUptime(9);
        await shown;
        await nextTurn();
        await job.abandon();
        assert.ok(updates.every(({ late }) => late !== true));
      });
    });
  });

  it('sends the image again to a device that lost its connection in the middle, and was freed', async () => {
    await open({ misbehavior: { dropAt: 30_000 } });
    const result = await interrupt(inPhase('accepted'), async () => {
      await reconnected;
    });
    assert.equal(codeOf(result), 'succeeded');
    assert.ok(device.image.equals(next));
    assert.equal(images(), 2);
  });

  it('is at work no longer with a device that waits for its turn to be sent the image again', async () => {
    await open({ misbehavior: { dropAt: 30_000 } });
    const kept = await endAt(inPhase('accepted'));
    await reconnected;
    await connect();

    const job = otaJob(kept);
    job.pause();
    const queued = new Promise<Update>((resolve) => {
      job.on('progress', (update) => update.state === 'queued' && resolve(update));
    });
    const done = job.restart();
    assert.equal((await queued).phase, undefined);
    assert.deepEqual(job.summary().counts, { waiting: 1 });
    job.resume();
    assert.equal((await done).state, 'succeeded');
    assert.equal(images(), 2);
  });

  it('sends it again to a device that crashed in the middle', async () => {
    await open({ misbehavior: { crashAt: 30_000 } });
    const result = await interrupt(inPhase('accepted'), async () => {
      await reconnected;
    });
    assert.equal(codeOf(result), 'succeeded');
    assert.equal(images(), 2);
  });

  it('does not take a device that was lost in the middle for one that was flashed', async () => {
    await open({ misbehavior: { crashAt: 30_000 } });
    const result = await interrupt(inPhase('rebooting'), async () => {
      await reconnected;
    });
    assert.equal(codeOf(result), 'succeeded');
    assert.equal(images(), 2);
  });

  it('does not send it more often than is allowed', async () => {
    await open({ misbehavior: { crashAt: 30_000, times: 5 } });
    const key = `${broker.locks.scope}${device.id}`;
    await history.begun(key, firmware.info.md5);
    const result = await interrupt(inPhase('accepted'), async () => {
      await reconnected;
    });
    assert.equal(result.reason, 'held');
    assert.equal(images(), 1);
  });

  it('says that another firmware runs', async () => {
    await open({ misbehavior: { comesBackWith: strange } });
    const result = await interrupt(inPhase('flashing'), async () => {
      await reconnected;
    });
    assert.equal(codeOf(result), 'OTHER_FIRMWARE');
    assert.equal(images(), 1);
  });

  it('says that the old firmware runs', async () => {
    await open({ misbehavior: { comesBackWith: running } });
    const result = await interrupt(inPhase('flashing'), async () => {
      await reconnected;
    });
    assert.equal(codeOf(result), 'OLD_FIRMWARE');
    assert.equal(images(), 1);
  });

  /** Replaces the device by another one with the same id. */
  const replaceDevice = async (image: Buffer): Promise<void> => {
    const { id } = device;
    await device.stop();
    device = new SimulatedDevice({ url: server.url, id, image, statsInterval: 1, mac: '5C:CF:7F:00:00:99' });
    await device.start();
  };

  it('does not take another device with the same id for the one that was sent the image', async () => {
    await open();
    const result = await interrupt(inPhase('flashing'), () => replaceDevice(next));
    assert.equal(codeOf(result), 'OTHER_DEVICE');
  });

  it('says that the device is not back', async () => {
    await open({ misbehavior: { neverBack: true } });
    const result = await interrupt(inPhase('rebooting'), undefined, brief);
    assert.equal(codeOf(result), 'NOT_BACK');
    assert.equal(images(), 1);
  });

  it('says that a device which has flashed the image has not rebooted, and keeps it locked', async () => {
    await open({ misbehavior: { notIdle: true } });
    const result = await interrupt(inPhase('rebooting'), undefined, brief);
    assert.equal(codeOf(result), 'NOT_REBOOTED');
    assert.equal(broker.locks.isRebootPending(device.id), true);
    assert.equal(images(), 1);
  });

  it('does not claim that a device has not rebooted whose uptime cannot tell', async () => {
    await open({ uptime: 2, misbehavior: { comesBackWith: running } });
    const result = await interrupt(inPhase('rebooting'), () => hasBeenUpLonger(2), brief);
    assert.equal(codeOf(result), 'REBOOT_UNPROVEN');
    assert.equal(broker.locks.isRebootPending(device.id), true);
    assert.equal(images(), 1);
  });

  it('does not take the uptime of an earlier boot for what the device had reached', async () => {
    await open();
    device.misbehavior = { notIdle: true, noStatistics: true };
    const ready = untilSeen('state', 'ready');
    await device.restart();
    await ready;
    const settings = { ...brief, reboot: 2_000 };
    const result = await interrupt(
      inPhase('rebooting'),
      async () => {
        device.misbehavior = { notIdle: true };
      },
      settings,
    );
    assert.ok(['REBOOT_UNPROVEN', 'NOT_REBOOTED'].includes(codeOf(result)), codeOf(result));
    assert.equal(broker.locks.isRebootPending(device.id), true);
    assert.equal(images(), 1);
  });

  const staged = {
    'the retained 200 is that of an earlier update': '200',
    'the 200 is lost, and a 202 is retained': '202',
  };
  for (const [what, before] of Object.entries(staged)) {
    it(`sends no second image over one that is staged, although ${what}`, async () => {
      const loseStatuses = (status: string): boolean => status === '200';
      const earlier = await connectAsync(server.url);
      const topic = `homie/restart-${count + 1}/$implementation/ota/status`;
      await earlier.publishAsync(topic, before, { qos: 1, retain: true });
      await earlier.endAsync();
      await open({ misbehavior: { notIdle: true, loseStatuses } });
      const whole = new Promise<void>((resolve) => {
        device.on('part', (_topic, bytes, total) => {
          if (bytes === total) resolve();
        });
      });
      const result = await interrupt(inPhase('accepted'), () => whole, brief);
      assert.equal(result.state, 'failed');
      assert.equal(images(), 1);
      assert.equal(broker.locks.isRebootPending(device.id), true);
    });
  }

  it('begins when the process ended before it had begun', async () => {
    await open();
    const first = otaJob();
    await save(first);
    await first.abandon(true);
    await assert.rejects(first.run(), { name: 'AbortError' });
    assert.equal(device.received.length, 0);
    const { devices, state } = await otaJob(written).restart();
    assert.deepEqual([devices.map((each) => each.device), state], [[device.id], 'succeeded']);
  });

  it('stays canceled when that was done before it had begun', async () => {
    await open();
    const first = otaJob();
    first.cancel();
    const kept = written;
    await first.abandon(true);
    const { counts } = await otaJob(kept).restart();
    assert.deepEqual(counts, { canceled: 1 });
    assert.equal(images(), 0);
  });

  it('takes in nobody any more when it was to stay open, and was canceled', async () => {
    await open();
    const late = `${device.id}-late`;
    const job = (restored?: Written): OtaJob =>
      new OtaJob(
        { broker, firmware, choice: { devices: [late, `${late}-*`] }, settings: patient },
        { ...sequential, continuous: true },
        { save, ...(restored && { restored }) },
      );
    const first = job();
    const ended = first.run();
    first.cancel();
    assert.deepEqual((await ended).counts, { canceled: 1 });
    const kept = written;
    await first.abandon(true);
    await device.stop();
    device = new SimulatedDevice({ url: server.url, id: `${late}-2`, image: running, uptime: 3600 });
    const second = job(kept);
    await second.restart();
    const ready = new Promise<void>((resolve) => {
      broker.registry.on('event', (id, { attribute, value }) => {
        if (id === device.id && attribute === 'state' && value === 'ready') resolve();
      });
    });
    await device.start();
    await ready;
    assert.equal(second.isEnded, true);
    assert.deepEqual(second.summary().counts, { canceled: 1 });
    await second.abandon();
  });

  it('waits on for a device to which nothing was sent', async () => {
    await open();
    const id = device.id;
    await device.stop();
    await untilTrue(broker.registry, 'event', () => broker.registry.get(id)?.state?.value === 'lost');
    const result = await interrupt(
      ({ state }) => state === 'waiting',
      () => device.start(),
    );
    assert.equal(codeOf(result), 'succeeded');
    assert.equal(images(), 1);
  });

  /** Continues a job, and closes the connection during its verdict, as a second deploy does. */
  const closeWhileJudging = async (job: Job): Promise<void> => {
    const early: Update[] = [];
    job.on('result', (update) => early.push(update));
    const verifying = new Promise<void>((resolve) => {
      job.on('progress', (update) => update.phase === 'verifying' && resolve());
    });
    const end = job.restart();
    end.catch(() => undefined);
    await verifying;
    await broker.close();
    await job.abandon(true);
    await assert.rejects(end, { name: 'AbortError' });
    assert.deepEqual(early, []);
  };

  it('goes on after a deploy while a device is being judged, whichever node is closed first', async () => {
    await open();
    const kept = await endAt(inPhase('flashing'));
    connecting();
    await closeWhileJudging(otaJob(kept));
    await connect();
    const job = otaJob(written);
    const result = once(job, 'result');
    await job.restart();
    const [update]: Update[] = await result;
    assert.ok(update !== undefined);
    assert.equal(codeOf(update), 'succeeded');
    assert.ok(device.image.equals(next));
    assert.equal(images(), 1);
  });

  describe('with a patch', () => {
    const configJob = (restored?: Written, patch: object = { name: 'Hall' }, settings = configSettings): ConfigJob =>
      new ConfigJob({ broker, patch: readPatch(patch), devices: [device.id], settings }, sequential, {
        save,
        ...(restored && { restored }),
      });
    const interruptPatch = async (
      phase: Phase,
      meanwhile: () => Promise<unknown>,
      patch?: object,
      settings = configSettings,
    ): Promise<Update> => {
      const first = configJob(undefined, patch);
      void first.run().catch(() => undefined);
      await new Promise<void>((resolve) => {
        first.on('progress', (update) => {
          if (update.phase === phase) resolve();
        });
      });
      const kept = written;
      assert.ok(kept !== undefined);
      await first.abandon(true);
      await broker.close();
      await meanwhile();
      await connect();
      const job = configJob(kept, patch, settings);
      const result = once(job, 'result');
      void job.restart();
      const [update]: Update[] = await result;
      assert.ok(update !== undefined);
      return update;
    };

    for (const phase of ['received', 'rebooting'] as const) {
      it(`finds that it was taken when the process ended while ${phase}`, async () => {
        await open();
        const result = await interruptPatch(phase, () => reconnected);
        assert.equal(codeOf(result), 'succeeded');
        assert.deepEqual(result.config?.taken, ['name']);
        assert.equal(device.patches.length, 1);
      });
    }

    it('goes on after a deploy while a device is being judged, whichever node is closed first', async () => {
      await open();
      const first = configJob();
      first.run().catch(() => undefined);
      await new Promise<void>((resolve) => {
        first.on('progress', (update) => update.phase === 'received' && resolve());
      });
      await first.abandon(true);
      await broker.close();
      connecting();
      await closeWhileJudging(configJob(written));
      await connect();
      const job = configJob(written);
      const result = once(job, 'result');
      await job.restart();
      const [update]: Update[] = await result;
      assert.ok(update !== undefined);
      assert.equal(codeOf(update), 'succeeded');
      assert.equal(device.patches.length, 1);
    });

    it('does not claim that it did not reboot where its uptime cannot tell', async () => {
      await open({ uptime: 2 });
      const settings = { ...configSettings, reboot: 1_000, ready: 3_000 };
      const result = await interruptPatch('received', () => hasBeenUpLonger(2), undefined, settings);
      assert.equal(codeOf(result), 'REBOOT_UNPROVEN');
    });

    it('does not take another device with the same id for the one that was sent the patch', async () => {
      await open();
      const result = await interruptPatch('received', () => replaceDevice(running));
      assert.equal(codeOf(result), 'OTHER_DEVICE');
    });

    it('says that a value was lost', async () => {
      await open({ misbehavior: { forgets: 'name' } });
      const result = await interruptPatch('received', () => reconnected, { name: 'Hall', settings: { percentage: 7 } });
      assert.equal(codeOf(result), 'VALUE_LOST');
      assert.deepEqual(
        result.config?.lost.map(({ path }) => path),
        ['name'],
      );
      assert.deepEqual(result.config?.taken, ['settings']);
    });

    it('does not claim that it was received when the process ended before it was sent', async () => {
      await open();
      const soon = { ...configSettings, reboot: 1_500, ready: 3_000 };
      const result = await interruptPatch('sending', async () => {}, { name: 'Hall' }, soon);
      assert.equal(codeOf(result), 'NOT_RECEIVED');
      assert.deepEqual(device.patches, []);
    });

    it('says that nothing has changed when the device was merely restarted', async () => {
      await open({ misbehavior: { deaf: true } });
      const result = await interruptPatch('sending', () => device.restart());
      assert.equal(codeOf(result), 'NOT_RECEIVED');
    });

    it('writes no secret down', async () => {
      await open({ anyNetwork: true });
      const patch = { wifi: { password: 'open-sesame' } };
      const result = await interruptPatch('received', () => reconnected, patch);
      assert.equal(codeOf(result), 'succeeded');
      assert.deepEqual(result.config?.unverified, ['wifi.password']);
      assert.doesNotMatch(JSON.stringify(written), /open-sesame/);
    });
  });
};
