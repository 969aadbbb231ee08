/** What the sidebar shows before something is done, and does then. */
import assert from 'node:assert/strict';
import type { PlanAnswer, PlanRequest, StartAnswer } from '../../nodes/sidebar/answers';
import { offer, withdraw } from '../../nodes/sidebar/offers';
import { Plans } from '../../nodes/sidebar/plans';
import { md5 } from '../../src/firmware/checksum';
import type { Job } from '../../src/rollout/job';
import { inEnglish } from '../../src/texts/text';
import { buildEsp8266Image } from '../support/images';
import { endOf } from '../support/jobs';
import type { TestFlow } from './flow';
import { next, payload, running, Scene, state } from './scene';
import { untilTrue } from '../support/until-true';

const newest = buildEsp8266Image({ name: 'my-light', version: '1.2.0', seed: 3 });
const plug = buildEsp8266Image({ name: 'my-plug', version: '2.1.0', seed: 4 });

const plan = (flow: TestFlow, request: PlanRequest): Promise<PlanAnswer> => Plans.of(flow.sidebar).make(request);
const begin = (flow: TestFlow, { id }: PlanAnswer): Promise<StartAnswer> => Plans.of(flow.sidebar).start(id);
const shown = ({ devices }: PlanAnswer): string[] =>
  devices.map(({ id, verdict, included }) => `${id} ${verdict} ${included}`);
const says = ({ devices }: PlanAnswer): string[] => devices.map((each) => each.says.map(inEnglish).join(' '));

function jobOf(flow: TestFlow, id: string | undefined): Job {
  const job = flow.sidebar.queue.jobs().find((each) => each.id === id);
  if (job === undefined) throw new Error(`there is no job ${id}`);
  return job;
}

