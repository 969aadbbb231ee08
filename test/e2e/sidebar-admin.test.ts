import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connectAsync } from 'mqtt';
import { md5 } from '../../src/firmware/checksum';
import { errors } from '../../src/texts/en-US.json';
import { buildEsp8266Image } from '../support/images';
import { ADMIN, fresh, LoggedIn, OCTETS, type Answer, type Question } from '../support/logged-in';
import { publishStrange, shown, strangers } from './strangers';

/** Users with all permissions: each may send 60 requests a minute that change something. */
const users = { uploader: '*', planner: '*', guesser: '*', starter: '*', hurried: '*', stranger: '*' };

/** Rights: read-only.test.ts, write-only.test.ts and admin.test.ts. */
describe('the admin API of the sidebar', () => {
  let site: LoggedIn;
  let nodeRed: LoggedIn['nodeRed'];
  let devices: LoggedIn['devices'];

  before(async () => {
    site = await LoggedIn.start({
      users,
      devices: ['kitchen-light', 'hall-light', 'attic-light'].map((id) => ({
        id,
        statsInterval: 1,
        config: { settings: { apiToken: 'pl4nted-token', dim: true } },
      })),
      settings: { exclude: 'hall-light' },
    });
    ({ nodeRed, devices } = site);
  });
  after(() => site.stop());

  const broker = 'brokers/broker';
  const ask = (path: string, question?: Question): Promise<Answer> => site.ask(ADMIN, path, question);
  const table = (query = '', id = 'broker'): Promise<Answer> => ask(`brokers/${id}/table${query}`, { method: 'GET' });
  const rows = (): ReturnType<LoggedIn['rows']> => site.rows();
  const plan = (who: string, body: unknown): Promise<Answer> => site.json(who, `${broker}/plans`, body);
  const start = (who: string, id: unknown): Promise<Answer> =>
    site.json(who, `${broker}/plans/${String(id)}/start`, {});
  const planned = ({ body }: Answer): string[] => {
    const list: unknown = body['devices'];
    return (Array.isArray(list) ? list : []).map(({ id, verdict, included }) => `${id} ${verdict} ${included}`);
  };

  describe('for a table', () => {
    it('takes any cursor, and says that a broker is not there', async () => {
      for (const since of ['x', '%00', '1.2', 'a'.repeat(5000)]) {
        assert.equal((await table(`?since=${since}`)).body['full'], true, since.slice(0, 5));
      }
      assert.equal((await table('?since[]=1')).status, 200);
      for (const id of ['none', 'flow', '__proto__']) {
        const { state, rows: found, jobs, offers } = { ...(await table('', id)).body };
        assert.deepEqual([state, found, jobs, offers], ['undeployed', [], [], []], id);
      }
    });
  });

  describe('for firmware on offer', () => {
    const upload = (image?: Buffer | string, type?: string): Promise<Answer> => site.upload('uploader', image, type);

    it('inspects an upload, offers it, and says for how many devices', async () => {
      await rows();
      const { status, body } = await upload();
      assert.equal(status, 200);
      const checksum = await md5(fresh);
      const offer = {
        name: 'my-light',
        version: '1.1.0',
        chip: 'esp8266',
        flashSize: 4 * 1024 * 1024,
        size: 60_000,
        checksum,
      };
      assert.deepEqual(body, { offered: true, offer });
      const { offers } = Object((await table()).body);
      const [{ at, ...card }, ...others] = offers;
      assert.deepEqual([card, others], [{ ...offer, available: 3, devices: 3 }, []]);
      assert.ok(Math.abs(Date.now() - at) < 60_000);
    });

    it('keeps a higher version on offer, unless it is to be replaced', async () => {
      const older = buildEsp8266Image({ name: 'my-light', version: '1.0.5', seed: 9 });
      const { body } = await upload(older);
      assert.deepEqual([body['offered'], body['instead']], [false, '1.1.0']);
      const replaced = await site.ask('uploader', `${broker}/offers?replace=true`, {
        body: new Uint8Array(older),
        type: OCTETS,
      });
      assert.equal(replaced.body['offered'], true);
      assert.equal((await upload()).body['offered'], true);
      const odd = await site.ask('uploader', `${broker}/offers?replace=maybe`, { body: '', type: OCTETS });
      assert.deepEqual([odd.status, odd.body['code']], [400, 'malformed']);
    });

    it('withdraws an image', async () => {
      const image = buildEsp8266Image({ name: 'my-plug', version: '1.0.0', seed: 9 });
      await upload(image);
      const path = `${broker}/offers/${await md5(image)}`;
      const remove = (which: string): Promise<Answer> => site.ask('uploader', which, { method: 'DELETE' });
      assert.equal((await remove(path)).status, 204);
      const again = await remove(path);
      assert.deepEqual([again.status, again.body['code']], [404, 'NOT_ON_OFFER']);
      for (const wrong of ['x'.repeat(101), '__proto__', '%00']) {
        assert.match(String((await remove(`${broker}/offers/${wrong}`)).status), /^40[04]$/);
      }
    });

    it('refuses an upload that is no firmware, or could come from a page of another site', async () => {
      for (const [bytes, code] of [
        [Buffer.alloc(0), 'FIRMWARE_EMPTY'],
        [Buffer.from('<!doctype html><html><body>login</body></html>'), 'FIRMWARE_IS_HTML'],
        [fresh.subarray(0, 30_000), 'FIRMWARE_TRUNCATED'],
      ] as const) {
        const { status, body } = await upload(bytes);
        assert.deepEqual([status, body['code']], [400, code]);
        assert.ok(String(body['message']).endsWith(errors[code].hint), String(body['message']));
      }
      for (const type of ['text/plain', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded', '']) {
        const answer = await upload(fresh, type);
        assert.deepEqual([answer.status, answer.body['code']], [400, 'malformed'], type);
      }
    });

    it('takes up to 16 MiB, and not a byte more, whatever the length is said to be', async () => {
      const large = buildEsp8266Image({ size: 6 * 1024 * 1024, name: 'large' });
      assert.equal((await upload(large)).status, 200, 'more than Node-RED takes of JSON');
      const tooLarge = Buffer.alloc(16 * 1024 * 1024 + 1, 0xe9);
      const told = await upload(tooLarge);
      assert.deepEqual([told.status, told.body['code']], [413, 'FIRMWARE_TOO_LARGE']);
      const status = await new Promise((resolve, reject) => {
        const headers = { Authorization: `Bearer ${site.token('uploader')}`, 'Content-Type': OCTETS };
        const untold = request(`${nodeRed.url}/homie-ota/${broker}/offers`, { method: 'POST', headers }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        untold.on('error', reject);
        for (let at = 0; at < tooLarge.length; at += 1 << 20) untold.write(tooLarge.subarray(at, at + (1 << 20)));
        untold.end();
      });
      assert.equal(status, 413);
    });

    it('forgets an upload that is broken off, and takes the next ones', async () => {
      for (let i = 0; i < 3; i += 1) {
        await new Promise<void>((resolve) => {
          const headers = {
            Authorization: `Bearer ${site.token('uploader')}`,
            'Content-Type': OCTETS,
            'Content-Length': fresh.length,
          };
          const broken = request(`${nodeRed.url}/homie-ota/${broker}/offers`, { method: 'POST', headers });
          broken.on('error', () => resolve());
          broken.write(fresh.subarray(0, 20_000), () => broken.destroy(new Error('broken off')));
        });
      }
      let answer: Answer;
      // That a connection has ended is heard a moment later.
      do answer = await upload();
      while (answer.status === 429);
      assert.equal(answer.status, 200);
    });
  });

  describe('for a plan', () => {
    it('says what an update would do', async () => {
      await rows();
      await site.upload('planner');
      const all = await plan('planner', { action: 'update' });
      assert.equal(all.status, 200, JSON.stringify(all.body));
      assert.deepEqual(planned(all), [
        'attic-light update true',
        'hall-light excluded false',
        'kitchen-light update true',
      ]);
      const one = await plan('planner', { action: 'update', devices: ['kitchen-light'], checksum: await md5(fresh) });
      assert.deepEqual([planned(one), one.body['others']], [['kitchen-light update true'], 2]);
      assert.ok(devices.every(({ received }) => received.length === 0));
    });

    it('refuses devices that are none, and never takes an empty list for all', async () => {
      for (const action of ['update', 'rollback', 'set', 'cancel', 'retry', 'resume', 'exclude', 'include']) {
        const patch = action === 'set' && { patch: {} };
        const { status, body } = await plan('guesser', { action, devices: [], ...patch });
        assert.deepEqual([status, body['code']], [400, 'NO_DEVICE'], action);
      }
      for (const [selected, code] of [
        [[''], 'NO_DEVICE'],
        [['kitchen-*'], 'INVALID_DEVICE_ID'],
        [['a/b'], 'INVALID_DEVICE_ID'],
        [[7], 'INVALID_DEVICE_ID'],
      ]) {
        const { status, body } = await plan('guesser', { action: 'update', devices: selected });
        assert.deepEqual([status, body['code']], [400, code], JSON.stringify(selected));
      }
    });

    it('refuses what makes no sense with a clear answer', async () => {
      const light = ['kitchen-light'];
      for (const body of [
        {},
        [],
        { action: 'flash' },
        { action: '__proto__' },
        { action: 'update', devices: 'kitchen-light' },
        { action: 'update', devices: null },
        { action: 'update', devices: { length: 1 } },
        { action: 'update', devices: Array.from({ length: 20_001 }, (_, index) => `light-${index}`) },
        { action: 'update', device: light },
        { action: 'update', job: 'x' },
        { action: 'update', checksum: 'x'.repeat(101) },
        { action: 'cancel', job: 7 },
        { action: 'set', devices: light },
        { action: 'set', devices: light, patch: '{"name":"x"}' },
        { action: 'set', devices: light, patch: ['x'] },
        { action: 'set', devices: light, patch: { name: 'x'.repeat(4096) } },
        { action: 'set', devices: light, patch: {}, allowRisky: 'yes' },
      ]) {
        const { status, body: said } = await plan('planner', body);
        assert.deepEqual([status, said['code']], [400, 'malformed'], JSON.stringify(body).slice(0, 80));
      }
      const broken = await site.ask('planner', `${broker}/plans`, { body: '{"action":', type: 'application/json' });
      assert.equal(broken.status, 400);
      assert.equal((await plan('planner', { action: 'update', x: 'x'.repeat(6_000_000) })).status, 413);
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) {
        const body = JSON.stringify({ action: 'update' });
        assert.equal((await site.ask('planner', `${broker}/plans`, { body, type })).status, 400, type);
      }
      for (const id of ['nobody', 'flow', '__proto__']) {
        const answer = await site.json('planner', `brokers/${id}/plans`, { action: 'update' });
        assert.deepEqual([answer.status, answer.body['code']], [404, 'undeployed'], id);
      }
      const unknown = await plan('planner', { action: 'cancel', job: '__proto__' });
      assert.deepEqual([unknown.status, unknown.body['code']], [404, 'UNKNOWN_JOB']);
      const masked = await plan('planner', { action: 'set', devices: light, patch: { name: '•••' } });
      assert.deepEqual([masked.status, masked.body['code']], [400, 'PATCH_MASKED']);
    });

    it('repeats no secret of a patch', async () => {
      const patch = { wifi: { password: 'n3w-secret' }, settings: { apiToken: 'n3w-secret' } };
      const { status, body } = await plan('planner', { action: 'set', devices: ['kitchen-light'], patch });
      assert.equal(status, 200);
      assert.doesNotMatch(JSON.stringify(body), /n3w-secret|pl4nted-token/);
      assert.match(JSON.stringify(body), /settings\.apiToken/);
    });

    it('is started once, and only with an id that was given', async () => {
      await site.upload('starter');
      for (const id of ['x', '__proto__', '%00', 'x'.repeat(5000)]) {
        const { status, body } = await start('starter', id);
        assert.deepEqual([status, body['code']], [409, 'changed'], id.slice(0, 10));
      }
      const { body: shownPlan } = await plan('starter', { action: 'update', devices: ['hall-light'] });
      const nothing = await start('starter', shownPlan['id']);
      assert.deepEqual([nothing.status, nothing.body['code']], [409, 'nothing']);

      // Deployed again, the homie-broker may have other settings.
      const { body: old } = await plan('starter', { action: 'update' });
      await site.deploy(site.flows());
      let late: Answer;
      do late = await start('starter', old['id']);
      while (late.body['code'] === 'undeployed');
      assert.deepEqual([late.status, late.body['code']], [409, 'changed']);
      assert.ok(devices.every(({ received }) => received.length === 0));
    });

    it('is done for these devices without another node, and the table shows the proven end', async () => {
      const { body } = await plan('starter', { action: 'update' });
      const started = await start('starter', body['id']);
      assert.deepEqual([started.status, started.body['devices']], [200, 2]);
      const [job, ...others] = Object(started.body['jobs']);
      assert.deepEqual(others, []);
      const again = await start('starter', body['id']);
      assert.deepEqual([again.status, again.body['code']], [409, 'changed']);
      const updates = async (): Promise<Record<string, { state?: unknown }>> =>
        Object.fromEntries((await rows()).map(({ id: device, update }) => [String(device), Object(update)]));
      let found: Awaited<ReturnType<typeof updates>>;
      do found = await updates();
      while (['attic-light', 'kitchen-light'].some((device) => found[device]?.state !== 'succeeded'));
      assert.deepEqual(
        devices.map(({ checksum }) => checksum !== devices[1]?.checksum),
        [true, false, true],
      );
      const { jobs } = (await table()).body;
      const card = Array.isArray(jobs) ? jobs.find(({ id }) => id === job) : undefined;
      assert.deepEqual([card?.change, card?.state, card?.total], ['firmware', 'succeeded', 2]);
    });
  });

  describe('for devices, jobs and everybody', () => {
    it('tells all that is known of a device, without its secrets', async () => {
      const details = (id: string): Promise<Answer> => ask(`${broker}/devices/${id}`, { method: 'GET' });
      const { status, body } = await details('kitchen-light');
      assert.equal(status, 200);
      const { facts, history, config } = Object(body);
      const { id, baseTopic, state, firmware, version, checksum, ota, implementation } = facts;
      assert.deepEqual(
        { id, baseTopic, state, firmware, version, checksum, ota, implementation },
        {
          id: 'kitchen-light',
          baseTopic: 'homie/',
          state: 'ready',
          firmware: 'my-light',
          version: '1.1.0',
          checksum: await md5(fresh),
          ota: true,
          implementation: 'esp8266',
        },
      );
      assert.ok(facts.uptime >= 0 && Math.abs(Date.now() - facts.seen) < 60_000);
      assert.deepEqual(
        history.map((each: Record<string, unknown>) => [each['change'], each['state'], each['by']]),
        [['firmware', 'succeeded', 'Homie sidebar']],
      );
      assert.equal(config.content.settings.apiToken, '•••');
      const fields: { path: string; value?: unknown; secret?: unknown }[] = config.fields;
      const field = (path: string) => fields.find((each) => each.path === path);
      assert.deepEqual([field('settings.dim')?.value, field('settings.apiToken')?.secret], [true, true]);
      assert.ok(!('value' in Object(field('settings.apiToken'))));
      assert.doesNotMatch(JSON.stringify(body), /pl4nted-token/);
      for (const [wrong, code] of [
        ['never-seen', 'DEVICE_UNKNOWN'],
        ['constructor', 'DEVICE_UNKNOWN'],
        ['%24stats', 'INVALID_DEVICE_ID'],
        ['a%2Fb', 'INVALID_DEVICE_ID'],
        ['x'.repeat(65), 'INVALID_DEVICE_ID'],
      ]) {
        assert.equal((await details(String(wrong))).body['code'], code, wrong);
      }
      assert.equal((await ask('brokers/none/devices/kitchen-light', { method: 'GET' })).body['code'], 'undeployed');
    });

    it('pauses a job, and closes it only when it has ended', async () => {
      const job = await site.start({ action: 'set', devices: ['never-seen'], patch: { name: 'New' } });
      const step = (name: 'pause' | 'close', id = job): Promise<Answer> =>
        site.json('starter', `${broker}/jobs/${id}/${name}`, {});
      const early = await step('close');
      assert.deepEqual([early.status, early.body['code']], [409, 'changed']);
      assert.equal((await step('pause')).status, 204);
      assert.equal((await step('pause')).status, 409);
      await site.start({ action: 'cancel', job });
      await site.ended(job);
      assert.equal((await step('close')).status, 204);
      for (const id of [job, '__proto__', 'x'.repeat(5000)]) {
        const { status, body } = await step('close', id);
        assert.deepEqual([status, body['code']], [404, 'UNKNOWN_JOB'], id.slice(0, 10));
      }
    });

    it('limits each user to 60 requests a minute that change something, but not what is read', async () => {
      const statuses: number[] = [];
      for (let count = 0; count < 61; count += 1) statuses.push((await plan('hurried', {})).status);
      assert.deepEqual([...new Set(statuses.slice(0, 60)), statuses[60]], [400, 429]);
      const { status, body } = await site.upload('hurried');
      assert.deepEqual([status, body['code']], [429, 'busy']);
      assert.equal((await plan('planner', { action: 'exclude', devices: ['kitchen-light'] })).status, 200);
      assert.equal((await site.ask('hurried', `${broker}/table`, { method: 'GET' })).status, 200);
    });

    it('gives back what anybody has published as plain text', async () => {
      const stranger = await connectAsync(site.broker.url);
      await publishStrange(stranger, site.broker.url);
      for (const [id, text] of strangers) {
        let answer: Answer;
        do answer = await site.ask('stranger', `${broker}/devices/${encodeURIComponent(id)}`, { method: 'GET' });
        while (Object(answer.body['facts']).name === undefined);
        const { facts } = Object(answer.body);
        assert.deepEqual([facts.id, facts.name, facts.firmware], [id, shown(text), shown(text)]);
      }
      const ids = strangers.map(([id]) => id);
      const { status, body } = await plan('stranger', { action: 'exclude', devices: ids });
      assert.equal(status, 200);
      assert.deepEqual(
        planned({ status, body }),
        ids.map((id) => `${id} exclude true`),
      );
      assert.deepEqual((await start('stranger', body['id'])).body, { jobs: [], devices: ids.length });
      const { body: back } = await plan('stranger', { action: 'include', devices: ids });
      assert.equal((await start('stranger', back['id'])).status, 200);
      await stranger.endAsync();
    });

    it('says that the limit of devices is reached, also where devices are offered', async () => {
      const devicesOf = (): Promise<Answer> => ask(`${broker}/devices`, { method: 'GET' });
      assert.ok(!('limit' in (await devicesOf()).body));
      const stranger = await connectAsync(site.broker.url);
      for (let id = 0; id < 20_001; id += 1) stranger.publish(`homie/made-up-${id}/$state`, 'ready');
      await nodeRed.logged(/The limit of 20000 devices under homie\/ is reached/);
      assert.equal((await table()).body['limit'], 20_000);
      assert.equal((await devicesOf()).body['limit'], 20_000);
      await stranger.endAsync();
    });
  });
});
