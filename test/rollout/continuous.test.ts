import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { DeviceOptions, SimulatedDevice } from '../simulator/device';
import { describeIf } from '../support/describe-if';
import { buildEsp8266Image } from '../support/images';
import { mosquittoAvailable } from '../support/mosquitto';
import { Errands, image } from './errands';
import { Home } from './home';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const [old, first, second] = [image(1), image(2), image(3)];
const continuous = { rollout: { continuous: true } };

describeIf(mosquittoAvailable())('a rollout that stays open', () => {
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

  const add = (options: Partial<DeviceOptions> & { id?: string } = {}): Promise<SimulatedDevice> =>
    home.add(options.id ?? `lamp-${(count += 1)}`, { image: old, ...options });
  const runs = ({ image: bytes }: SimulatedDevice): string =>
    ['old', 'first', 'second'][[old, first, second].findIndex((each) => each.equals(bytes))] ?? 'other';

  it('updates devices that appear later, and says when all have ended', async () => {
    const a = await add();
    const { job, ended } = await errands.ask(first, 'all', continuous);
    assert.deepEqual((await ended).counts, { succeeded: 1 });
    assert.equal(job.isEnded, false);

    await home.pass(30 * 24 * HOUR);
    const b = await add();
    await home.quiet();
    assert.deepEqual([runs(a), runs(b)], ['first', 'first']);
    assert.deepEqual((await job.untilIdle()).counts, { succeeded: 2 });
  });

  it('leaves alone what is excluded, what runs another firmware, and what is up to date', async () => {
    await add();
    const { job } = await errands.ask(first, 'all', { rollout: { continuous: true, exclude: ['spare-*'] } });
    await home.quiet();
    const id = `spare-${(count += 1)}`;
    await add({ id });
    const plug = await add({ image: buildEsp8266Image({ name: 'my-plug' }) });
    const current = await add({ image: first });
    await home.quiet();
    assert.deepEqual(errands.ends(job).slice(1), [`${id} skipped excluded`, `${current.id} skipped up_to_date`]);
    assert.deepEqual([home.images(id), home.images(plug.id)], [0, 0]);
  });

  it('gives another chance to a device that did not come in time, as soon as it is there', async () => {
    const [a, b] = [await add(), await add()];
    await b.stop();
    await home.quiet();
    const { job } = await errands.ask(first, 'all', continuous);
    await home.pass(2 * HOUR);
    assert.deepEqual(errands.ends(job), [`${a.id} succeeded`, `${b.id} timed_out DEVICE_OFFLINE`]);
    await b.start();
    await home.quiet();
    assert.equal(errands.ends(job).at(-1), `${b.id} succeeded`);
  });

  it('comes back to a device that another job had when it appeared, as soon as that is done', async () => {
    const [a, b] = [await add(), await add()];
    await b.stop();
    await home.quiet();
    const { job } = await errands.ask(first, 'all', continuous);
    await home.until(() => errands.ends(job).length === 2);
    assert.deepEqual(errands.ends(job), [`${a.id} succeeded`, `${b.id} timed_out DEVICE_OFFLINE`]);
    const { locks } = home.broker;
    locks.acquire(b.id, 'other', 'patch');
    await b.start();
    await home.quiet();
    assert.equal(home.images(b.id), 0);
    locks.release(b.id, 'other');
    await home.quiet();
    assert.equal(errands.ends(job).at(-1), `${b.id} succeeded`);
  });

  it('begins without any device, and takes in the first that appears', async () => {
    const { job, ended } = await errands.ask(first, 'all', continuous);
    assert.equal((await ended).text, 'The job has no devices yet.');
    assert.equal(job.isEnded, false);
    await errands.ask(second, ['lamp-*'], continuous);
    const a = await add();
    await home.quiet();
    assert.equal(runs(a), 'second');
    assert.deepEqual(errands.ends(job), [`${a.id} canceled superseded`]);
  });

  it('is closed by one for a newer firmware that is for all devices, too', async () => {
    const a = await add();
    const older = await errands.ask(first, 'all', continuous);
    await home.quiet();
    const newer = await errands.ask(second, 'all', continuous);
    await home.quiet();
    assert.equal(older.job.isEnded, true);
    const b = await add();
    await home.quiet();
    assert.deepEqual([runs(a), runs(b)], ['second', 'second']);
    assert.equal(home.images(b.id), 1);
    assert.equal(newer.job.isEnded, false);
  });

  it('leaves to a newer one the devices that it means, so that none is flashed to and fro', async () => {
    const a = await add();
    const older = await errands.ask(first, ['lamp-*'], continuous);
    await home.quiet();
    const newer = await errands.ask(second, ['lamp-*'], continuous);
    await home.quiet();
    const b = await add();
    await home.pass(24 * HOUR);
    assert.deepEqual([runs(a), runs(b)], ['second', 'second']);
    assert.deepEqual([home.images(a.id), home.images(b.id)], [2, 1]);
    assert.deepEqual(errands.ends(newer.job), [`${a.id} succeeded`, `${b.id} succeeded`]);
    assert.equal(errands.ends(older.job).at(-1), `${b.id} canceled superseded`);
  });

  it('leaves alone a device that was given a newer firmware by itself', async () => {
    const [a, b] = [await add(), await add()];
    const older = await errands.ask(first, 'all', continuous);
    await home.quiet();
    await errands.ask(second, [a.id]);
    await home.pass(24 * HOUR);
    assert.deepEqual([runs(a), runs(b)], ['second', 'first']);
    assert.equal(home.images(a.id), 2);
    assert.equal(older.job.isEnded, false);
  });

  it('never flashes to and fro with another node', async () => {
    const a = await add();
    const other = new Errands(home, 'other');
    const { job, ended } = await errands.ask(first, 'all', continuous);
    await home.quiet();
    await other.ask(second, 'all', continuous);
    assert.equal((await ended).state, 'succeeded');
    await home.quiet();
    for (let times = 0; times < 3; times += 1) {
      a.dropConnection();
      await once(a, 'ready');
      await home.quiet();
    }
    await other.close();
    assert.equal(runs(a), 'second');
    assert.equal(home.images(a.id), 2);
    assert.deepEqual(errands.ends(job), [`${a.id} succeeded`]);
  });

  it('holds an image back from a device that had it and runs another one since', async () => {
    const a = await add();
    const { job } = await errands.ask(first, 'all', continuous);
    await home.quiet();
    const again = await home.replace(a, old);
    await home.quiet();
    assert.equal(errands.ends(job).at(-1), `${a.id} skipped held`);
    assert.deepEqual(job.retry(), [a.id]);
    await home.quiet();
    assert.equal(runs(again), 'first');
  });
});