describe('a plan of the sidebar', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  /** Starts a homie-broker, and puts images on offer. */
  const open = async (images: readonly Buffer[] = [next], broker: object = {}): Promise<TestFlow> => {
    const flow = await scene.flow({}, { broker: { canary: '0', expires: '3600', ...broker } });
    for (const image of images) await offer(flow.sidebar, image, false);
    return flow;
  };
  /** Starts a device that has gone offline, so that jobs wait for it. */
  const lost = async (flow: TestFlow, id: string): Promise<() => Promise<void>> => {
    const device = await scene.device(id);
    await device.stop();
    await untilTrue(flow.broker.registry, 'event', () => flow.broker.registry.get(id)?.state?.value === 'lost');
    return () => device.start();
  };

  describe('for an update', () => {
    it('says what would happen to whom and why not, and does it for these devices', async () => {
      const light = await scene.device('light');
      await scene.device('done', { image: next });
      await scene.device('other', { image: buildEsp8266Image({ name: 'other' }) });
      const left = await scene.device('left');
      const flow = await open();
      const answer = await plan(flow, { action: 'update', devices: ['other', 'light', 'done'] });
      assert.deepEqual(shown(answer), ['other nothing_on_offer false', 'light update true', 'done up_to_date false']);
      assert.match(String(says(answer)[1]), /^The device would be updated\. There is no way back/);
      const [, { from, to } = {}] = answer.devices;
      assert.deepEqual([from?.version, to?.version, to?.checksum], ['1.0.0', '1.1.0', await md5(next)]);
      assert.equal(answer.others, 1);
      assert.equal(light.received.length, 0);

      const { jobs, devices } = await begin(flow, answer);
      assert.deepEqual([jobs.length, devices], [1, 1]);
      assert.equal((await jobOf(flow, jobs[0]).untilIdle()).state, 'succeeded');
      assert.ok(jobOf(flow, jobs[0]).isEnded);
      assert.ok(light.image.equals(next));
      assert.equal(left.received.length, 0);
    });

    it('includes all devices for which an update is available, in a job for each image', async () => {
      await scene.device('light');
      await scene.device('outlet', { image: buildEsp8266Image({ name: 'my-plug', version: '2.0.0' }) });
      await scene.device('done', { image: next });
      await scene.device('ahead', { image: newest });
      const flow = await open([next, plug]);
      const answer = await plan(flow, { action: 'update' });
      assert.deepEqual(shown(answer), ['ahead older false', 'light update true', 'outlet update true']);
      const { jobs } = await begin(flow, answer);
      const ends = await Promise.all(jobs.map((id) => jobOf(flow, id).untilIdle()));
      assert.deepEqual(
        ends.map(({ counts }) => counts),
        [{ succeeded: 1 }, { succeeded: 1 }],
      );
      const again = await plan(flow, { action: 'update' });
      assert.deepEqual(shown(again), ['ahead older false']);
      await assert.rejects(begin(flow, again), { reason: 'nothing' });
    });

    it('can be for one image only', async () => {
      await scene.device('light');
      await scene.device('outlet', { image: buildEsp8266Image({ name: 'my-plug', version: '2.0.0' }) });
      const flow = await open([next, plug]);
      const checksum = await md5(plug);
      assert.deepEqual(shown(await plan(flow, { action: 'update', checksum })), ['outlet update true']);
      const both = await plan(flow, { action: 'update', devices: ['light', 'outlet'], checksum });
      assert.deepEqual(shown(both), ['light other_image false', 'outlet update true']);
      assert.equal(says(both)[0], 'Another image is on offer for the device: version 1.1.0.');
      await assert.rejects(plan(flow, { action: 'update', checksum: await md5(running) }), { code: 'NOT_ON_OFFER' });
    });

    it('is refused while nothing is on offer', async () => {
      await scene.device('light');
      const flow = await open([]);
      await assert.rejects(plan(flow, { action: 'update' }), { code: 'NOTHING_ON_OFFER' });
      const named = await plan(flow, { action: 'update', devices: ['light'] });
      assert.deepEqual(shown(named), ['light nothing_on_offer false']);
    });

    it('is started once, also if two requests come at the same time', async () => {
      await scene.device('light');
      const flow = await open();
      const answer = await plan(flow, { action: 'update' });
      const [first, second] = await Promise.allSettled([begin(flow, answer), begin(flow, answer)]);
      assert.deepEqual([first.status, second.status], ['fulfilled', 'rejected']);
      assert.equal(flow.sidebar.queue.jobs().length, 1);
    });

    it('is not started when another image is on offer by then, or none', async () => {
      const light = await scene.device('light');
      const flow = await open();
      const before = await plan(flow, { action: 'update' });
      await offer(flow.sidebar, newest, false);
      await assert.rejects(begin(flow, before), { reason: 'changed' });
      const later = await plan(flow, { action: 'update' });
      await withdraw(flow.sidebar, await md5(newest));
      await assert.rejects(begin(flow, later), { reason: 'changed' });
      assert.deepEqual([flow.sidebar.queue.jobs(), light.received], [[], []]);
    });

    it('is not started after the homie-broker was deployed again, nor once 20 newer ones were made', async () => {
      await scene.device('light');
      const flow = await open();
      const first = await plan(flow, { action: 'update' });
      for (let count = 0; count < 20; count += 1) await plan(flow, { action: 'exclude', devices: ['light'] });
      await assert.rejects(begin(flow, first), { reason: 'changed' });
      const second = await plan(flow, { action: 'exclude', devices: ['light'] });
      const deployed = await flow.deploy({ ...scene.broker, name: 'changed' });
      await assert.rejects(begin(deployed, second), { reason: 'changed' });
      await assert.rejects(begin(deployed, { ...second, id: 'made-up' }), { reason: 'changed' });
    });

    it('uses the settings of the homie-broker', async () => {
      await Promise.all(['a', 'b', 'c'].map((id) => scene.device(id)));
      const flow = await open([next], { exclude: 'c', canary: '1', soak: '3600', continuous: 'true' });
      const answer = await plan(flow, { action: 'update' });
      assert.deepEqual(shown(answer), ['a update true', 'b update true', 'c excluded false']);
      const { jobs } = await begin(flow, answer);
      const job = jobOf(flow, jobs[0]);
      const waits = (): boolean => job.devices.some(({ device, reason }) => device === 'b' && reason === 'canary');
      await untilTrue(job, 'progress', () => waits());
      assert.deepEqual(
        job.devices.map(({ device }) => device),
        ['a', 'b'],
      );
    });

    it('is refused while something is wrong with the settings', async () => {
      await scene.device('light');
      const flow = await open([next], { attempts: '0' });
      await assert.rejects(plan(flow, { action: 'update' }), { code: 'INVALID_SETTING' });
    });

    it('respects a stop for several devices, but not for one alone', async () => {
      await scene.device('bad', { misbehavior: { comesBackWith: running } });
      const other = await scene.device('other');
      await scene.device('third');
      const flow = await open();
      const { jobs } = await begin(flow, await plan(flow, { action: 'update' }));
      assert.equal((await jobOf(flow, jobs[0]).untilIdle()).state, 'stopped');

      const several = await plan(flow, { action: 'update', devices: ['other', 'third'] });
      assert.deepEqual(shown(several), ['other stopped false', 'third stopped false']);
      const alone = await plan(flow, { action: 'update', devices: ['other'] });
      assert.deepEqual(shown(alone), ['other update true']);
      const { jobs: own } = await begin(flow, alone);
      assert.equal(await endOf(jobOf(flow, own[0]), 'other'), 'succeeded');
      assert.ok(other.image.equals(next));
    });

    it('respects an exclusion for several devices, also one that comes later, but not for one alone', async () => {
      await scene.device('light');
      const flow = await open();
      const back = await lost(flow, 'late');
      const { jobs } = await begin(flow, await plan(flow, { action: 'update' }));
      await begin(flow, await plan(flow, { action: 'exclude', devices: ['late'] }));
      await back();
      const job = jobOf(flow, jobs[0]);
      await job.untilIdle();
      assert.equal(job.devices.find(({ device }) => device === 'late')?.reason, 'excluded');

      assert.deepEqual(shown(await plan(flow, { action: 'update' })), ['late excluded false']);
      const alone = await plan(flow, { action: 'update', devices: ['late'] });
      assert.deepEqual(shown(alone), ['late update true']);
    });
  });

  it('for a rollback says which image was proven before, and goes back to it', async () => {
    const light = await scene.device('light');
    const flow = await open();
    await begin(flow, await plan(flow, { action: 'update' })).then(({ jobs }) => jobOf(flow, jobs[0]).untilIdle());
    const none = await plan(flow, { action: 'rollback', devices: ['light'] });
    assert.deepEqual(shown(none), ['light nothing_on_offer false']);
    await offer(flow.sidebar, newest, false);
    await begin(flow, await plan(flow, { action: 'update' })).then(({ jobs }) => jobOf(flow, jobs[0]).untilIdle());

    const answer = await plan(flow, { action: 'rollback', devices: ['light'] });
    assert.deepEqual(shown(answer), ['light update true']);
    assert.deepEqual([answer.devices[0]?.from?.version, answer.devices[0]?.to?.version], ['1.2.0', '1.1.0']);
    const { jobs } = await begin(flow, answer);
    assert.equal((await jobOf(flow, jobs[0]).untilIdle()).state, 'succeeded');
    assert.ok(light.image.equals(next));
    const held = await plan(flow, { action: 'update' });
    assert.deepEqual(shown(held), ['light held false']);
  });

  describe('for a configuration change', () => {
    it('says what would change, and changes it', async () => {
      const light = await scene.device('light', { config: { settings: { apiToken: 'old-secret' } } });
      await scene.device('hall');
      const flow = await open([]);
      const patch = { name: 'Kitchen', settings: { apiToken: 'new-secret' } };
      const answer = await plan(flow, { action: 'set', devices: ['light', 'hall'], patch });
      assert.deepEqual(shown(answer), ['light unknown true', 'hall unknown true']);
      const { config } = answer.devices[0] ?? {};
      assert.deepEqual([config?.reboots, config?.messages, config?.sketch], [1, 1, ['settings.apiToken']]);
      assert.deepEqual(config?.differences.find(({ path }) => path === 'settings.apiToken')?.to, '•••');
      assert.doesNotMatch(JSON.stringify(answer), /old-secret|new-secret/);
      assert.equal(light.patches.length, 0);

      const { jobs } = await begin(flow, answer);
      assert.deepEqual((await jobOf(flow, jobs[0]).untilIdle()).counts, { succeeded: 2 });
      assert.equal(JSON.parse(light.file).settings.apiToken, 'new-secret');
      const same = await plan(flow, { action: 'set', devices: ['light'], patch: { name: 'Kitchen' } });
      assert.deepEqual(shown(same), ['light no_change false']);
    });

    it('says what is wrong at which field', async () => {
      await scene.device('light');
      const flow = await open([]);
      const answer = await plan(flow, { action: 'set', devices: ['light'], patch: { name: '' } });
      assert.deepEqual(shown(answer), ['light rejected false']);
      assert.deepEqual(
        answer.devices[0]?.config?.problems.map(({ path, code }) => [path, code]),
        [['name', 'CONFIG_RULE']],
      );
      await assert.rejects(begin(flow, answer), { reason: 'nothing' });
    });

    it('tells of risks, and includes a device only if they are allowed', async () => {
      await scene.device('light');
      const flow = await open([]);
      const request = { action: 'set', devices: ['light'], patch: { wifi: { ssid: 'other' } } } as const;
      const answer = await plan(flow, request);
      assert.deepEqual(shown(answer), ['light rejected false']);
      assert.deepEqual(
        answer.devices[0]?.config?.risks.map(({ path }) => path),
        ['wifi.ssid'],
      );
      assert.deepEqual(shown(await plan(flow, { ...request, allowRisky: true })), ['light set true']);
    });

    it('includes a device that is offline, unless its last configuration forbids the change', async () => {
      const flow = await open([]);
      const back = await lost(flow, 'late');
      const wrong = await plan(flow, { action: 'set', devices: ['late'], patch: { name: '' } });
      assert.deepEqual(shown(wrong), ['late offline false']);
      const right = await plan(flow, { action: 'set', devices: ['late', 'never-seen'], patch: { name: 'Late' } });
      assert.deepEqual(shown(right), ['late offline true', 'never-seen unseen true']);
      const { jobs } = await begin(flow, right);
      await back();
      assert.equal(await endOf(jobOf(flow, jobs[0]), 'late'), 'succeeded');
    });
  });

  describe('for jobs', () => {
    it('cancels a job of any node, and says what was sent', async () => {
      await scene.device('light', { flashDelay: 2000 });
      const flow = await open();
      flow.send({ payload: next, device: 'light,late', options: { concurrency: 2 } });
      await flow.progress.first((msg) => payload(msg, 'phase') === 'accepted');
      await flow.progress.first(state('waiting'));
      const [job] = flow.sidebar.queue.jobs();
      const answer = await plan(flow, { action: 'cancel', job: String(job?.id) });
      assert.deepEqual(shown(answer), ['light already_sent true', 'late cancel true']);
      assert.match(String(says(answer)[0]), /may still take effect/);
      assert.deepEqual(await begin(flow, answer), { jobs: [job?.id], devices: 2 });
      assert.deepEqual((await job?.untilIdle())?.counts, { canceled: 2 });
      await assert.rejects(begin(flow, answer), { reason: 'changed' });
    });

    it('cancels some devices only', async () => {
      const flow = await open();
      flow.send({ payload: next, device: 'one,two' });
      await flow.progress.nth(2, state('waiting'));
      const answer = await plan(flow, { action: 'cancel', devices: ['two', 'three'] });
      assert.deepEqual(shown(answer), ['two cancel true', 'three none false']);
      assert.equal(says(answer)[1], 'No open job includes the device.');
      await begin(flow, answer);
      assert.equal(payload(await flow.result.first(), 'device'), 'two');
      assert.equal(flow.sidebar.queue.open().length, 1);
    });

    it('retries a device, and says which other devices the stopped job then continues with', async () => {
      const bad = await scene.device('bad', { misbehavior: { comesBackWith: running } });
      const other = await scene.device('other');
      const flow = await open();
      const { jobs } = await begin(flow, await plan(flow, { action: 'update' }));
      const job = jobOf(flow, jobs[0]);
      assert.equal((await job.untilIdle()).state, 'stopped');
      const answer = await plan(flow, { action: 'retry', devices: ['bad'] });
      assert.deepEqual(shown(answer), ['bad retry true', 'other resume true']);
      assert.match(String(says(answer)[0]), /old firmware.*The job tries the device again\.$/);
      assert.deepEqual(shown(await plan(flow, { action: 'resume', job: job.id })), ['other resume true']);
      assert.deepEqual(shown(await plan(flow, { action: 'retry', devices: ['other'] })), ['other none false']);
      bad.misbehavior = {};
      assert.deepEqual(await begin(flow, answer), { jobs, devices: 2 });
      assert.deepEqual((await job.untilIdle()).counts, { succeeded: 2 });
      assert.ok(other.image.equals(next));
    });

    it('resumes a paused job', async () => {
      const flow = await open();
      const back = await lost(flow, 'late');
      const { jobs } = await begin(flow, await plan(flow, { action: 'update' }));
      const job = jobOf(flow, jobs[0]);
      assert.deepEqual(shown(await plan(flow, { action: 'resume', job: job.id })), []);
      await flow.sidebar.command('pause', { job: job.id });
      const answer = await plan(flow, { action: 'resume', devices: ['late'] });
      assert.deepEqual(shown(answer), ['late resume true']);
      await begin(flow, answer);
      await back();
      assert.equal(await endOf(job, 'late'), 'succeeded');
    });

    it('is not for more devices than were shown', async () => {
      const bad = await scene.device('bad', { misbehavior: { comesBackWith: running } });
      const flow = await open();
      const { jobs } = await begin(flow, await plan(flow, { action: 'update', devices: ['bad'] }));
      await jobOf(flow, jobs[0]).untilIdle();
      const answer = await plan(flow, { action: 'retry', devices: ['bad'] });
      bad.misbehavior = {};
      const twin = await plan(flow, { action: 'retry', devices: ['bad'] });
      await begin(flow, answer);
      await assert.rejects(begin(flow, twin), { reason: 'changed' });
    });

    it('names a job that is not known', async () => {
      const flow = await open();
      await assert.rejects(plan(flow, { action: 'cancel', job: 'made-up' }), { code: 'UNKNOWN_JOB' });
    });
  });

  it('excludes devices from updates, and includes them again', async () => {
    await scene.device('light');
    const flow = await open();
    const answer = await plan(flow, { action: 'exclude', devices: ['light', 'never-seen'] });
    assert.deepEqual(shown(answer), ['light exclude true', 'never-seen unknown false']);
    assert.deepEqual(await begin(flow, answer), { jobs: [], devices: 1 });
    assert.deepEqual(shown(await plan(flow, { action: 'exclude', devices: ['light'] })), ['light no_change false']);
    flow.send({ action: 'check', device: '*' });
    assert.deepEqual(payload(await flow.summary.first(), 'counts'), { excluded: 1 });

    await begin(flow, await plan(flow, { action: 'include', devices: ['light'] }));
    assert.deepEqual(shown(await plan(flow, { action: 'update' })), ['light update true']);
  });
});
