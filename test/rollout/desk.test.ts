import assert from 'node:assert/strict';
import type { DeviceOptions, SimulatedDevice } from '../simulator/device';
import { mosquittoAvailable } from '../support/mosquitto';
import { Errands, image } from './errands';
import { Home } from './home';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
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

    it('cancel a device that they wait for', async () => {
      const a = await add(slow);
      const older = await errands.ask(first, [a.id]);
      await home.inStep();
      const newer = await errands.ask(second, [a.id]);
      assert.deepEqual(newer.job.cancel(), { canceled: [a.id], tooLate: [] });
      await home.quiet();
      assert.deepEqual(errands.ends(newer.job), [`${a.id} canceled`]);
      assert.deepEqual(errands.ends(older.job), [`${a.id} succeeded`]);
    });
  });
});
