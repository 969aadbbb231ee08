import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Firmware } from '../../src/firmware/firmware';
import { HomieBroker } from '../../src/homie/broker';
import { otaWork } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import { type Answer } from '../../src/rollout/request';
import { JobStore } from '../../src/rollout/store/job-store';
import { patient, sequential } from '../ota/lab';
import type { DeviceOptions, SimulatedDevice } from '../simulator/device';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable } from '../support/mosquitto';
import { Errands, image } from './errands';
import { Home } from './home';

const HOUR = 3_600_000;
const [old, first, second, third] = [image(1), image(2), image(3), image(4)];

/** Options of a device that receives an image so slowly that much can happen meanwhile. */
const slow = { flashDelay: 30 };

describeIf(mosquittoAvailable())('the jobs of a broker', () => {
  let home: Home;
  let errands: Errands;
  let count = 0;

  beforeEach(async () => {
    home = await Home.open();
    errands = new Errands(home);
  });
  afterEach(async () => {
    await errands.close();
    await home.close();
  });

  const add = (options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> =>
    home.add(`queue-${(count += 1)}`, { image: old, ...options });

  describe('for another image of the same firmware', () => {
    it('hand over what waits, and finish what runs', async () => {
      const [a, b] = [await add(slow), await add()];
      const older = await errands.ask(first, [a.id, b.id]);
      await home.inStep();
      const newer = await errands.ask(second, [a.id, b.id]);
      await home.quiet();
      assert.deepEqual(errands.ends(older.job), [`${b.id} canceled superseded`, `${a.id} succeeded`]);
      assert.deepEqual(errands.ends(newer.job), [`${b.id} succeeded`, `${a.id} succeeded`]);
      for (const { id, image: runs } of [a, b]) assert.ok(runs.equals(second), id);
      assert.deepEqual([home.images(a.id), home.images(b.id)], [2, 1]);
    });

    it('wait for a device that is watched as a canary', async () => {
      const [a, b, c] = [await add(slow), await add({ flashDelay: 90 }), await add()];
      const older = await errands.ask(first, 'all', { rollout: { canary: 2, concurrency: 2, soak: HOUR } });
      await home.inStep();
      const newer = await errands.ask(second, 'all');
      await home.quiet();
      assert.deepEqual(errands.ends(older.job), [
        `${c.id} canceled superseded`,
        `${a.id} succeeded`,
        `${b.id} succeeded`,
      ]);
      assert.deepEqual(
        errands.ends(newer.job).sort(),
        [a, b, c].map(({ id }) => `${id} succeeded`),
      );
    });

    it('wait for a device behind several jobs, and take it from those that have not begun', async () => {
      const a = await add(slow);
      const jobs = [];
      for (const bytes of [first, second, third]) {
        jobs.push((await errands.ask(bytes, [a.id])).job);
        await home.inStep();
      }
      await home.quiet();
      assert.deepEqual(
        jobs.map((job) => errands.ends(job)),
        [[`${a.id} succeeded`], [`${a.id} canceled superseded`], [`${a.id} succeeded`]],
      );
      assert.equal(home.images(a.id), 2);
    });

    it('hand over what waits to a job of another node', async () => {
      const [a, b] = [await add(slow), await add()];
      const older = await errands.ask(first, [a.id, b.id]);
      await home.inStep();
      const other = new Errands(home, 'other');
      const newer = await other.ask(second, [b.id]);
      await home.quiet();
      assert.deepEqual(errands.ends(older.job), [`${b.id} canceled superseded`, `${a.id} succeeded`]);
      assert.deepEqual(other.ends(newer.job), [`${b.id} succeeded`]);
      assert.equal(home.images(b.id), 1);
      await other.close();
    });

    it('take a device back for the image that was asked for last', async () => {
      const [a, b] = [await add(slow), await add()];
      const older = await errands.ask(first, [a.id, b.id]);
      await home.inStep();
      await errands.ask(second, [a.id, b.id], { rollout: { expires: 1000 } });
      const last = await errands.ask(first, [a.id, b.id]);
      assert.notEqual(last.job, older.job);
      await home.quiet();
      assert.ok(a.image.equals(first) && b.image.equals(first));
    });

    it('cancel a device that they wait for', async () => {
      const a = await add(slow);
      const older = await errands.ask(first, [a.id]);
      await home.inStep();
      const newer = await errands.ask(second, [a.id]);
      assert.deepEqual(newer.job.cancel(), { unsent: [a.id], sent: [] });
      await home.quiet();
      assert.deepEqual(errands.ends(newer.job), [`${a.id} canceled`]);
      assert.deepEqual(errands.ends(older.job), [`${a.id} succeeded`]);
    });
  });

  describe('that come to a device which is not free', () => {
    /** Ways to keep a device from another job, by the error that the job reports. */
    const holds = {
      DEVICE_BUSY: async () => {
        const [a, b] = [await add(), await add()];
        await errands.ask(first, [a.id, b.id], { rollout: { canary: 1, soak: 3 * HOUR } });
        return a;
      },
      REBOOT_PENDING: async () => {
        const a = await add();
        await home.broker.locks.expectReboot(a.id, 'image');
        await home.broker.connection.ping();
        return a;
      },
    };

    for (const [code, hold] of Object.entries(holds)) {
      it(`wait for as long as expires says, which is not at all with 0, and end with ${code} then`, async () => {
        const a = await hold();
        await home.quiet();
        const patiently = await errands.ask(first, [a.id], { rollout: { expires: 2 * HOUR } });
        const atOnce = await errands.ask(first, [a.id], { rollout: { expires: 0 } });
        await home.quiet();
        assert.deepEqual(errands.ends(atOnce.job), [`${a.id} timed_out ${code}`]);
        const waiting = (): unknown => patiently.job.devices.map(({ state, reason }) => `${state} ${reason}`);
        assert.deepEqual(waiting(), ['waiting busy']);
        await home.pass(2 * HOUR - 1);
        assert.deepEqual(waiting(), ['waiting busy']);
        await home.pass(1);
        assert.deepEqual(errands.ends(patiently.job), [`${a.id} timed_out ${code}`]);
      });
    }

    it('go on when it has restarted', async () => {
      const a = await holds.REBOOT_PENDING();
      await home.quiet();
      const { job, ended } = await errands.ask(second, [a.id]);
      await home.quiet();
      assert.equal(home.images(a.id), 0);
      a.crash();
      await ended;
      assert.deepEqual(errands.ends(job), [`${a.id} succeeded`]);
    });
  });

  describe('asked for the same image again', () => {
    const bad = { misbehavior: { failWriteAt: 20_000 } };

    it('are one for the same devices by the same settings, and each message has its summary', async () => {
      const [a, b] = [await add(slow), await add()];
      const one = await errands.ask(first, [a.id, b.id]);
      await home.inStep();
      const two = await errands.ask(first, [a.id, b.id]);
      assert.deepEqual([two.job, two.isAgain], [one.job, true]);
      const summaries = await Promise.all([one.ended, two.ended]);
      assert.deepEqual(
        summaries.map(({ counts }) => counts),
        [{ succeeded: 2 }, { succeeded: 2 }],
      );
      assert.deepEqual([home.images(a.id), home.images(b.id)], [1, 1]);
      assert.equal(errands.ends(one.job).length, 2);
    });

    it('are two for other devices, and the later one waits for a device of the first', async () => {
      const [a, b] = [await add(slow), await add()];
      const one = await errands.ask(first, [a.id]);
      await home.inStep();
      const two = await errands.ask(first, [b.id, a.id]);
      await home.quiet();
      assert.deepEqual(errands.ends(one.job), [`${a.id} succeeded`]);
      assert.deepEqual(errands.ends(two.job), [`${b.id} succeeded`, `${a.id} skipped up_to_date`]);
      assert.deepEqual([home.images(a.id), home.images(b.id)], [1, 1]);
    });

    it('follow each its own settings', async () => {
      const [a, b, c] = [await add(bad), await add(bad), await add()];
      const one = await errands.ask(first, [a.id], { rollout: { maxFailures: 1, canary: 1 } });
      const two = await errands.ask(first, [b.id, c.id], { rollout: { maxFailures: 0, canary: 0 } });
      await home.quiet();
      assert.equal(errands.ends(one.job)[0]?.startsWith(`${a.id} failed`), true);
      assert.deepEqual(two.job.summary().counts, { failed: 1, succeeded: 1 });
    });

    it('are asked for at once where the first is paused or stopped', async () => {
      const [a, b] = [await add(bad), await add()];
      const stopped = await errands.ask(first, [a.id, b.id], { rollout: { maxFailures: 1 } });
      await home.quiet();
      const again = await errands.ask(first, [a.id, b.id], { rollout: { maxFailures: 1 } });
      assert.deepEqual([again.isAgain, (await again.ended).state], [true, 'stopped']);
      stopped.job.resume();
      await home.quiet();
      const offline = await errands.ask(second, ['queue-away']);
      offline.job.pause();
      assert.equal((await (await errands.ask(second, ['queue-away'])).ended).state, 'paused');
    });

    it('end together where no device is found', async () => {
      const work = otaWork(
        await Firmware.from(first),
        { choice: { devices: ['nowhere-*'] }, settings: patient, rollout: sequential },
        { broker: home.broker },
      );
      const ask = (): Promise<Answer> => errands.queue.ask({ node: errands.node, store: undefined }, work, {});
      const [one, two] = [await ask(), await ask()];
      assert.equal(two.isAgain, true);
      const waiting = assert.rejects(two.run(), { code: 'NO_MATCH' });
      await assert.rejects(one.run(), { code: 'NO_MATCH' });
      await waiting;
      await assert.rejects(two.run(), { code: 'NO_MATCH' });
      assert.deepEqual(errands.queue.jobs(), []);
    });

    it('are not begun where their node closes while the folder of the jobs is opened', async () => {
      const folder = await mkdtemp(path.join(tmpdir(), 'queue-'));
      const closing = new AbortController();
      const store = new JobStore(folder, ({ code }) => assert.fail(code));
      const queue = Queue.of(home.broker);
      const work = otaWork(
        await Firmware.from(first),
        { choice: { devices: ['lamp'] }, settings: patient, rollout: sequential },
        { broker: home.broker, store },
      );
      const asked = queue.ask({ node: errands.node, store, closed: closing.signal }, work, {});
      closing.abort();
      await assert.rejects(asked, { name: 'AbortError' });
      assert.deepEqual(queue.jobs(), []);
      await store.close();
      await rm(folder, { recursive: true });
    });

    it('end together where they are given up while their devices are looked for', async () => {
      const other = new HomieBroker({ url: 'mqtt://127.0.0.1:1', protocolVersion: 'auto', baseTopic: 'homie/' });
      const queue = Queue.of(other);
      const work = otaWork(
        await Firmware.from(first),
        { choice: { devices: ['nowhere-*'] }, settings: patient, rollout: sequential },
        { broker: other },
      );
      const origin = { node: errands.node, store: undefined };
      const [one, two] = [await queue.ask(origin, work, {}), await queue.ask(origin, work, {})];
      const both = Promise.allSettled([one.run(), two.run()]);
      await queue.leave(errands.node, false);
      assert.deepEqual(
        (await both).map((end) => (end.status === 'rejected' ? end.reason.name : end.value.state)),
        ['AbortError', 'AbortError'],
      );
    });

    it('begin a new job when the old one has ended', async () => {
      const a = await add();
      const one = await errands.ask(first, [a.id]);
      await home.quiet();
      const two = await errands.ask(first, [a.id]);
      await home.quiet();
      assert.notEqual(two.job, one.job);
      assert.deepEqual(errands.ends(two.job), [`${a.id} skipped up_to_date`]);
    });

    it('send nothing, three nights in a row, after failures have stopped the first', async () => {
      const devices = [await add(bad), await add(), await add()];
      const { job, ended } = await errands.ask(first, 'all', { rollout: { maxFailures: 1 } });
      assert.equal((await ended).state, 'stopped');
      job.cancel();
      await home.quiet();
      for (let night = 0; night < 3; night += 1) {
        await home.pass(24 * HOUR);
        devices.push(await add());
        const tonight = await errands.ask(first, 'all', { rollout: { maxFailures: 0 } });
        const { state, text, devices: ends } = await tonight.ended;
        assert.equal(state, 'skipped');
        assert.match(text, /Failures stopped a rollout of this image\. .*the action resume or retry/);
        assert.deepEqual([...new Set(ends.map(({ reason }) => reason))], ['stopped']);
        assert.deepEqual(
          devices.map(({ id }) => home.images(id)),
          devices.map((_, index) => (index === 0 ? 1 : 0)),
        );
      }
    });

    it('go on after a stop to a device that is named by its id, with another image, and after a retry', async () => {
      const [a, b, c] = [await add(bad), await add(), await add()];
      const { job, ended } = await errands.ask(first, [a.id, b.id, c.id], { rollout: { maxFailures: 1 } });
      await ended;
      job.cancel();
      await home.quiet();
      const pattern = await errands.ask(first, [b.id.replace(/.$/, '*'), c.id.replace(/.$/, '*')]);
      await home.quiet();
      assert.deepEqual([home.images(b.id), home.images(c.id)], [0, 0]);
      await errands.ask(first, [b.id]);
      await home.quiet();
      assert.deepEqual([home.images(b.id), home.images(c.id)], [1, 0]);
      assert.deepEqual(pattern.job.retry([c.id]), [c.id]);
      await home.quiet();
      assert.equal(home.images(c.id), 1);
      await errands.ask(second, 'all');
      await home.quiet();
      assert.deepEqual([home.images(b.id), home.images(c.id)], [2, 2]);
    });

    it('try again what was not reached, although the canary was still watched when the job ended', async () => {
      const [a, b] = [await add(), await add()];
      await b.stop();
      const { job } = await errands.ask(first, [a.id, b.id], { rollout: { canary: 1, soak: 2 * HOUR } });
      await home.until(() => job.isEnded);
      assert.deepEqual(errands.ends(job), [`${a.id} succeeded`, `${b.id} timed_out DEVICE_OFFLINE`]);
      await b.start();
      assert.deepEqual(job.retry(), [b.id]);
      await home.quiet();
      assert.equal(errands.ends(job).at(-1), `${b.id} succeeded`);
    });

    it('change nothing by a retry where there is nothing to retry', async () => {
      const away = await add();
      await away.stop();
      await home.quiet();
      const { job } = await errands.ask(first, [away.id]);
      job.pause();
      assert.deepEqual(job.retry(), []);
      await home.quiet();
      assert.equal(job.summary().state, 'paused');
    });
  });

  for (const order of ['given', 'id'] as const) {
    it(`serve devices ${order === 'id' ? 'by id' : 'in the order in which they are named'}`, async () => {
      const ids = ['order-c', 'order-a', 'order-b'].map((id) => `${id}-${order}`);
      for (const id of ids) await home.add(id, { image: old });
      const { job } = await errands.ask(first, ids, { rollout: { order } });
      await home.quiet();
      const expected = order === 'id' ? [...ids].sort() : ids;
      assert.deepEqual(
        errands.ends(job),
        expected.map((id) => `${id} succeeded`),
      );
    });
  }
});
