import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connectAsync } from 'mqtt';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { buildEsp8266Image } from '../support/images';
import { startNodeRed, type NodeRed } from '../support/node-red';

/** That of Node-RED. */
const { hashSync }: { hashSync: (text: string, rounds: number) => string } = require(
  require.resolve('bcryptjs', { paths: [require.resolve('node-red')] }),
);

const old = buildEsp8266Image({ name: 'my-light', version: '1.0.0', size: 60_000, seed: 1 });
const fresh = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 60_000, seed: 2 });
const password = 'for-tests-only';
const OCTETS = 'application/octet-stream';

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

describe('what the sidebar asks Node-RED for, where people have to log in', () => {
  let broker: AedesBroker;
  let nodeRed: NodeRed;
  const devices: SimulatedDevice[] = [];
  const tokens: Record<string, string> = {};

  const flows = (): object[] => {
    const ota = (id: string, more: object): object => ({
      id,
      type: 'homie-ota',
      z: 'flow',
      x: 100,
      y: 100,
      broker: 'broker',
      canary: '0',
      wires: [['out'], [], ['out']],
      ...more,
    });
    return [
      { id: 'flow', type: 'tab', label: 'devices' },
      { id: 'broker', type: 'homie-broker', host: '127.0.0.1', port: String(broker.port), baseTopic: 'homie/' },
      ota('one', { device: 'kitchen-light', deviceType: 'str' }),
      ota('all', { device: '', deviceType: 'all', exclude: 'hall-light' }),
      ota('none', { device: 'device', deviceType: 'msg' }),
      {
        id: 'out',
        type: 'debug',
        z: 'flow',
        x: 300,
        y: 100,
        active: true,
        console: true,
        complete: 'payload.text',
        targetType: 'msg',
        wires: [],
      },
      { id: 'done', type: 'complete', z: 'flow', x: 100, y: 200, scope: ['all', 'one'], wires: [['said']] },
      {
        id: 'said',
        type: 'debug',
        z: 'flow',
        x: 300,
        y: 200,
        active: true,
        console: true,
        complete: '"is done"',
        targetType: 'jsonata',
        wires: [],
      },
    ];
  };

  before(async () => {
    broker = await startAedes();
    for (const id of ['kitchen-light', 'hall-light', 'attic-light']) {
      const device = new SimulatedDevice({ url: broker.url, id, image: old, uptime: 3600, statsInterval: 1 });
      devices.push(device);
      await device.start();
    }
    const user = (username: string, permissions: string): object => ({
      username,
      password: hashSync(password, 4),
      permissions,
    });
    nodeRed = await startNodeRed({
      flows: flows(),
      settings: {
        adminAuth: {
          type: 'credentials',
          users: [
            user('admin', '*'),
            user('reader', 'homie-ota.read'),
            user('writer', 'homie-ota.write'),
            user('other', 'flows.read'),
          ],
        },
      },
    });
    await nodeRed.logged(/connected \(MQTT/);
    for (const username of ['admin', 'reader', 'writer', 'other']) {
      const form = { client_id: 'node-red-admin', grant_type: 'password', scope: '', username, password };
      const response = await fetch(`${nodeRed.url}/auth/token`, { method: 'POST', body: new URLSearchParams(form) });
      tokens[username] = String(Reflect.get(Object(await response.json()), 'access_token'));
    }
  });
  after(async () => {
    await nodeRed.stop();
    for (const device of devices) await device.stop();
    await broker.close();
  });

  const ask = async (
    who: string | undefined,
    path: string,
    { method = 'POST', body, type }: { method?: string; body?: Uint8Array<ArrayBuffer> | string; type?: string } = {},
  ): Promise<Answer> => {
    const response = await fetch(`${nodeRed.url}/homie-ota/${path}`, {
      method,
      headers: {
        ...(who !== undefined && { Authorization: `Bearer ${tokens[who] ?? ''}` }),
        ...(type !== undefined && { 'Content-Type': type }),
      },
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
    return { status: response.status, body: isJson ? Object(JSON.parse(text)) : {} };
  };
  const upload = (who: string | undefined, image: Buffer | string = fresh, type = OCTETS): Promise<Answer> =>
    ask(who, 'firmware', { body: typeof image === 'string' ? image : new Uint8Array(image), type });
  const json = (who: string | undefined, path: string, body: unknown): Promise<Answer> =>
    ask(who, path, { body: JSON.stringify(body), type: 'application/json' });
  const staged = async (): Promise<string> => String((await upload('writer')).body['id']);
  const table = (who: string | undefined, query = '', id = 'broker'): Promise<Answer> =>
    ask(who, `brokers/${id}/table${query}`, { method: 'GET' });
  /** The rows of the table, once all devices are known and have been heard. */
  const rows = async (): Promise<Record<string, unknown>[]> => {
    for (;;) {
      const found = (await table('reader')).body['rows'];
      if (Array.isArray(found) && found.length === devices.length && found.every((row) => 'seen' in Object(row))) {
        return found;
      }
    }
  };

  it('shows the table to those who may read only', async () => {
    assert.equal((await table(undefined)).status, 401);
    assert.equal((await table('other')).status, 401);
    const [first] = await rows();
    assert.deepEqual(Object.keys(first ?? {}), ['id', 'name', 'state', 'firmware', 'version', 'checksum', 'seen']);
    const { status, body } = await table('reader');
    assert.deepEqual([status, body['state'], body['full']], [200, 'connected', true]);
    // A device may be heard between two questions: then there is a change to tell, and later there is none.
    for (let cursor = body['cursor'], changed = Infinity; changed > 0;) {
      const { body: later } = await table('reader', `?since=${String(cursor)}`);
      assert.deepEqual([later['full'], later['gone']], [false, []]);
      changed = Object(later['rows']).length;
      cursor = later['cursor'];
    }
  });

  it('takes any cursor, and says that a broker is not there', async () => {
    for (const since of ['x', '%00', '1.2', 'a'.repeat(5000)]) {
      assert.equal((await table('reader', `?since=${since}`)).body['full'], true, since.slice(0, 5));
    }
    assert.equal((await table('reader', '?since[]=1')).status, 200);
    for (const id of ['none', 'one', '__proto__']) {
      const { state, rows: found } = { ...(await table('reader', '', id)).body };
      assert.deepEqual([state, found], ['undeployed', []], id);
    }
  });

  it('takes a firmware from those who may write only, and inspects it', async () => {
    assert.equal((await upload(undefined)).status, 401);
    assert.equal((await upload('reader')).status, 401);
    assert.equal((await upload('other')).status, 401);
    const { status, body } = await upload('writer');
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
      const { status, body } = await upload('writer', bytes);
      assert.deepEqual([status, body['code']], [400, code]);
      assert.match(String(body['hint']), /\w+\.$/);
    }
    for (const type of ['text/plain', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded', '']) {
      const answer = await upload('writer', fresh, type);
      assert.deepEqual([answer.status, answer.body['code']], [400, 'malformed'], type);
    }
    assert.equal((await ask('writer', 'firmware')).status, 400);
  });

  it('takes up to 16 MiB, and not a byte more, whatever the length is said to be', async () => {
    const large = buildEsp8266Image({ size: 6 * 1024 * 1024 });
    assert.equal((await upload('writer', large)).status, 200, 'more than Node-RED takes of JSON');
    const tooLarge = Buffer.alloc(16 * 1024 * 1024 + 1, 0xe9);
    const told = await upload('writer', tooLarge);
    assert.deepEqual([told.status, told.body['code']], [413, 'FIRMWARE_TOO_LARGE']);
    const status = await new Promise((resolve, reject) => {
      const headers = { Authorization: `Bearer ${tokens['writer'] ?? ''}`, 'Content-Type': OCTETS };
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
          Authorization: `Bearer ${tokens['writer'] ?? ''}`,
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
    do answer = await upload('writer');
    while (answer.status === 429);
    assert.equal(answer.status, 200);
  });

  it('lets stalled uploads of one user hold up nobody else, and ends them after 30 s', async function () {
    this.timeout(120_000);
    const begun = performance.now();
    const stall = (): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const headers = {
          Authorization: `Bearer ${tokens['writer'] ?? ''}`,
          'Content-Type': OCTETS,
          'Content-Length': fresh.length,
        };
        const stalled = request(`${nodeRed.url}/homie-ota/firmware`, { method: 'POST', headers }, (response) => {
          response.resume();
          resolve(response.statusCode);
          stalled.destroy();
        });
        stalled.on('error', reject);
        stalled.write(fresh.subarray(0, 20_000));
      });
    const ended = Promise.all([stall(), stall()]);
    // Both have begun.
    while ((await upload('writer')).status !== 429);
    assert.equal((await upload('admin')).status, 200);
    assert.deepEqual(await ended, [400, 400]);
    const ms = performance.now() - begun;
    assert.ok(ms > 29_000 && ms < 60_000, `${Math.round(ms)} ms`);
    assert.equal((await upload('writer')).status, 200);
  });

  it('keeps a few uploads only', async () => {
    const first = await staged();
    for (let i = 0; i < 4; i += 1) await staged();
    const { status, body } = await json('writer', `firmware/${first}/plan`, { node: 'all', devices: 'node' });
    assert.deepEqual([status, body['code']], [404, 'unstaged']);
  });

  it('says what an update by a node would do: to its own devices, or to all that run the firmware', async () => {
    const id = await staged();
    await rows();
    const plan = async (node: string, meant: string): Promise<unknown> => {
      const { status, body } = await json('writer', `firmware/${id}/plan`, { node, devices: meant });
      assert.equal(status, 200, JSON.stringify(body));
      const found: unknown = body['devices'];
      const list = Array.isArray(found) ? found : [];
      return [...list.map(({ id: device, verdict, included }) => `${device} ${verdict} ${included}`), body['others']];
    };
    assert.deepEqual(await plan('one', 'node'), ['kitchen-light update true', 2]);
    assert.deepEqual(await plan('all', 'node'), [
      'attic-light update true',
      'hall-light excluded false',
      'kitchen-light update true',
      0,
    ]);
    const all = ['attic-light update true', 'hall-light update true', 'kitchen-light update true', 0];
    assert.deepEqual(await plan('one', 'firmware'), all);
    assert.deepEqual(await plan('none', 'firmware'), all);
    const { status, body } = await json('writer', `firmware/${id}/plan`, { node: 'none', devices: 'node' });
    assert.deepEqual([status, body['code']], [400, 'NO_DEVICE']);
  });

  it('cleans the names that are in such an answer', async () => {
    const stranger = await connectAsync(broker.url);
    await stranger.publishAsync('homie/kitchen-light/$name', 'Kitchen \u001B[2J', { qos: 1 });
    await stranger.endAsync();
    await rows();
    const { body } = await json('writer', `firmware/${await staged()}/plan`, { node: 'one', devices: 'node' });
    const [device] = Array.isArray(body['devices']) ? body['devices'] : [];
    assert.equal(device?.name, 'Kitchen \uFFFD[2J');
    assert.equal(device?.from.name, 'my-light');
  });

  it('refuses what makes no sense with a clear answer', async () => {
    const id = await staged();
    const plan = `firmware/${id}/plan`;
    for (const body of [{}, [], { node: 'all' }, { node: 7, devices: 'node' }, { node: 'all', devices: ['x'] }]) {
      const { status, body: said } = await json('writer', plan, body);
      assert.deepEqual([status, said['code']], [400, 'malformed'], JSON.stringify(body));
    }
    assert.equal((await ask('writer', plan, { body: '{"node":', type: 'application/json' })).status, 400);
    assert.equal((await json('writer', plan, { node: 'all', devices: 'node', x: 'x'.repeat(6_000_000) })).status, 413);
    for (const node of ['nobody', 'broker', '__proto__']) {
      assert.deepEqual((await json('writer', plan, { node, devices: 'node' })).body['code'], 'undeployed', node);
    }
    assert.equal((await json('writer', 'firmware/none/plan', { node: 'all', devices: 'node' })).status, 404);
  });

  it('starts nothing for those who may not, for a page of another site, and nothing but what was shown last', async () => {
    const id = await staged();
    const start = `firmware/${id}/start`;
    const show = async (node: string): Promise<unknown> =>
      (await json('writer', `firmware/${id}/plan`, { node, devices: 'node' })).body['id'];
    const earlier = await show('all');
    const plan = await show('one');
    for (const who of [undefined, 'reader', 'other']) {
      assert.equal((await json(who, start, { node: 'one', plan })).status, 401, who);
      assert.equal((await json(who, `firmware/${id}/plan`, { node: 'one', devices: 'node' })).status, 401, who);
      assert.equal((await ask(who, `firmware/${id}`, { method: 'DELETE' })).status, 401, who);
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) {
      const { status } = await ask('writer', start, { body: JSON.stringify({ node: 'one', plan }), type });
      assert.equal(status, 400, type);
    }
    const wrong = [
      { node: 'one', plan: earlier },
      { node: 'all', plan },
      { node: 'one', plan: 'x' },
      { node: 'all', plan: earlier },
    ];
    for (const body of wrong) {
      const { status, body: said } = await json('writer', start, body);
      assert.deepEqual([status, said['code']], [409, 'changed']);
    }
    assert.equal((await json('writer', start, { node: 'one' })).status, 400);
    assert.ok(devices.every(({ checksum }) => checksum === devices[0]?.checksum));

    // Deployed anew, the node may be set to something else.
    const response = await fetch(`${nodeRed.url}/flows`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${tokens['admin'] ?? ''}` },
      body: JSON.stringify(flows()),
    });
    assert.equal(response.status, 204);
    let late: Answer;
    do late = await json('writer', start, { node: 'one', plan });
    while (late.body['code'] === 'undeployed');
    assert.equal(late.body['code'], 'changed');
  });

  it('does nothing for a page of another site, also where Node-RED lets it ask', async () => {
    const id = await staged();
    const { body } = await json('writer', `firmware/${id}/plan`, { node: 'one', devices: 'node' });
    const call = (path: string, headers: Record<string, string>, method = 'POST'): Promise<number> =>
      new Promise((resolve, reject) => {
        const given = {
          Authorization: `Bearer ${tokens['admin'] ?? ''}`,
          'Content-Type': 'application/json',
          ...headers,
        };
        const asked = request(`${nodeRed.url}/homie-ota/${path}`, { method, headers: given }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        asked.on('error', reject);
        asked.end(method !== 'POST' ? undefined : JSON.stringify({ node: 'one', plan: body['id'] }));
      });
    const { host, origin } = new URL(nodeRed.url);
    const foreign: Record<string, string>[] = [
      { Origin: 'http://elsewhere.example' },
      { Origin: 'null' },
      { Origin: `http://${host}0` },
      { Origin: `http://elsewhere.example`, 'X-Forwarded-Host': 'elsewhere.example' },
      { 'Sec-Fetch-Site': 'cross-site' },
      { Origin: origin, 'Sec-Fetch-Site': 'same-site' },
    ];
    for (const headers of foreign) {
      const said = JSON.stringify(headers);
      assert.equal(await call(`firmware/${id}/start`, headers), 403, said);
      assert.equal(await call(`firmware/${id}/plan`, headers), 403, said);
      assert.equal(await call('firmware', { ...headers, 'Content-Type': OCTETS }), 403, said);
      assert.equal(await call(`firmware/${id}`, headers, 'DELETE'), 403, said);
      assert.equal(await call('test', headers), 403, said);
      assert.equal(await call('brokers/broker/table', headers, 'GET'), 403, said);
    }
    // The body is that of a start, which is no plan: it came through.
    for (const headers of [
      {},
      { Origin: origin },
      { Origin: 'https://proxy.example', 'Sec-Fetch-Site': 'same-origin' },
    ]) {
      assert.equal(await call(`firmware/${id}/plan`, headers), 400, JSON.stringify(headers));
    }
    assert.ok(devices.every(({ checksum }) => checksum === devices[0]?.checksum));
  });

  it('starts what was shown by a message to the node, once, and the table shows its proven end', async () => {
    await rows();
    // A reboot is proven by an uptime that fell: Node-RED must have seen one. The second comes a second after the first.
    const client = await connectAsync(broker.url);
    await client.subscribeAsync('homie/kitchen-light/$stats/uptime');
    let live = 0;
    await new Promise<void>((resolve) => {
      client.on('message', (_topic, _payload, { retain }) => {
        if (!retain && (live += 1) === 2) resolve();
      });
    });
    await client.endAsync();
    const id = await staged();
    const { body: plan } = await json('writer', `firmware/${id}/plan`, { node: 'all', devices: 'node' });
    const started = await json('writer', `firmware/${id}/start`, { node: 'all', plan: plan['id'] });
    assert.deepEqual([started.status, started.body], [200, { devices: 2 }]);
    const again = await json('writer', `firmware/${id}/start`, { node: 'all', plan: plan['id'] });
    assert.deepEqual([again.status, again.body['code']], [404, 'unstaged']);
    await nodeRed.logged(/\[debug:.*\] \n?.*2 devices: 2 updated \(attic-light, kitchen-light\)/);
    await nodeRed.logged(/is done/);
    const found = Object.fromEntries((await rows()).map(({ id: device, update }) => [String(device), Object(update)]));
    assert.deepEqual(
      [found['attic-light']?.state, found['kitchen-light']?.proven, found['hall-light']?.state],
      ['succeeded', true, 'available'],
    );
    assert.deepEqual(
      devices.map(({ checksum }) => checksum !== devices[1]?.checksum),
      [true, false, true],
    );
  });

  it('says that nothing would be updated', async () => {
    const id = await staged();
    const { body: plan } = await json('writer', `firmware/${id}/plan`, { node: 'all', devices: 'node' });
    const { status, body } = await json('writer', `firmware/${id}/start`, { node: 'all', plan: plan['id'] });
    assert.deepEqual([status, body['code']], [409, 'nothing']);
    assert.equal((await ask('writer', `firmware/${id}`, { method: 'DELETE' })).status, 204);
    assert.equal((await json('writer', `firmware/${id}/plan`, { node: 'all', devices: 'node' })).status, 404);
  });

  it('says that the limit of devices is reached, also where devices are offered', async () => {
    const devicesOf = (): Promise<Answer> => ask('reader', 'brokers/broker/devices', { method: 'GET' });
    assert.ok(!('limit' in (await devicesOf()).body));
    const stranger = await connectAsync(broker.url);
    for (let id = 0; id < 20_001; id += 1) stranger.publish(`homie/made-up-${id}/$state`, 'ready');
    await nodeRed.logged(/The limit of 20000 devices under homie\/ is reached/);
    assert.equal((await table('reader')).body['limit'], 20_000);
    assert.equal((await devicesOf()).body['limit'], 20_000);
    await stranger.endAsync();
  });
});
