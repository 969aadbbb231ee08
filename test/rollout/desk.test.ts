import assert from 'node:assert/strict';
import type { DeviceOptions, SimulatedDevice } from '../simulator/device';
import { mosquittoAvailable } from '../support/mosquitto';
import { Errands, image } from './errands';
import { Home } from './home';

const HOUR = 3_600_000;
const [old, first, second, third] = [image(1), image(2), image(3), image(4)];

/** Receives an image so slowly that much can happen meanwhile. */
const slow = { flashDelay: 30 };

describe('the jobs of a node', () => {
  let home: Home;
  let errands: Errands;
  let count = 0;

  before(function () {
    if (!mosquittoAvailable()) this.skip();
  });
  beforeEach(async () => {
    home = await Home.open();
    errands = new Errands(home);
  });
  afterEach(async () => {
    await errands.close();
    await home.close();
  });

  const add = (options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> =>
    home.add(`desk-${(count += 1)}`, { image: old, ...options });

  describe('for a newer firmware', () => {
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

    it('hand over what waits also to a job that is there already', async () => {
      const [a, b] = [await add(slow), await add()];
      const older = await errands.ask(first, [a.id, b.id]);
      await home.inStep();
      const c = await add(slow);
      const newer = await errands.ask(second, [c.id]);
      await home.inStep();
      const joined = await errands.ask(second, [b.id]);
      assert.equal(joined.job, newer.job);
      await home.quiet();
      assert.deepEqual(errands.ends(older.job), [`${b.id} canceled superseded`, `${a.id} succeeded`]);
      assert.equal(home.images(b.id), 1);
      assert.ok(b.image.equals(second));
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

  describe('asked for the same image again', () => {
    const bad = { misbehaviour: { failWriteAt: 20_000 } };

    it('take it into the same job', async () => {
      const [a, b] = [await add(slow), await add()];
      const one = await errands.ask(first, [a.id]);
      await home.inStep();
      const two = await errands.ask(first, [b.id, a.id]);
      assert.equal(two.job, one.job);
      assert.deepEqual((await two.ended).counts, { succeeded: 2 });
      assert.deepEqual([home.images(a.id), home.images(b.id)], [1, 1]);
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

    it('send nothing, three nights in a row, after failures have stopped the job', async () => {
      const devices = [await add(bad), await add(), await add()];
      const { job, ended } = await errands.ask(first, 'all', { rollout: { maxFailures: 1 } });
      assert.equal((await ended).state, 'stopped');
      for (let night = 0; night < 3; night += 1) {
        await home.pass(24 * HOUR);
        devices.push(await add());
        const tonight = await errands.ask(first, 'all');
        assert.equal(tonight.job, job);
        assert.equal((await tonight.ended).error?.code, 'ROLLOUT_STOPPED');
        assert.deepEqual(
          devices.map(({ id }) => home.images(id)),
          devices.map((_, index) => (index === 0 ? 1 : 0)),
        );
      }
      assert.equal(errands.ends(job).length, 1);

      job.resume();
      await home.quiet();
      assert.deepEqual(job.summary().counts, { failed: 1, succeeded: 5 });
    });

    it('start nothing more when enough have failed, although nothing was left to be stopped', async () => {
      const [a, b, c] = [await add(bad), await add(slow), await add()];
      const { job } = await errands.ask(first, [a.id, b.id], { rollout: { concurrency: 2, maxFailures: 1 } });
      while (home.results.length === 0) await home.change();
      await errands.ask(first, [c.id]);
      await home.quiet();
      assert.equal(job.summary().state, 'stopped');
      assert.equal(home.images(c.id), 0);
      assert.deepEqual(job.retry(), [a.id]);
      await home.quiet();
      assert.equal(home.images(a.id), 2);
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
      const [a, b] = [await add(), await add()];
      await b.stop();
      // Seen by us, too: an image is on its way at once.
      await home.quiet();
      const { job } = await errands.ask(first, [b.id]);
      job.pause();
      await errands.ask(first, [a.id]);
      await home.quiet();
      assert.deepEqual(job.retry(), []);
      await home.quiet();
      assert.equal(job.summary().state, 'paused');
      assert.equal(home.images(a.id), 0);
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
