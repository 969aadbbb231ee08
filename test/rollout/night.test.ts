import assert from 'node:assert/strict';
import { readWindow } from '../../src/settings/times';
import type { RolloutSettings } from '../../src/rollout/settings';
import type { DeviceOptions, SimulatedDevice } from '../simulator/device';
import { TestClock } from '../support/clock';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable } from '../support/mosquitto';
import { inTimeZone } from '../support/time-zone';
import { Errands, image } from './errands';
import { Home } from './home';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const [old, fresh] = [image(1), image(2)];

describeIf(mosquittoAvailable())('a rollout at night, in Berlin', () => {
  inTimeZone('Europe/Berlin');
  let home: Home;
  let errands: Errands;
  let count = 0;

  afterEach(async () => {
    await errands.close();
    await home.close();
  });

  const open = async (start: string): Promise<void> => {
    home = await Home.open(new TestClock(start));
    errands = new Errands(home);
  };
  const add = (options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> =>
    home.add(`night-${(count += 1)}`, { image: old, ...options });
  /** Starts a rollout to all devices. */
  const ask = (window: string, rollout: Partial<RolloutSettings> = {}) =>
    errands.ask(fresh, 'all', { rollout: { expires: 72 * HOUR, ...rollout, window: readWindow(window) } });
  /** Returns the times at which the devices were updated, in UTC. */
  const times = (): string[] => {
    const began = home.clock.date().getTime() - home.clock.now();
    return home.results.map(({ at }) => new Date(began + at).toISOString().slice(5, 16));
  };

  it('begins when the window opens, goes on after midnight, and leaves the rest for the next night', async () => {
    await open('2026-01-10T12:00Z');
    for (let index = 0; index < 4; index += 1) await add();
    const { job } = await ask('23:30-00:30', { spacing: 25 * MINUTE });
    await home.pass(6 * HOUR);
    assert.deepEqual(times(), []);
    assert.deepEqual([job.summary().stage, job.summary().opensAt], ['window', '2026-01-10T22:30:00.000Z']);
    await home.until(() => job.isEnded);
    assert.deepEqual(times(), ['01-10T22:30', '01-10T22:55', '01-10T23:20', '01-11T22:30']);
  });

  it('is right in the night in which the clock is set forward', async () => {
    await open('2026-03-28T12:00Z');
    for (let index = 0; index < 3; index += 1) await add();
    const { job } = await ask('01:00-05:00', { spacing: 2 * HOUR });
    await home.until(() => job.isEnded);
    // At 1:00; at 4:00, which is two hours later; and in the next night.
    assert.deepEqual(times(), ['03-29T00:00', '03-29T02:00', '03-29T23:00']);
  });

  it('is right in the night in which the clock is set back', async () => {
    await open('2026-10-24T12:00Z');
    for (let index = 0; index < 3; index += 1) await add();
    const { job } = await ask('01:00-05:00', { spacing: 2.5 * HOUR });
    await home.until(() => job.isEnded);
    // At 1:00, and at the second 2:30. The next start would be at 5:00, when the window closes.
    assert.deepEqual(times(), ['10-24T23:00', '10-25T01:30', '10-26T00:00']);
  });

  it('waits a day longer where the window lies in the hour that is left out', async () => {
    await open('2026-03-28T12:00Z');
    await add();
    const { job } = await ask('02:15-02:45');
    await home.until(() => job.isEnded);
    assert.deepEqual(times(), ['03-30T00:15']);
  });

  it('finishes what runs when the window closes', async () => {
    await open('2026-01-10T00:00Z');
    const [a, b] = [await add({ flashDelay: 50 }), await add()];
    const { job } = await ask('01:00-05:00', { concurrency: 1 });
    await home.inStep();
    assert.deepEqual(home.running, [a.id]);
    await home.clock.pass(5 * HOUR);
    await home.quiet();
    assert.deepEqual(errands.ends(job), [`${a.id} succeeded`]);
    await home.until(() => job.isEnded);
    assert.deepEqual(errands.ends(job), [`${a.id} succeeded`, `${b.id} succeeded`]);
    assert.equal(times()[1], '01-11T00:00');
  });

  it('watches a canary on while the window is closed', async () => {
    await open('2026-01-10T03:50Z');
    for (let index = 0; index < 2; index += 1) await add();
    const { job } = await ask('01:00-05:00', { canary: 1, soak: HOUR });
    await home.until(() => job.isEnded);
    assert.deepEqual(times(), ['01-10T03:50', '01-11T00:00']);
  });

  it('serves a device that wakes while the window is closed when it wakes while it is open', async () => {
    await open('2026-01-10T12:00Z');
    const sleeper = await add();
    sleeper.prepareToSleep();
    await home.inStep();
    const { job } = await ask('01:00-05:00');
    await sleeper.wake();
    await home.inStep();
    sleeper.prepareToSleep();
    await home.pass(13 * HOUR);
    assert.equal(home.images(sleeper.id), 0);
    await sleeper.wake();
    await home.quiet();
    assert.deepEqual(errands.ends(job), [`${sleeper.id} succeeded`]);
  });

  it('gives up what is there when the window does not open in time', async () => {
    await open('2026-01-10T12:00Z');
    const a = await add();
    const { job } = await ask('01:00-05:00', { expires: 8 * HOUR });
    await home.until(() => job.isEnded);
    assert.deepEqual(errands.ends(job), [`${a.id} timed_out WINDOW_CLOSED`]);
    assert.deepEqual(times(), ['01-10T20:00']);
  });

  it('sees within a minute that the clock on the wall was set', async () => {
    await open('2026-01-10T12:00Z');
    const [a, b] = [await add(), await add()];
    const { job } = await ask('01:00-05:00', { spacing: 10 * MINUTE });
    await home.pass(HOUR);
    home.clock.set('2026-01-10T00:30Z');
    await home.pass(MINUTE);
    assert.deepEqual(errands.ends(job), [`${a.id} succeeded`]);
    home.clock.set('2026-01-10T12:00Z');
    await home.pass(HOUR);
    assert.equal(home.images(b.id), 0);
  });
});
