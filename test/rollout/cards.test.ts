import assert from 'node:assert/strict';
import { Firmware } from '../../src/firmware/firmware';
import { configDefaults } from '../../src/config/settings';
import { configWork } from '../../src/rollout/config-work';
import type { Job } from '../../src/rollout/job';
import type { JobCard } from '../../src/rollout/job-card';
import { jobCommands } from '../../src/rollout/job-commands';
import { Queue } from '../../src/rollout/queue';
import { rolloutDefaults } from '../../src/rollout/settings';
import { describeIf } from '../support/describe-if';
import { buildEsp8266Image } from '../support/images';
import { TestClock } from '../support/clock';
import { resetLocks } from '../support/locks';
import { mosquittoAvailable } from '../support/mosquitto';
import { Errands, image } from './errands';
import { Home } from './home';
import { untilTrue } from '../support/until-true';

const [old, first, second] = [image(1), image(2), image(3)];
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** Options of a device that receives an image so slowly that much can happen meanwhile. */
const slow = { flashDelay: 30 };

describeIf(mosquittoAvailable())('the card of a job', () => {
  let home: Home;
  let errands: Errands;
  let queue: Queue;

  const open = async (start: Date): Promise<void> => {
    home = await Home.open(new TestClock(start));
    errands = new Errands(home);
    queue = Queue.of(home.broker);
  };
  beforeEach(() => open(new Date()));
  afterEach(async () => {
    await errands.close();
    await home.close();
    resetLocks();
  });

  const add = async (...ids: readonly string[]): Promise<void> => {
    for (const id of ids) await home.add(id, { image: old });
  };
  const card = (): JobCard => queue.cards()[0] ?? assert.fail('no card');

  /** Waits until another job, or a pending reboot, keeps a job from its device. */
  const busy = async (job: Job): Promise<void> => {
    await untilTrue(job, 'progress', () => job.devices[0]?.reason === 'busy');
  };

  it('says what it does, for whom, how far it is, and what may be done with it', async () => {
    await home.add('lamp', { image: old, ...slow });
    const { job } = await errands.ask(first, ['lamp']);
    await home.inStep();
    const { to, progress, startedAt, ...running } = card();
    const { md5, size } = (await Firmware.from(first)).info;
    assert.deepEqual(to, { name: 'my-light', version: '1.0.0', checksum: md5, size });
    assert.deepEqual(running, {
      id: job.id,
      change: 'firmware',
      state: 'running',
      counts: { running: 1 },
      total: 1,
      device: 'lamp',
      by: 'node',
      may: ['pause', 'cancel'],
    });
    assert.ok(progress < 100);
    await home.quiet();
    const ended = card();
    assert.deepEqual(
      [ended.state, ended.counts, ended.progress, ended.may],
      ['succeeded', { succeeded: 1 }, 100, ['close']],
    );
    assert.ok(ended.endedAt !== undefined && ended.endedAt >= startedAt);
  });

  it('names the paths of a configuration change, and no value', async () => {
    await add('lamp');
    const wish = { patch: { wifi: { password: 'secret' } }, devices: ['lamp'], settings: configDefaults };
    const author = { id: 'config', name: 'Passwords' };
    const rollout = { ...rolloutDefaults, canary: 0 };
    const work = configWork({ ...wish, rollout }, { broker: home.broker, author });
    const { job } = await queue.ask({ node: 'config', store: undefined }, work, {});
    const { change, paths, by, may, state, why } = card();
    assert.deepEqual(
      [change, paths, by, state, why],
      ['configuration', ['wifi.password'], 'Passwords', 'running', { kind: 'looking' }],
    );
    assert.deepEqual(may, ['pause', 'cancel']);
    assert.ok(!JSON.stringify(queue.cards()).includes('secret'));
    await queue.leave('config', true);
    assert.ok(!queue.cards().some(({ id }) => id === job.id));
  });

  it('says until when its canary is observed, also after that has started over', async () => {
    await add('lamp', 'plug');
    const { job } = await errands.ask(first, ['lamp', 'plug'], { rollout: { canary: 1, soak: 10 * MINUTE } });
    await home.quiet();
    const until = (): number => {
      const { why } = card();
      assert.deepEqual([why?.kind, why?.devices], ['observation', ['lamp']]);
      return why?.until ?? assert.fail('not known');
    };
    const left = (): number => Math.round((until() - home.clock.date().getTime()) / MINUTE);
    assert.equal(left(), 10);
    await home.pass(4 * MINUTE);
    assert.equal(left(), 6);
    home.devices.get('lamp')?.dropConnection();
    await untilTrue(job, 'change', () => queue.cards()[0]?.why?.until !== undefined && left() === 10);
    const row = queue.updates.lastUpdates(new Set(['lamp', 'plug']));
    const [lamp, plug] = ['lamp', 'plug'].map((id) => row.get(id));
    assert.equal(lamp?.job.whyOf(lamp.update)?.until, until());
    assert.deepEqual(plug?.job.whyOf(plug.update), card().why);
  });

  it('says when its window opens', async () => {
    await add('lamp');
    await home.close();
    await open(new Date(new Date().setHours(12, 30, 0, 0)));
    await add('lamp');
    await errands.ask(first, ['lamp'], { rollout: { window: [{ from: 60, to: 120 }], expires: 2 * DAY } });
    await home.inStep();
    const { why } = card();
    const opens = new Date(home.clock.date());
    opens.setDate(opens.getDate() + 1);
    assert.deepEqual(why, { kind: 'window', until: opens.setHours(1, 0, 0, 0) });
  });

  it('says why its devices wait', async () => {
    await home.add('lamp', { image: old, ...slow });
    await add('plug', 'gone');
    await home.devices.get('gone')?.stop();
    await home.quiet();
    const { job } = await errands.ask(first, ['lamp', 'plug', 'gone', 'never']);
    await home.inStep();
    const whys = (): unknown[] =>
      ['plug', 'gone', 'never'].map((id) => {
        const found = queue.updates.lastUpdates(new Set([id])).get(id);
        return found?.job.whyOf(found.update);
      });
    assert.deepEqual(whys()[0], { kind: 'slot', count: 1 });
    assert.deepEqual(card().why, { kind: 'slot', count: 1 });
    await home.quiet();
    assert.deepEqual(whys(), [undefined, { kind: 'offline' }, { kind: 'never_seen' }]);
    assert.deepEqual(card().why, { kind: 'offline', count: 1 });
    job.pause();
    assert.deepEqual([card().state, card().why, card().may], ['paused', { kind: 'paused' }, ['resume', 'cancel']]);
  });

  it('says what has the device that it waits for: another job, or a pending reboot', async () => {
    await home.add('lamp', { image: old, ...slow });
    await errands.ask(first, ['lamp']);
    await home.inStep();
    const wish = { patch: { name: 'Lamp' }, devices: ['lamp'], settings: configDefaults };
    const rollout = { ...rolloutDefaults, canary: 0 };
    const work = configWork({ ...wish, rollout }, { broker: home.broker });
    const { run, job } = await queue.ask({ node: 'config', store: undefined }, work, {});
    const ended = run();
    await busy(job);
    assert.deepEqual(card().why, { kind: 'busy', change: 'firmware', count: 1 });
    job.cancel();
    await ended;
    await home.quiet();

    await home.pass(1000);
    await home.broker.locks.expectReboot('lamp', 'image');
    const { job: later } = await errands.ask(second, ['lamp']);
    await busy(later);
    // A configuration change has a clock of its own, so its card may come first.
    const { why } = queue.cards().find(({ id }) => id === later.id) ?? {};
    assert.deepEqual(why, { kind: 'reboot', count: 1 });
  });

  it('of a job that failures have stopped offers to go on, and goes with what was not sent', async () => {
    await home.add('lamp', { image: old, misbehavior: { comesBackWith: old } });
    await add('plug');
    const { job } = await errands.ask(first, ['lamp', 'plug'], { rollout: { maxFailures: 1 } });
    await home.quiet();
    const stopped = card();
    assert.deepEqual([stopped.state, stopped.why], ['stopped', { kind: 'stopped', count: 1 }]);
    assert.deepEqual(stopped.may, ['resume', 'retry', 'cancel', 'close']);
    assert.equal(stopped.error?.length, 2);
    await queue.close(job.id);
    await home.quiet();
    assert.deepEqual(errands.ends(job).slice(1), ['plug canceled']);
    assert.deepEqual(queue.cards(), []);
    await assert.rejects(queue.close(job.id), { code: 'UNKNOWN_JOB' });
  });

  it('stays while the job is open', async () => {
    await add('plug');
    const { job } = await errands.ask(first, ['plug', 'gone']);
    await home.quiet();
    await assert.rejects(queue.close(job.id), { code: 'UNKNOWN_JOB' });
    assert.equal(queue.cards().length, 1);
  });

  it('comes from the history where the queue does not know the job any more, until it is closed', async () => {
    await add('lamp', 'plug');
    const node = new Errands(home, 'nightly');
    const { job } = await node.ask(first, ['lamp', 'plug']);
    await home.quiet();
    const { may: _may, by: _by, ...before } = card();
    await node.close();
    assert.deepEqual(queue.jobs(), []);
    const { may, ...after } = card();
    assert.deepEqual(after, before);
    assert.deepEqual(may, ['close']);
    await queue.close(job.id);
    assert.deepEqual(queue.cards(), []);
  });

  it('goes a day after the job has ended, and before that for twenty later ones', async () => {
    await home.close();
    await open(new Date(Date.now() - DAY - MINUTE));
    await add('lamp');
    await errands.ask(first, ['lamp']);
    await home.quiet();
    assert.deepEqual(queue.cards(), []);
    await home.pass(2 * MINUTE);
    const jobs: string[] = [];
    const nodes = ['a', 'b', 'c'].map((node) => new Errands(home, node));
    for (let count = 0; count < 21; count += 1) {
      const bytes = buildEsp8266Image({ name: 'my-light', version: '1.0.0', seed: count + 10 });
      const { job } = (await nodes[count % 3]?.ask(bytes, ['lamp'])) ?? assert.fail();
      await home.quiet();
      await home.pass(1000);
      jobs.unshift(job.id);
    }
    assert.deepEqual(
      queue.cards().map(({ id }) => id),
      jobs.slice(0, 20),
    );
    await Promise.all(nodes.map((node) => node.close()));
  });

  it('is steered without a node, whichever node the job is of', async () => {
    await add('lamp', 'plug');
    const other = new Errands(home, 'other');
    await errands.ask(first, ['lamp', 'gone-1']);
    await home.pass(1000);
    const { job } = await other.ask(first, ['plug', 'gone-2']);
    await home.quiet();
    let steered = 0;
    job.on('steered', () => (steered += 1));
    jobCommands.pause(queue, undefined, {});
    assert.deepEqual(
      queue.cards().map(({ state }) => state),
      ['paused', 'paused'],
    );
    assert.equal(steered, 1);
    await jobCommands.cancel(queue, undefined, { job: job.id });
    await home.quiet();
    assert.deepEqual(
      queue.cards().map(({ state }) => state),
      ['canceled', 'paused'],
    );
    await other.close();
  });

  it('is paused as a whole, also where the command names a device that has ended', async () => {
    await add('lamp');
    await errands.ask(first, ['lamp', 'gone']);
    await home.quiet();
    const summary = jobCommands.pause(queue, 'node', { devices: ['lamp'] });
    assert.deepEqual([summary.state, summary.counts], ['paused', { succeeded: 1 }]);
  });
});
