/** The answers of the editor's connection test. */
import assert from 'node:assert/strict';
import { connectAsync } from 'mqtt';
import { createServer, type Server, type Socket } from 'node:net';
import type { FlowNode } from 'node-red-node-test-helper';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, startExactAedes } from '../support/aedes';
import { running as image } from '../support/images';
import { freePort, startListening } from '../support/ports';
import { stopFlow, TestFlow } from './flow';
import { untilTrue } from '../support/until-true';

/** A secret that a user who may only test connections must not learn. */
const SECRET = 'correct-horse-battery';

/** An answer of the connection test. */
interface Tested {
  readonly status: number;
  readonly connected?: unknown;
  readonly message?: unknown;
  readonly hint?: unknown;
  readonly baseTopic?: unknown;
  readonly devices?: unknown;
  readonly list?: readonly unknown[];
}

describe('the test of a connection', () => {
  const ends: (() => Promise<unknown>)[] = [];

  beforeEach(() => {
    process.env['TEST_SECRET'] = SECRET;
  });
  afterEach(async () => {
    delete process.env['TEST_SECRET'];
    await stopFlow();
    for (const end of ends.splice(0)) await end();
  });

  const tryOut = async (flow: TestFlow, typed: object): Promise<Tested> => {
    const { status, body } = await flow.post('/homie-ota/test', { host: '127.0.0.1', ...typed });
    return { ...Object(body), status };
  };
  const aedes = async (): Promise<string> => {
    const broker = await startAedes();
    ends.push(() => broker.close());
    return String(broker.port);
  };
  /** Starts a flow whose `homie-broker` cannot reach a broker. */
  const lonely = async (): Promise<TestFlow> => TestFlow.start({ host: '127.0.0.1', port: String(await freePort()) });

  describe('of an environment variable', () => {
    for (const [field, typed] of [
      ['host', '${TEST_SECRET}.invalid'],
      ['host', '${TEST_SECRET} x'],
      ['host', 'mqtt://${TEST_SECRET}.invalid:1883/${TEST_SECRET}'],
      ['host', 'http://${TEST_SECRET}'],
      ['host', '${TEST_SECRET}://x'],
      ['host', 'mqtt://${TEST_SECRET}@x'],
      ['port', '${TEST_SECRET}'],
      ['port', '$(TEST_SECRET)'],
      ['keepalive', '${TEST_SECRET}'],
      ['protocolVersion', '${TEST_SECRET}'],
      ['baseTopic', '+${TEST_SECRET}'],
      ['baseTopic', '${TEST_SECRET}#'],
    ] as const) {
      it(`gives back the name, never the value, in what is wrong with ${field}: ${typed}`, async () => {
        const flow = await lonely();
        const answer = await tryOut(flow, { [field]: typed });
        assert.equal(answer.connected, false);
        assert.ok(!JSON.stringify(answer).includes(SECRET), JSON.stringify(answer));
        // A user name in a URL is never repeated.
        if (!typed.includes('@')) assert.match(String(answer.message), /\$[{(]TEST_SECRET/);
        assert.ok(!flow.log().includes(SECRET), flow.log());
      });
    }

    it('gives back the name, never the value, when it is connected', async () => {
      const port = await aedes();
      const flow = await lonely();
      const answer = await tryOut(flow, { port, baseTopic: 'x/${TEST_SECRET}' });
      assert.deepEqual([answer.connected, answer.baseTopic], [true, 'x/${TEST_SECRET}/']);
      assert.ok(!JSON.stringify(answer).includes(SECRET), JSON.stringify(answer));
    });

    it('says which field holds one that is not set', async () => {
      const flow = await lonely();
      const { message } = await tryOut(flow, { baseTopic: 'homie/${TEST_UNSET}/' });
      assert.match(String(message), /Base topic .*homie\/\$\{TEST_UNSET\}\/.* not set/);
    });
  });

  it('lists the devices that it found, as plain text and at most 200', async () => {
    const port = await aedes();
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`);
    ends.push(() => client.endAsync());
    const publish = (device: string, topic: string, text: string) =>
      client.publishAsync(`homie/${device}/${topic}`, text, { retain: true, qos: 1 });
    await publish('a-light', '$name', 'Kitchen\u202E');
    await publish('a-light', '$fw/name', 'my-light');
    await publish('a-light', '$fw/version', '1.0.0');
    const ids = ['a-light', ...Array.from({ length: 200 }, (_, index) => `light-${1000 + index}`)];
    for (const id of ids) await publish(id, '$state', 'ready');
    const answer = await tryOut(await lonely(), { port, baseTopic: 'homie/' });
    assert.equal(answer.devices, 201);
    const [first, ...more] = answer.list ?? [];
    const kitchen = { id: 'a-light', name: 'Kitchen\uFFFD', firmware: 'my-light', version: '1.0.0', state: 'ready' };
    assert.deepEqual(first, kitchen);
    assert.deepEqual(
      more,
      ids.slice(1, 200).map((id) => ({ id, state: 'ready' })),
    );
  });

  describe('says whether the password goes to another machine without TLS', () => {
    for (const [typed, expected] of [
      [{ host: 'broker.invalid', password: SECRET }, true],
      [{ host: 'ws://broker.invalid/x', password: SECRET }, true],
      [{ host: 'broker.invalid', password: SECRET, usetls: true }, false],
      [{ host: 'broker.invalid' }, false],
      [{ host: '127.0.0.1', port: '1', password: SECRET }, false],
      [{ host: '${TEST_URL}', password: SECRET }, true],
      [{ host: '$(TEST_URL)', password: SECRET }, true],
    ] as const) {
      it(`${JSON.stringify(typed)}: ${expected}`, async () => {
        process.env['TEST_URL'] = 'mqtt://broker.invalid';
        ends.push(async () => delete process.env['TEST_URL']);
        const flow = await lonely();
        assert.equal(Reflect.get(await tryOut(flow, typed), 'plainPassword'), expected);
      });
    }
  });

  describe('uses the stored password', () => {
    const stored = {
      host: '127.0.0.1',
      usetls: true,
      tls: 'tls',
      clientid: 'me',
      keepalive: '30',
      protocolVersion: '5',
    };
    const tls = (id: string, more: object = {}): FlowNode => ({
      id,
      type: 'tls-config',
      cert: '',
      key: '',
      ca: '',
      verifyservercert: true,
      ...more,
    });

    /**
     * Starts a flow whose `homie-broker` has a password, with two other `tls-config` nodes: an equal one, and one that
     * trusts anybody.
     */
    const keeping = async (): Promise<{ flow: TestFlow; typed: object }> => {
      const typed = { ...stored, port: String(await freePort()), user: 'anna' };
      const more = [tls('tls'), tls('same'), tls('careless', { verifyservercert: false })];
      const credentials = { broker: { user: 'anna', password: SECRET } };
      const flow = await TestFlow.start(typed, {}, { more, credentials });
      return { flow, typed: { ...typed, id: 'broker', password: '__PWRD__' } };
    };

    it('where every setting of the connection is the deployed one, whatever the base topic', async () => {
      const { flow, typed } = await keeping();
      for (const same of [{}, { baseTopic: 'x/' }, { tls: 'same' }, { port: ` ${Reflect.get(typed, 'port')} ` }]) {
        const { message } = await tryOut(flow, { ...typed, ...same });
        assert.match(String(message), /cannot be reached/, JSON.stringify(same));
      }
    });

    for (const changed of [
      { tls: 'careless' },
      { tls: '' },
      { host: 'localhost' },
      { port: '1' },
      { usetls: false, tls: '' },
      { user: 'eve' },
      { clientid: 'you' },
      { keepalive: '31' },
      { protocolVersion: '4' },
    ]) {
      it(`not with ${JSON.stringify(changed)}`, async () => {
        const { flow, typed } = await keeping();
        const { connected, message, hint } = await tryOut(flow, { ...typed, ...changed });
        assert.equal(connected, false);
        assert.match(String(message), /stored password is only used with the deployed settings/);
        assert.equal(hint, 'Enter the password again.');
      });
    }

    it('nowhere where an mqtt-broker node is chosen instead, which has its own', async () => {
      const core = { id: 'core', type: 'mqtt-broker', broker: '127.0.0.1', port: String(await freePort()) };
      const credentials = { broker: { user: 'anna', password: SECRET }, core: { user: 'bob', password: 'another' } };
      const flow = await TestFlow.start({ host: '127.0.0.1', port: '1' }, {}, { more: [core], credentials });
      const typed = { id: 'broker', connection: 'mqtt-broker', mqttBroker: 'core', user: 'anna', password: '__PWRD__' };
      const { message } = await tryOut(flow, typed);
      assert.equal(message, `mqtt://127.0.0.1:${core.port} cannot be reached: nothing is listening there.`);
    });

    it('where the user name is an environment variable, as it is deployed', async () => {
      process.env['TEST_USER'] = 'anna';
      ends.push(async () => delete process.env['TEST_USER']);
      const typed = { host: '127.0.0.1', port: String(await freePort()) };
      const credentials = { broker: { user: '${TEST_USER}', password: SECRET } };
      const flow = await TestFlow.start(typed, {}, { credentials });
      const { message } = await tryOut(flow, { ...typed, id: 'broker', user: '${TEST_USER}', password: '__PWRD__' });
      assert.match(String(message), /cannot be reached/);
    });
  });

  it('does not offer the base topic in the dialog as another one', async () => {
    const broker = await startAedes();
    ends.push(() => broker.close());
    broker.aedes.authorizeSubscribe = (_client, subscription, callback) =>
      callback(null, subscription.topic.startsWith('homie/') ? null : subscription);
    const device = await connectAsync(broker.url);
    await device.publishAsync('homie/lamp/$homie', '3.0.1', { retain: true, qos: 1 });
    await device.endAsync();
    const flow = await lonely();
    const answer = { ...(await tryOut(flow, { port: String(broker.port) })) };
    assert.deepEqual(
      ['devices', 'ready', 'elsewhere'].map((name) => Reflect.get(answer, name)),
      [1, 0, []],
    );
  });

  it('names the base topic of devices of convention 5 beside other devices', async () => {
    const broker = await startAedes();
    ends.push(() => broker.close());
    const devices = [
      new SimulatedDevice({ url: broker.url, id: 'lamp', image }),
      new SimulatedDevice({ url: broker.url, id: 'fan', image, convention: 5 }),
    ];
    await Promise.all(devices.map((device) => device.start()));
    const flow = await lonely();
    const answer = { ...(await tryOut(flow, { port: String(broker.port) })) };
    await Promise.all(devices.map((device) => device.stop()));
    assert.deepEqual(
      ['devices', 'elsewhere'].map((name) => Reflect.get(answer, name)),
      [1, ['homie/5/']],
    );
  });

  it('says what the broker lacks', async () => {
    const properties = [0x25, 0, 0x28, 0];
    const lacking = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => {
        const type = (bytes[0] ?? 0) >> 4;
        if (type === 1)
          socket.write(Buffer.from([0x20, 3 + properties.length, 0, 0, properties.length, ...properties]));
        if (type === 8) socket.write(Buffer.from([0x90, 4, bytes[2] ?? 0, bytes[3] ?? 0, 0, 0]));
        if (type === 10) socket.write(Buffer.from([0xb0, 4, bytes[2] ?? 0, bytes[3] ?? 0, 0, 0]));
      });
    });
    const typed = { host: '127.0.0.1', port: String(await startListening(lacking)) };
    ends.push(async () => lacking.close());
    const flow = await TestFlow.start(typed);
    await flow.showed('connected');
    assert.match(flow.log(), /does not keep retained messages/);
    assert.match(flow.log(), /does not support wildcard subscriptions/);
    const answer = await tryOut(flow, typed);
    assert.deepEqual([answer.connected, Reflect.get(answer, 'lacks')], [true, ['retained', 'wildcards']]);
  });

  it('names the devices that the deployed node knows, and says of a broker that it needs that', async () => {
    const broker = await startExactAedes();
    const device = await connectAsync(broker.url);
    ends.push(
      () => device.endAsync(),
      () => broker.close(),
    );
    for (const topic of ['$fw/name', '$state']) {
      await device.publishAsync(`homie/light-1/${topic}`, 'ready', { qos: 1, retain: true });
    }
    const typed = { id: 'broker', host: '127.0.0.1', port: String(broker.port), protocolVersion: '4' };
    const flow = await TestFlow.start({ ...typed, type: 'homie-broker' });
    const before = await tryOut(flow, typed);
    assert.deepEqual([Reflect.get(before, 'devices'), Reflect.get(before, 'lacks')], [0, []]);
    await device.publishAsync('homie/light-1/$stats/uptime', '60', { qos: 1 });
    await untilTrue(flow.broker, 'status', () => flow.broker.needsExactTopics);
    assert.match(flow.log(), /exact topics only/);
    const answer = await tryOut(flow, typed);
    assert.deepEqual(
      ['devices', 'ready', 'lacks'].map((name) => Reflect.get(answer, name)),
      [1, 1, ['retainedByWildcard']],
    );
  });

  describe('is bounded:', () => {
    it('no more than three run at the same time', async () => {
      const port = await silent();
      const flow = await lonely();
      const running = [1, 2, 3].map(() => tryOut(flow, { port }));
      await connections(3);
      const { status, message, hint } = await tryOut(flow, { port });
      assert.equal(status, 429);
      assert.match(String(message), /already running/);
      assert.match(String(hint), /^Wait/);
      release();
      for (const { status: one, connected } of await Promise.all(running)) {
        assert.deepEqual([one, connected], [200, false]);
      }
      const after = await tryOut(flow, { port: String(await freePort()) });
      assert.equal(after.status, 200);
    });

    it('no more than twenty begin within a minute', async () => {
      const port = String(await freePort());
      const flow = await lonely();
      for (let count = 0; count < 20; count++) assert.equal((await tryOut(flow, { port })).status, 200, String(count));
      const { status, message, hint } = await tryOut(flow, { port });
      assert.equal(status, 429);
      assert.match(String(message), /20 connection tests/);
      assert.match(String(hint), /^Wait/);
    });
  });

  let server: Server;
  let isReleased = false;
  const sockets: Socket[] = [];

  /** Returns a port on which nothing answers until `release`, and which closes every connection from then on. */
  const silent = async (): Promise<string> => {
    isReleased = false;
    sockets.splice(0);
    server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      if (isReleased) socket.destroy();
      server.emit('connected');
    });
    const port = await startListening(server);
    ends.push(async () => server.close());
    return String(port);
  };
  const connections = async (count: number): Promise<void> => {
    await untilTrue(server, 'connected', () => sockets.length >= count);
  };
  const release = (): void => {
    isReleased = true;
    for (const socket of sockets) socket.destroy();
  };
});
