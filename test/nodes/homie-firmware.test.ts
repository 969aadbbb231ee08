import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import type { NodeMessage } from 'node-red';
import { searchStatus } from '../../nodes/homie-firmware/search-status';
import { FileServer } from '../support/file-server';
import { buildEsp32Image, buildEsp8266Image, next, running } from '../support/images';
import { freePort } from '../support/ports';
import { githubRelease } from '../support/releases';
import { stopFlow, TestFlow, type FlowOptions } from './flow';
import { caughtCode, payload, Scene } from './scene';

const SECRET = 'correct-horse-battery';

/** The fields of a new node. */
const firmwareNode = {
  type: 'homie-firmware',
  source: 'folder',
  folder: '',
  subfolders: false,
  url: '',
  api: 'https://api.github.com',
  repository: '',
  releases: '5',
  prereleases: false,
  pattern: '*.bin, *.bin.gz',
  onlyChanged: false,
  timeout: '300',
};

describe('homie-firmware', () => {
  let folder: string;
  let server: FileServer;

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'firmware-'));
    server = await FileServer.start();
  });
  afterEach(async () => {
    await stopFlow();
    delete process.env['TEST_SECRET'];
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const put = (name: string, bytes: Buffer | string): void => writeFileSync(path.join(folder, name), bytes);
  const start = (settings: object = {}, more?: FlowOptions): Promise<TestFlow> =>
    TestFlow.start({ host: '127.0.0.1', port: '1' }, { ...firmwareNode, folder, ...settings }, more);
  const report = (flow: TestFlow, count = 1): Promise<NodeMessage> => flow.progress.nth(count);

  it('sends the newest image of each firmware, and a report, and keeps the properties of the message', async () => {
    put('light-1.0.0.bin', running);
    put('light-1.1.0.bin', next);
    put('light-esp32.bin', buildEsp32Image({ name: 'my-light', version: '3.0.0' }));
    put('pump.bin', buildEsp8266Image({ name: 'my-pump', version: '2.0', size: 50_000 }));
    put('broken.bin', next.subarray(0, 9000));
    symlinkSync('/etc/passwd', path.join(folder, 'link.bin'));
    const flow = await start();
    flow.send({ payload: 1_700_000_000_000, topic: 'tick', house: { room: 7 }, action: 'x', checksum: 'y', job: 'z' });
    const told = await report(flow);
    await flow.done();
    assert.deepEqual(flow.dones, [{ code: undefined }]);
    assert.deepEqual(
      flow.result.messages.map(({ topic, filename, firmware }) =>
        [topic, filename, firmware].map((each) => brief(each)),
      ),
      [
        ['my-light', 'light-esp32.bin', 'my-light 3.0.0 esp32'],
        ['my-light', 'light-1.1.0.bin', 'my-light 1.1.0 esp8266'],
        ['my-pump', 'pump.bin', 'my-pump 2.0 esp8266'],
      ],
    );
    const [, light] = flow.result.messages;
    assert.ok(Buffer.isBuffer(light?.payload) && light.payload.equals(next));
    assert.equal(light['checksum'], payload({ ...light, payload: light['firmware'] }, 'md5'));
    assert.deepEqual(Object.keys(Object(light['firmware'])), [
      'name',
      'version',
      'chip',
      'size',
      'md5',
      'source',
      'publishedAt',
      'notes',
    ]);
    for (const msg of [light, told]) {
      assert.deepEqual(msg['house'], { room: 7 });
      for (const consumed of ['action', 'job', 'options']) assert.ok(!(consumed in msg), consumed);
    }
    assert.equal(told['topic'], 'tick');
    assert.deepEqual(payload(told, 'counts'), { found: 4, chosen: 3, refused: 2, sent: 3 });
    assert.deepEqual(
      [payload(told, 'chosen.1.reason'), payload(told, 'chosen.1.sent'), payload(told, 'chosen.0.reason')],
      ['newest', true, 'only'],
    );
    assert.equal(payload(told, 'refused.0.error.code'), 'FIRMWARE_TRUNCATED');
    assert.equal(payload(told, 'refused.1.error.code'), 'FILE_REFUSED');
    assert.equal(
      payload(told, 'text'),
      `Found my-light 3.0.0 (esp32), my-light 1.1.0 (esp8266), my-pump 2.0 in ${folder}; refused: 2.`,
    );
    assert.equal((await flow.showed('my-light 3.0.0 +2 · now')).fill, 'yellow');
  });

  it('sends only what has changed, where that is wanted', async () => {
    put('a.bin', running);
    const flow = await start({ onlyChanged: true });
    for (let count = 1; count <= 2; count += 1) {
      flow.send({});
      await report(flow, count);
    }
    assert.equal(flow.result.messages.length, 1);
    assert.match(String(payload(await report(flow, 2), 'text')), /unchanged since the last search\.$/);
    put('b.bin', next);
    flow.send({});
    await report(flow, 3);
    assert.equal(flow.result.messages.length, 2);
    flow.send({ options: { onlyChanged: false } });
    await report(flow, 4);
    assert.equal(flow.result.messages.length, 3);
  });

  it('lets a flow write into what it sends', async () => {
    put('a.bin', next);
    server.file('/a.bin', next, { etag: '"1"' });
    const flow = await start({ source: 'url', url: `${server.origin}/a.bin` });
    for (let count = 1; count <= 2; count += 1) {
      flow.send({});
      const { payload: image } = await flow.result.nth(count);
      assert.ok(Buffer.isBuffer(image) && image.equals(next));
      image.fill(0);
    }
  });

  for (const [title, options, code] of [
    ['a setting that it does not have', { patern: '*' }, 'UNKNOWN_SETTING'],
    ['a source that there is not', { source: 'ftp' }, 'INVALID_SETTING'],
    ['an address with a password', { source: 'url', url: `http://user:${SECRET}@127.0.0.1/a` }, 'INVALID_SETTING'],
    ['another scheme', { source: 'url', url: 'file:///etc/passwd' }, 'INVALID_SETTING'],
    ['a repository that leads elsewhere', { source: 'releases', repository: '../..' }, 'INVALID_SETTING'],
    ['no repository', { source: 'releases' }, 'SOURCE_SETTINGS'],
    ['no object', 7, 'INVALID_SETTING'],
  ] as const) {
    it(`refuses ${title}, and sends nothing`, async () => {
      const flow = await start();
      flow.send({ options });
      const caught = await flow.caught.first();
      assert.equal(caughtCode(caught), code);
      assert.ok(!JSON.stringify(caught['error']).includes(SECRET) && !flow.log().includes(SECRET));
      if (code === 'UNKNOWN_SETTING') assert.match(JSON.stringify(caught['error']), /patern/);
      await flow.showedError(code);
      assert.deepEqual(flow.dones, [{ code }]);
      assert.equal(flow.result.messages.length + flow.progress.messages.length, 0);
    });
  }

  it('reports and gives to a catch node that the source cannot be read at all', async () => {
    const flow = await start({ folder: path.join(folder, 'none') });
    flow.send({ topic: 'kept' });
    assert.equal(caughtCode(await flow.caught.first()), 'FOLDER_UNREADABLE');
    const told = await report(flow);
    assert.deepEqual([told['topic'], payload(told, 'error.code')], ['kept', 'FOLDER_UNREADABLE']);
    await flow.showedError('FOLDER_UNREADABLE');
    server.status('/a.bin', 429, { 'retry-after': '90' });
    flow.send({ options: { source: 'url', url: `${server.origin}/a.bin` } });
    const busy = await report(flow, 2);
    assert.deepEqual([payload(busy, 'error.code'), payload(busy, 'error.wait')], ['SOURCE_RATE_LIMIT', 90]);
    flow.send({ options: { folder } });
    assert.match(String(payload(await report(flow, 3), 'text')), /^Found no firmware in /);
    await flow.showed('no firmware found');
  });

  it('gives the result of one search to messages that come while it runs', async () => {
    const waiting: ServerResponse[] = [];
    let asked = (): void => undefined;
    const first = new Promise<void>((resolve) => (asked = resolve));
    server.on('/a.bin', (_request, response) => {
      waiting.push(response);
      asked();
    });
    const flow = await start({ source: 'url', url: `${server.origin}/a.bin` });
    flow.send({ round: 1 });
    await first;
    assert.equal((await flow.showed('searching')).fill, 'blue');
    put('b.bin', running);
    flow.send({ round: 2 });
    flow.send({ round: 3, options: { source: 'folder' } });
    for (const response of waiting) response.end(next);
    await flow.result.nth(3);
    assert.deepEqual(
      flow.result.messages.map(({ round, filename }) => [round, filename]),
      [
        [1, 'a.bin'],
        [2, 'a.bin'],
        [3, 'b.bin'],
      ],
    );
    assert.equal(server.received.length, 1);
  });

  it('ends a search when it is closed, and is done with each message once', async () => {
    let asked = (): void => undefined;
    const [begun, ended] = [
      new Promise<void>((resolve) => (asked = resolve)),
      new Promise<void>((resolve) => {
        server.on('/a.bin', (_request, response) => {
          response.on('close', resolve);
          asked();
        });
      }),
    ];
    const flow = await start({ source: 'url', url: `${server.origin}/a.bin` });
    flow.send({});
    flow.send({ options: { source: 'folder' } });
    await begun;
    const closed = performance.now();
    await stopFlow();
    await ended;
    assert.ok(performance.now() - closed < 5000);
    assert.deepEqual(flow.dones, [{ code: undefined }, { code: undefined }]);
    assert.equal(flow.result.messages.length + flow.progress.messages.length, 0);
  });

  it('ends a search after its time', async () => {
    server.on('/a.bin', () => undefined);
    const flow = await start({ source: 'url', url: `${server.origin}/a.bin`, timeout: '0.2' });
    flow.send({});
    assert.equal(caughtCode(await flow.caught.first()), 'SOURCE_TIMEOUT');
  });

  describe('with credentials', () => {
    const basic = `Basic ${Buffer.from(`anna:${SECRET}`).toString('base64')}`;

    it('sends them to its own server only, never to one that a message names, and shows them nowhere', async () => {
      const other = await FileServer.start();
      try {
        for (const each of [server, other]) each.file('/a.bin', next);
        const credentials = { ota: { user: 'anna', password: SECRET } };
        const flow = await start({ source: 'url', url: `${server.origin}/a.bin?key=${SECRET}` }, { credentials });
        flow.send({});
        flow.send({ options: { url: `${other.origin}/a.bin` } });
        flow.send({ options: { url: `${server.origin}/none.bin` } });
        await flow.done(3);
        assert.deepEqual(
          server.received.map(({ headers }) => headers.authorization),
          [basic, basic],
        );
        assert.deepEqual(
          other.received.map(({ headers }) => headers.authorization),
          [undefined],
        );
        const said = JSON.stringify([
          flow.result.messages,
          flow.progress.messages,
          flow.caught.messages,
          flow.statuses,
        ]);
        assert.ok(!said.includes(SECRET) && !flow.log().includes(SECRET));
        assert.equal(payload(flow.progress.messages[0] ?? {}, 'source'), `${server.origin}/a.bin`);
      } finally {
        await other.close();
      }
    });

    it('sends a token to the API of releases', async () => {
      server.file('/a.bin', next);
      const assets = [{ name: 'a.bin', size: next.length, page: `${server.origin}/a.bin` }];
      const release = githubRelease({ tag: 'v1', published: '2026-11-01T10:00:00Z', notes: 'New:\n- fast', assets });
      server.json('/repos/owner/name/releases', [release]);
      const settings = { source: 'releases', api: server.origin, repository: 'owner/name' };
      const flow = await start(settings, { credentials: { ota: { token: SECRET } } });
      flow.send({});
      const { firmware } = await flow.result.first();
      assert.deepEqual(
        [Reflect.get(Object(firmware), 'source'), Reflect.get(Object(firmware), 'notes')],
        ['owner/name v1', 'New:\n- fast'],
      );
      assert.equal(Reflect.get(Object(firmware), 'publishedAt'), '2026-11-01T10:00:00.000Z');
      for (const { headers } of server.received) assert.equal(headers.authorization, `Bearer ${SECRET}`);
    });

    it('says in the log that they leave the machine without TLS', async () => {
      const credentials = { ota: { user: 'anna', password: SECRET } };
      const own = await start({ source: 'url', url: `${server.origin}/a.bin` }, { credentials });
      assert.doesNotMatch(own.log(), /without encryption/);
      await stopFlow();
      const away = await start({ source: 'url', url: 'http://build.example/a.bin' }, { credentials });
      assert.match(away.log(), /the credentials are sent without encryption/);
      assert.ok(!away.log().includes(SECRET));
    });

    it('refuses a token beside a password', async () => {
      const credentials = { ota: { user: 'anna', password: SECRET, token: SECRET } };
      const flow = await start({ source: 'url', url: `${server.origin}/a.bin` }, { credentials });
      await flow.showedError('SOURCE_SETTINGS');
      flow.send({});
      assert.equal(caughtCode(await flow.caught.first()), 'SOURCE_SETTINGS');
      assert.ok(!flow.log().includes(SECRET));
      assert.deepEqual(server.received, []);
    });
  });

  it('shows an environment variable by its name, never its value', async () => {
    process.env['TEST_SECRET'] = SECRET;
    const flow = await start({ folder: '${TEST_SECRET}/none' });
    flow.send({});
    const told = await report(flow);
    assert.equal(payload(told, 'source'), '${TEST_SECRET}/none');
    assert.match(String(payload(told, 'text')), /\$\{TEST_SECRET\}\/none does not exist/);
    const said = JSON.stringify([told, flow.caught.messages, flow.statuses]);
    assert.ok(!said.includes(SECRET) && !flow.log().includes(SECRET), said);
    process.env['TEST_SECRET'] = String(await freePort());
    const away = await flow.deploy(
      {},
      { ...firmwareNode, source: 'url', url: 'http://127.0.0.1:${TEST_SECRET}/a.bin' },
    );
    away.send({});
    const [caught, reported] = [await away.caught.first(), await report(away)];
    assert.match(
      String(payload(reported, 'text')),
      /^http:\/\/127\.0\.0\.1:\$\{TEST_SECRET\}\/a\.bin cannot be reached/,
    );
    const { error, ...rest } = caught;
    for (const each of [JSON.stringify(reported), inspect([error, rest], { depth: 9 }), away.log()]) {
      assert.ok(!each.includes(`:${process.env['TEST_SECRET']}`), each);
    }
    const hashed = await flow.deploy({}, { ...firmwareNode, folder: '/none/#1?' });
    hashed.send({});
    assert.equal(payload(await report(hashed), 'source'), '/none/#1?');
    const other = await flow.deploy({}, { ...firmwareNode, folder: '${TEST_UNSET}' });
    await other.showedError('INVALID_SETTING');
  });

  it('updates a device when it is connected to homie-ota', async () => {
    const scene = await Scene.open();
    try {
      const device = await scene.device('my-light');
      put('old.bin', running);
      put('new.bin', next);
      const finder = { ...firmwareNode, id: 'finder', folder, z: 'flow', x: 0, y: 0, wires: [['ota'], []] };
      const flow = await scene.flow({}, { more: [finder] });
      flow.sendTo('finder', { topic: 'night' });
      const result = await flow.result.first();
      assert.deepEqual([payload(result, 'state'), result['device']], ['succeeded', 'my-light']);
      assert.equal(result['filename'], 'new.bin');
      assert.ok(device.image.equals(next));
      flow.sendTo('finder', {});
      assert.equal(payload(await flow.result.nth(2), 'reason'), 'up_to_date');
    } finally {
      await scene.close();
    }
  });

  describe('tested from its dialog', () => {
    const search = async (flow: TestFlow, fields: object): Promise<Record<string, unknown>> => {
      const { status, body } = await flow.post('/homie-ota/search', { ...firmwareNode, type: '', ...fields });
      return { status, ...Object(body) };
    };

    it('says what it found, chose and refused, in any language', async () => {
      put('a.bin', running);
      put('b.bin', next);
      put('c.bin', 'x');
      const { status, found, says, chosen, refused } = await search(await start({ folder: '/none' }), { folder });
      assert.deepEqual([status, found], [200, true]);
      assert.match(JSON.stringify(says), /searchFoundRefused/);
      assert.match(JSON.stringify(chosen), /searchNewest.*b\.bin/);
      assert.match(JSON.stringify(refused), /c\.bin/);
    });

    it('uses a stored secret only for the deployed source', async () => {
      const other = await FileServer.start();
      try {
        for (const each of [server, other]) each.file('/a.bin', next);
        const [own, credentials] = [{ source: 'url', url: `${server.origin}/a.bin` }, { ota: { token: SECRET } }];
        const flow = await start(own, { credentials });
        const kept = { id: 'ota', ...own, token: '__PWRD__' };
        assert.equal((await search(flow, kept))['found'], true);
        assert.equal(server.received[0]?.headers.authorization, `Bearer ${SECRET}`);
        for (const elsewhere of [{ url: `${other.origin}/a.bin` }, { url: `${server.origin}/b.bin` }]) {
          assert.match(JSON.stringify(await search(flow, { ...kept, ...elsewhere })), /SOURCE_SETTINGS\.stored/);
        }
        assert.equal((await search(flow, { ...kept, source: 'folder', folder }))['found'], false);
        assert.equal(other.received.length, 0);
        assert.equal((await search(flow, { ...own, url: `${other.origin}/a.bin`, token: 'typed' }))['found'], true);
        assert.equal(other.received[0]?.headers.authorization, 'Bearer typed');
      } finally {
        await other.close();
      }
    });

    it('gives back no value of an environment variable', async () => {
      process.env['TEST_SECRET'] = SECRET;
      const flow = await start();
      for (const fields of [
        { folder: '/none/${TEST_SECRET}' },
        { source: 'url', url: `${server.origin}/\${TEST_SECRET}` },
        { source: 'url', url: '${TEST_SECRET}' },
        { source: 'releases', api: server.origin, repository: 'owner/${TEST_SECRET}' },
      ]) {
        const answer = await search(flow, fields);
        assert.equal(answer['found'], false);
        assert.ok(!JSON.stringify(answer).includes(SECRET), JSON.stringify(answer));
      }
    });

    it('refuses what is no request of the dialog, and too many of them', async () => {
      const flow = await start();
      assert.equal((await search(flow, { folder: { a: 1 } }))['status'], 400);
      const statuses = new Set<unknown>();
      for (let i = 0; i < 25; i += 1) statuses.add((await search(flow, {}))['status']);
      assert.deepEqual(statuses, new Set([200, 429]));
    });
  });
});

