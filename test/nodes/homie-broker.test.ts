import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { FlowNode } from 'node-red-node-test-helper';
import { startAedes } from '../support/aedes';
import { CertificateAuthority, opensslAvailable } from '../support/certificates';
import { describeIf } from '../support/describe-if';
import { HANG_LIMIT } from '../support/limits';
import { mosquittoAvailable, startMosquitto, type Mosquitto, type MosquittoOptions } from '../support/mosquitto';
import { freePort } from '../support/ports';
import { stopFlow, TestFlow } from './flow';
import { next } from './scene';

const connected = 'connected';
const PASSWORD = 'correct horse battery staple';

describeIf(mosquittoAvailable() && opensslAvailable())('homie-broker', function () {
  const ends: (() => Promise<void>)[] = [];

  afterEach(async () => {
    await stopFlow();
    for (const end of ends.splice(0)) await end();
  });

  async function mosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
    const broker = await startMosquitto(options);
    ends.push(() => broker.stop());
    return broker;
  }

  function authority(): CertificateAuthority {
    const made = new CertificateAuthority();
    ends.push(async () => made.remove());
    return made;
  }

  it('connects, and the nodes that use it show it', async () => {
    const { port } = await mosquitto();
    const flow = await TestFlow.start(at(port));
    const status = await flow.showed(connected);
    assert.deepEqual(status, { ...status, fill: 'green', shape: 'ring' });
    assert.deepEqual(
      flow.statuses.map(({ text }) => text),
      ['connecting', connected],
    );
    assert.match(flow.log(), /connected \(MQTT 5\)/);
  });

  it('falls back to MQTT 3.1.1', async () => {
    const aedes = await startAedes();
    ends.push(() => aedes.close());
    const flow = await TestFlow.start(at(aedes.port));
    await flow.showed(connected);
    assert.match(flow.log(), /connected \(MQTT 3\.1\.1\)/);
  });

  it('names the topic of a message that is too large to be received', async () => {
    const aedes = await startAedes();
    ends.push(() => aedes.close());
    const flow = await TestFlow.start(at(aedes.port));
    await flow.showed(connected);
    await flow.broker.settled();
    const payload = Buffer.alloc(33 * 1024 * 1024);
    const skipped = once(flow.broker.connection, 'skipped');
    for (let time = 1; time <= 2; time++) {
      await flow.broker.connection.publish('homie/lamp/$name', payload, { qos: 1, timeout: HANG_LIMIT });
    }
    await skipped;
    await flow.broker.connection.ping();
    assert.deepEqual(flow.log().match(/skipped a message of 34 MiB at homie\/lamp\/\$name/g)?.length, 1);
  });

  it('connects over WebSocket by a URL', async () => {
    const port = await freePort();
    await mosquitto({ config: [`listener ${port} 127.0.0.1`, 'protocol websockets', 'allow_anonymous true'] });
    const flow = await TestFlow.start({ host: `ws://127.0.0.1:${port}/mqtt` });
    await flow.showed(connected);
  });

  it('says that the broker cannot be reached, and connects when it is there', async () => {
    const port = await freePort();
    const flow = await TestFlow.start(at(port));
    const status = await flow.showedError('BROKER_UNREACHABLE');
    assert.deepEqual(status, { ...status, fill: 'red', shape: 'ring' });
    await mosquitto({ port });
    await flow.showed(connected);
    assert.match(flow.log(), /not connected: .*cannot be reached/);
  });

  it('says that the password is wrong, without telling it', async () => {
    const { port } = await mosquitto({ password: { username: 'anna', password: PASSWORD } });
    const wrong = `not ${PASSWORD}`;
    const flow = await TestFlow.start(at(port), {}, { credentials: { broker: { user: 'anna', password: wrong } } });
    await flow.showedError('BROKER_REFUSED');
    assert.match(flow.log(), /bad username or password/);
    assert.ok(!flow.log().includes(PASSWORD));
  });

  it('warns once that a password would go to another machine without TLS', async () => {
    const warnings = (flow: TestFlow): number => flow.log().match(/password .* without encryption/g)?.length ?? 0;
    const credentials = { broker: { user: 'anna', password: PASSWORD } };
    const flow = await TestFlow.start({ host: 'broker.invalid' }, {}, { credentials });
    await flow.showedError('BROKER_UNREACHABLE');
    // The second attempt.
    await once(flow.broker, 'status');
    assert.equal(warnings(flow), 1, flow.log());
    assert.ok(!flow.log().includes(PASSWORD));
    await stopFlow();
    for (const [broker, given] of [
      [{ host: 'broker.invalid', usetls: true }, credentials],
      [{ host: 'broker.invalid' }, {}],
      ...['localhost', '127.0.0.2', '::1', 'ws://127.0.0.1:1'].map(
        (host) => [{ host, port: '1' }, credentials] as const,
      ),
    ] as const) {
      const other = await TestFlow.start(broker, {}, { credentials: given });
      await other.showedError('BROKER_UNREACHABLE');
      assert.equal(warnings(other), 0, other.log());
      await stopFlow();
    }
  });

  it('takes user name and password from environment variables', async () => {
    const { port } = await mosquitto({ password: { username: 'anna', password: PASSWORD } });
    process.env['TEST_MQTT_USER'] = 'anna';
    process.env['TEST_MQTT_PASSWORD'] = PASSWORD;
    process.env['TEST_MQTT_PORT'] = String(port);
    ends.push(async () => {
      for (const name of ['USER', 'PASSWORD', 'PORT']) delete process.env[`TEST_MQTT_${name}`];
    });
    const flow = await TestFlow.start(
      { host: '127.0.0.1', port: '${TEST_MQTT_PORT}' },
      {},
      { credentials: { broker: { user: '${TEST_MQTT_USER}', password: '${TEST_MQTT_PASSWORD}' } } },
    );
    await flow.showed(connected);
    assert.ok(!flow.log().includes(PASSWORD));
  });

  describe('with environment variables in its fields', () => {
    const SECRET = 'correct-horse-battery';

    beforeEach(() => {
      process.env['TEST_SECRET'] = SECRET;
      process.env['TEST_HOST'] = '127.0.0.1';
    });
    afterEach(() => {
      delete process.env['TEST_SECRET'];
      delete process.env['TEST_HOST'];
    });

    /** Requests an update, and returns everything that the flow and its log contain then. */
    const told = async (flow: TestFlow): Promise<string> => {
      flow.send({ payload: next });
      const caught = { ...(await flow.caught.first()), payload: undefined };
      await flow.summary.first();
      const inboxes = [flow.result, flow.progress, flow.summary].map(({ messages }) => messages);
      return JSON.stringify([caught, inboxes, flow.statuses]) + flow.log();
    };

    for (const [what, status, broker, more] of [
      ['a server', 'BROKER_UNREACHABLE', { host: '${TEST_SECRET}' }, []],
      ['a part of a server', 'BROKER_UNREACHABLE', { host: '${TEST_SECRET}.invalid' }, []],
      ['a URL', 'BROKER_UNREACHABLE', { host: 'ws://${TEST_SECRET}/${TEST_SECRET}' }, []],
      ['a server in the older form', 'BROKER_UNREACHABLE', { host: '$(TEST_SECRET)' }, []],
      ['what is no server', 'BROKER_SETTINGS', { host: '${TEST_SECRET} ${TEST_SECRET}' }, []],
      ['what is no port', 'BROKER_SETTINGS', { port: '${TEST_SECRET}' }, []],
      ['what is no base topic', 'INVALID_BASE_TOPIC', { baseTopic: '+${TEST_SECRET}' }, []],
      [
        'the server of an mqtt-broker node',
        'BROKER_UNREACHABLE',
        { connection: 'mqtt-broker', mqttBroker: 'core' },
        [core(1, { broker: '${TEST_SECRET}' })],
      ],
    ] as const) {
      it(`names the variable, never its value, where it is ${what}`, async () => {
        const flow = await TestFlow.start(at(1, broker), { expires: '0' }, { more: [...more] });
        await flow.showedError(status);
        const text = await told(flow);
        assert.ok(!text.includes(SECRET), text);
        assert.match(flow.log(), /\$[{(]TEST_SECRET/);
      });
    }

    it('names the variable, never its value, where it is a base topic without the device', async () => {
      const { port } = await mosquitto();
      const flow = await TestFlow.start(
        { host: '${TEST_HOST}', port: String(port), baseTopic: 'x/${TEST_SECRET}' },
        { expires: '0' },
      );
      await flow.showed(connected);
      const text = await told(flow);
      assert.ok(!text.includes(SECRET), text);
      assert.match(text, /under x\/\$\{TEST_SECRET\}\//);
    });
  });

  it('trusts the CA of a tls-config node', async () => {
    const own = authority();
    const { port } = await mosquitto({ tls: { ca: own.ca, ...own.issue('IP:127.0.0.1') } });
    const flow = await TestFlow.start(at(port, { usetls: true, tls: 'tls' }), {}, { more: [tlsConfig(own.ca)] });
    await flow.showed(connected);
  });

  it('says that it does not trust the certificate of the broker', async () => {
    const own = authority();
    const { port } = await mosquitto({ tls: { ca: own.ca, ...own.issue('IP:127.0.0.1') } });
    const flow = await TestFlow.start(at(port, { usetls: true }));
    await flow.showedError('BROKER_TLS');
    assert.match(flow.log(), /certificate/);
  });

  it('lets Node-RED run with settings that cannot be used, and the nodes say so', async () => {
    const flow = await TestFlow.start({ host: 'localhost', port: 'many' });
    await flow.showedError('BROKER_SETTINGS');
    assert.match(flow.log(), /port must be a whole number/);
    flow.send({ payload: 'anything' });
    const { error } = await flow.caught.first();
    assert.match(String(Reflect.get(Object(error), 'message')), /my-light: The port must be a whole number/);
  });

  it('refuses a base topic with wildcards', async () => {
    const flow = await TestFlow.start({ host: 'localhost', baseTopic: 'homie/#' });
    await flow.showedError('INVALID_BASE_TOPIC');
  });

  it('leaves nothing behind when it is deployed again or stopped', async () => {
    const aedes = await startAedes();
    ends.push(() => aedes.close());
    const flow = await TestFlow.start(at(aedes.port));
    await flow.showed(connected);
    let again = flow;
    for (const clientid of ['a', 'b', 'c']) {
      again = await again.deploy(at(aedes.port, { clientid }));
      await again.showed(connected);
    }
    assert.equal(aedes.aedes.connectedClients, 1);
    assert.doesNotMatch(again.log(), /not connected/);
    const gone = new Promise((resolve) => aedes.aedes.once('clientDisconnect', resolve));
    await stopFlow();
    await gone;
    assert.equal(aedes.aedes.connectedClients, 0);
  });

  describe('with the settings of an mqtt-broker node', () => {
    const use = { connection: 'mqtt-broker', mqttBroker: 'core' };

    it('leaves out its will', async () => {
      const aedes = await startAedes();
      ends.push(() => aedes.close());
      const client = new Promise<object>((resolve) => aedes.aedes.once('client', resolve));
      await TestFlow.start(use, {}, { more: [core(aedes.port)] });
      assert.ok(!Reflect.get(await client, 'will'));
    });

    it('connects like it, but as a client of its own with a session of its own', async () => {
      const broker = await mosquitto({ password: { username: 'anna', password: PASSWORD } });
      const flow = await TestFlow.start(
        use,
        {},
        { more: [core(broker.port)], credentials: { core: { user: 'anna', password: PASSWORD } } },
      );
      await flow.showed(connected);
      assert.match(broker.log(), /New client connected from .* as homie-ota-\w+ \(p2, c1, k33, u'anna'\)/);
      assert.ok(!broker.log().includes('core-client'));
      assert.ok(!flow.log().includes(PASSWORD));
    });

    it('speaks MQTT 5 where that does, and has the client id that is given', async () => {
      const broker = await mosquitto();
      const more = [core(broker.port, { protocolVersion: '5' })];
      const flow = await TestFlow.start({ ...use, clientid: 'updates' }, {}, { more });
      await flow.showed(connected);
      assert.match(broker.log(), /as updates \(p5, /);
    });

    it('trusts the CA that it trusts', async () => {
      const own = authority();
      const { port } = await mosquitto({ tls: { ca: own.ca, ...own.issue('IP:127.0.0.1') } });
      const more = [tlsConfig(own.ca), core(port, { usetls: true, tls: 'tls' })];
      const flow = await TestFlow.start(use, {}, { more });
      await flow.showed(connected);
    });

    it('takes a WebSocket URL from it', async () => {
      const port = await freePort();
      await mosquitto({ config: [`listener ${port} 127.0.0.1`, 'protocol websockets', 'allow_anonymous true'] });
      const flow = await TestFlow.start(use, {}, { more: [core(0, { broker: `ws://127.0.0.1:${port}` })] });
      await flow.showed(connected);
    });

    it('refuses one that goes through a proxy, and says how it need not', async () => {
      const before = process.env['ws_proxy'];
      process.env['ws_proxy'] = 'http://127.0.0.1:1';
      try {
        const flow = await TestFlow.start(use, {}, { more: [core(0, { broker: 'ws://broker.example/mqtt' })] });
        await flow.showedError('BROKER_SETTINGS');
        assert.match(flow.log(), /connects through a proxy/);
      } finally {
        if (before === undefined) delete process.env['ws_proxy'];
        else process.env['ws_proxy'] = before;
      }
    });

    it('follows when that is changed', async () => {
      const [first, second] = [await mosquitto(), await mosquitto()];
      const flow = await TestFlow.start(use, {}, { more: [core(first.port)] });
      await flow.showed(connected);
      const again = await flow.deploy(use, {}, [core(second.port)], 'nodes');
      await again.showed(connected);
      assert.match(second.log(), /New client connected/);
    });

    for (const [what, more, mqttBroker] of [
      ['missing', [], 'core'],
      ['disabled', [core(1883, { d: true })], 'core'],
      ['something else', [], 'ota'],
      ['not chosen', [], ''],
    ] as const) {
      it(`says that it is ${what}`, async () => {
        const flow = await TestFlow.start({ ...use, mqttBroker }, {}, { more: [...more] });
        await flow.showedError('BROKER_SETTINGS');
        assert.match(flow.log(), /MQTT broker node is missing, disabled or not the one built into Node-RED/);
      });
    }
  });
});

function tlsConfig(ca: string): FlowNode {
  return { id: 'tls', type: 'tls-config', cert: '', key: '', ca, verifyservercert: true };
}

function at(port: number, more: object = {}): object {
  return { host: '127.0.0.1', port: String(port), ...more };
}

function core(port: number, more: object = {}): FlowNode {
  return {
    id: 'core',
    type: 'mqtt-broker',
    broker: '127.0.0.1',
    port: String(port),
    clientid: 'core-client',
    autoConnect: false,
    usetls: false,
    protocolVersion: '4',
    keepalive: '33',
    cleansession: false,
    willTopic: 'somewhere',
    willPayload: 'gone',
    ...more,
  };
}
