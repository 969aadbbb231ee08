import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connectAsync } from 'mqtt';
import { errors } from '../../src/texts/en-US.json';
import { buildEsp8266Image } from '../support/images';
import { ADMIN, fresh, LoggedIn, OCTETS, type Answer, type Question } from '../support/logged-in';

/** Rights: read-only.test.ts, write-only.test.ts and admin.test.ts. */
describe('what the sidebar asks Node-RED for', () => {
  let site: LoggedIn;
  let nodeRed: LoggedIn['nodeRed'];
  let devices: LoggedIn['devices'];

  before(async () => {
    site = await LoggedIn.start({
      users: {},
      devices: ['kitchen-light', 'hall-light', 'attic-light'].map((id) => ({ id, statsInterval: 1 })),
      settings: { exclude: 'hall-light' },
    });
    ({ nodeRed, devices } = site);
  });
  after(() => site.stop());

  const ask = (path: string, question?: Question): Promise<Answer> => site.ask(ADMIN, path, question);
  const upload = (image?: Buffer | string, type?: string): Promise<Answer> => site.upload(ADMIN, image, type);
  const json = (path: string, body: unknown): Promise<Answer> => site.json(ADMIN, path, body);
  const staged = async (): Promise<string> => String((await upload()).body['id']);
  const table = (query = '', id = 'broker'): Promise<Answer> => ask(`brokers/${id}/table${query}`, { method: 'GET' });
  const rows = (): ReturnType<LoggedIn['rows']> => site.rows();

  it('takes any cursor, and says that a broker is not there', async () => {
    for (const since of ['x', '%00', '1.2', 'a'.repeat(5000)]) {
      assert.equal((await table(`?since=${since}`)).body['full'], true, since.slice(0, 5));
    }
    assert.equal((await table('?since[]=1')).status, 200);
    for (const id of ['none', 'flow', '__proto__']) {
      const { state, rows: found } = { ...(await table('', id)).body };
      assert.deepEqual([state, found], ['undeployed', []], id);
    }
  });

  it('takes a firmware, and inspects it', async () => {
    const { status, body } = await upload();
    assert.equal(status, 200);
    const { name, version, chip, size } = Object(body['firmware']);
    assert.deepEqual([name, version, chip, size], ['my-light', '1.1.0', 'esp8266', 60_000]);
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
    assert.equal((await ask('firmware')).status, 400);
  });

  it('takes up to 16 MiB, and not a byte more, whatever the length is said to be', async () => {
    const large = buildEsp8266Image({ size: 6 * 1024 * 1024 });
    assert.equal((await upload(large)).status, 200, 'more than Node-RED takes of JSON');
    const tooLarge = Buffer.alloc(16 * 1024 * 1024 + 1, 0xe9);
    const told = await upload(tooLarge);
    assert.deepEqual([told.status, told.body['code']], [413, 'FIRMWARE_TOO_LARGE']);
    const status = await new Promise((resolve, reject) => {
      const headers = { Authorization: `Bearer ${site.token(ADMIN)}`, 'Content-Type': OCTETS };
      const untold = request(`${nodeRed.url}/homie-ota/firmware`, { method: 'POST', headers }, (response) => {
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
          Authorization: `Bearer ${site.token(ADMIN)}`,
          'Content-Type': OCTETS,
          'Content-Length': fresh.length,
        };
        const broken = request(`${nodeRed.url}/homie-ota/firmware`, { method: 'POST', headers });
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

  it('keeps a few uploads only', async () => {
    const first = await staged();
    for (let i = 0; i < 4; i += 1) await staged();
    const { status, body } = await json(`firmware/${first}/plan`, { broker: 'broker', devices: 'firmware' });
    assert.deepEqual([status, body['code']], [404, 'unstaged']);
  });

  it('says what an update would do: to all devices that run the firmware, or to those that are selected', async () => {
    const id = await staged();
    await rows();
    const answerTo = (selected: unknown): Promise<Answer> =>
      json(`firmware/${id}/plan`, { broker: 'broker', devices: selected });
    const plan = async (selected: unknown): Promise<unknown> => {
      const { status, body } = await answerTo(selected);
      assert.equal(status, 200, JSON.stringify(body));
      const found: unknown = body['devices'];
      const list = Array.isArray(found) ? found : [];
      return [...list.map(({ id: device, verdict, included }) => `${device} ${verdict} ${included}`), body['others']];
    };
    assert.deepEqual(await plan('firmware'), [
      'attic-light update true',
      'hall-light excluded false',
      'kitchen-light update true',
      0,
    ]);
    assert.deepEqual(await plan(['kitchen-light']), ['kitchen-light update true', 2]);
    assert.deepEqual(await plan(['hall-light', 'nobody']), ['hall-light excluded false', 'nobody unknown true', 2]);
    for (const [selected, code] of [
      [[], 'NO_DEVICE'],
      [[''], 'NO_DEVICE'],
      [['kitchen-*'], 'INVALID_DEVICE_ID'],
      [['a/b'], 'INVALID_DEVICE_ID'],
      [[7], 'INVALID_DEVICE_ID'],
    ]) {
      const { status, body } = await answerTo(selected);
      assert.deepEqual([status, body['code']], [400, code], JSON.stringify(selected));
    }
  });

  it('cleans the names that are in such an answer', async () => {
    const stranger = await connectAsync(site.broker.url);
    await stranger.publishAsync('homie/kitchen-light/$name', 'Kitchen \u001B[2J', { qos: 1 });
    await stranger.endAsync();
    await rows();
    const { body } = await json(`firmware/${await staged()}/plan`, {
      broker: 'broker',
      devices: ['kitchen-light'],
    });
    const [device] = Array.isArray(body['devices']) ? body['devices'] : [];
    assert.equal(device?.name, 'Kitchen \uFFFD[2J');
    assert.equal(device?.from.name, 'my-light');
  });

  it('refuses what makes no sense with a clear answer', async () => {
    const id = await staged();
    const plan = `firmware/${id}/plan`;
    const tooMany = Array.from({ length: 20_001 }, (_, index) => `light-${index}`);
    for (const body of [
      {},
      [],
      { broker: 'broker' },
      { broker: 7, devices: 'firmware' },
      { broker: 'broker', devices: 'all' },
      { broker: 'broker', devices: { length: 1 } },
      { broker: 'broker', devices: tooMany },
    ]) {
      const { status, body: said } = await json(plan, body);
      assert.deepEqual([status, said['code']], [400, 'malformed'], JSON.stringify(body).slice(0, 60));
    }
    assert.equal((await ask(plan, { body: '{"broker":', type: 'application/json' })).status, 400);
    const question = { broker: 'broker', devices: 'firmware' };
    assert.equal((await json(plan, { ...question, x: 'x'.repeat(6_000_000) })).status, 413);
    for (const broker of ['nobody', 'flow', '__proto__']) {
      assert.deepEqual((await json(plan, { ...question, broker })).body['code'], 'undeployed', broker);
    }
    assert.equal((await json('firmware/none/plan', question)).status, 404);
  });

  it('starts nothing but what was shown last, and only for JSON, which no form of another site can send', async () => {
    const id = await staged();
    const start = `firmware/${id}/start`;
    const broker = 'broker';
    const show = async (selected: unknown): Promise<unknown> =>
      (await json(`firmware/${id}/plan`, { broker, devices: selected })).body['id'];
    const earlier = await show('firmware');
    const plan = await show(['kitchen-light']);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) {
      const { status } = await ask(start, { body: JSON.stringify({ broker, plan }), type });
      assert.equal(status, 400, type);
    }
    for (const wrong of [earlier, 'x']) {
      const { status, body: said } = await json(start, { broker, plan: wrong });
      assert.deepEqual([status, said['code']], [409, 'changed']);
    }
    assert.deepEqual((await json(start, { broker: 'flow', plan })).body['code'], 'undeployed');
    assert.equal((await json(start, { broker })).status, 400);
    assert.ok(devices.every(({ checksum }) => checksum === devices[0]?.checksum));

    // Deployed again, the homie-broker may have other settings.
    await site.deploy(site.flows());
    let late: Answer;
    do late = await json(start, { broker, plan });
    while (late.body['code'] === 'undeployed');
    assert.equal(late.body['code'], 'changed');
  });

  it('starts what was shown, once and without another node, and the table shows its proven end', async () => {
    await rows();
    // A reboot is proven by an uptime that fell: Node-RED must have seen one. The second comes a second after the first.
    const client = await connectAsync(site.broker.url);
    await client.subscribeAsync('homie/kitchen-light/$stats/uptime');
    let live = 0;
    await new Promise<void>((resolve) => {
      client.on('message', (_topic, _payload, { retain }) => {
        if (!retain && (live += 1) === 2) resolve();
      });
    });
    await client.endAsync();
    const id = await staged();
    const { body: plan } = await json(`firmware/${id}/plan`, { broker: 'broker', devices: 'firmware' });
    const started = await json(`firmware/${id}/start`, { broker: 'broker', plan: plan['id'] });
    assert.deepEqual([started.status, started.body], [200, { devices: 2 }]);
    const again = await json(`firmware/${id}/start`, { broker: 'broker', plan: plan['id'] });
    assert.deepEqual([again.status, again.body['code']], [404, 'unstaged']);
    const updates = async (): Promise<Record<string, { state?: unknown; proven?: unknown }>> =>
      Object.fromEntries((await rows()).map(({ id: device, update }) => [String(device), Object(update)]));
    let found: Awaited<ReturnType<typeof updates>>;
    do found = await updates();
    while (['attic-light', 'kitchen-light'].some((device) => found[device]?.state !== 'succeeded'));
    // What was confirmed for these devices is not on offer for the other one.
    assert.deepEqual([found['kitchen-light']?.proven, found['hall-light']?.state], [true, undefined]);
    assert.deepEqual(
      devices.map(({ checksum }) => checksum !== devices[1]?.checksum),
      [true, false, true],
    );
  });

  it('says that nothing would be updated', async () => {
    const id = await staged();
    let plan: Answer['body'];
    // A device that was just updated may be busy for a moment.
    do plan = (await json(`firmware/${id}/plan`, { broker: 'broker', devices: 'firmware' })).body;
    while (JSON.stringify(plan['devices']).includes('"included":true'));
    const { status, body } = await json(`firmware/${id}/start`, { broker: 'broker', plan: plan['id'] });
    assert.deepEqual([status, body['code']], [409, 'nothing']);
    assert.equal((await ask(`firmware/${id}`, { method: 'DELETE' })).status, 204);
    assert.equal((await json(`firmware/${id}/plan`, { broker: 'broker', devices: 'firmware' })).status, 404);
  });

  it('says that the limit of devices is reached, also where devices are offered', async () => {
    const devicesOf = (): Promise<Answer> => ask('brokers/broker/devices', { method: 'GET' });
    assert.ok(!('limit' in (await devicesOf()).body));
    const stranger = await connectAsync(site.broker.url);
    for (let id = 0; id < 20_001; id += 1) stranger.publish(`homie/made-up-${id}/$state`, 'ready');
    await nodeRed.logged(/The limit of 20000 devices under homie\/ is reached/);
    assert.equal((await table()).body['limit'], 20_000);
    assert.equal((await devicesOf()).body['limit'], 20_000);
    await stranger.endAsync();
  });
});