describe('the status of homie-firmware', () => {
  it('says how long ago the search was', () => {
    const told = {
      source: '',
      found: [],
      refused: [],
      startedAt: '',
      duration: 0,
      text: '',
      counts: { found: 1, chosen: 1, refused: 0, sent: 1 },
      chosen: [
        {
          name: 'my-light',
          version: '1.3.0',
          chip: 'esp8266',
          size: 1,
          md5: '',
          filename: '',
          source: '',
          publishedAt: undefined,
          reason: 'only' as const,
          sent: true,
          text: '',
        },
      ],
    };
    const minute = 60_000;
    for (const [age, expected] of [
      [0, 'now'],
      [minute, '1 min ago'],
      [119 * minute, '1 h ago'],
      [125 * minute, '2 h ago'],
      [47 * 60 * minute, '47 h ago'],
      [49 * 60 * minute, '2 d ago'],
    ] as const) {
      assert.deepEqual(searchStatus(told, age), { fill: 'green', shape: 'dot', text: `my-light 1.3.0 · ${expected}` });
    }
  });
});

/** Returns an image in short: name, version and chip. */
function brief(value: unknown): unknown {
  if (typeof value !== 'object') return value;
  const { name, version, chip }: { name?: unknown; version?: unknown; chip?: unknown } = Object(value);
  return `${String(name)} ${String(version)} ${String(chip)}`;
}
