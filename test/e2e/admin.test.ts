import assert from 'node:assert/strict';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { buildEsp8266Image } from '../support/images';
import { startNodeRed, type NodeRed } from '../support/node-red';

/** That of Node-RED. */
const { hashSync }: { hashSync: (text: string, rounds: number) => string } = require(
  require.resolve('bcryptjs', { paths: [require.resolve('node-red')] }),
);

const image = buildEsp8266Image({ name: 'my-light', version: '1.0.0', size: 60_000 });
const password = 'for-tests-only';

describe('what the editor asks Node-RED for, where people have to log in', () => {
  let broker: AedesBroker;
  let device: SimulatedDevice;
  let nodeRed: NodeRed;

  before(async () => {
    broker = await startAedes();
    device = new SimulatedDevice({ url: broker.url, id: 'kitchen-light', image, name: 'Kitchen' });
    await device.start();
    const user = (username: string, permissions: string): object => ({
      username,
      password: hashSync(password, 4),
      permissions: permissions.split(' '),
    });
    nodeRed = await startNodeRed({
      flows: [
        { id: 'flow', type: 'tab', label: 'devices' },
        { id: 'broker', type: 'homie-broker', host: '127.0.0.1', port: String(broker.port), baseTopic: 'homie/' },
      ],
      settings: {
        adminAuth: {
          type: 'credentials',
          users: [
            user('admin', '*'),
            user('reader', 'homie-ota.read'),
            user('writer', 'homie-ota.write'),
            user('deployer', 'flows.write'),
            user('tester', 'homie-ota.write flows.write'),
            user('other', 'flows.read'),
          ],
        },
      },
    });
    await nodeRed.logged(/connected \(MQTT/);
    // Credentials come with a deploy only.
    const flows = [
      { id: 'flow', type: 'tab', label: 'devices' },
      { id: 'broker', type: 'homie-broker', host: '127.0.0.1', port: String(broker.port), baseTopic: 'homie/' },
      {
        id: 'secret',
        type: 'homie-broker',
        host: '127.0.0.1',
        port: String(broker.port),
        baseTopic: 'homie/',
        credentials: { user: 'someone', password: 'kept' },
      },
    ];
    const deployed = await fetch(`${nodeRed.url}/flows`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${await token('admin')}` },
      body: JSON.stringify(flows),
    });
    assert.equal(deployed.status, 204);
  });
  after(async () => {
    await nodeRed.stop();
    await device.stop();
    await broker.close();
  });

  const token = async (username: string): Promise<string> => {
    const body = new URLSearchParams({
      client_id: 'node-red-admin',
      grant_type: 'password',
      scope: '',
      username,
      password,
    });
    const response = await fetch(`${nodeRed.url}/auth/token`, { method: 'POST', body });
    const { access_token: given }: { access_token: string } = Object(await response.json());
    return given;
  };
  const ask = (bearer?: string, id = 'broker'): Promise<Response> =>
    fetch(`${nodeRed.url}/homie-ota/brokers/${id}/devices`, {
      headers: bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` },
    });

  const tryOut = (bearer: string | undefined, body: string, type = 'application/json'): Promise<Response> =>
    fetch(`${nodeRed.url}/homie-ota/test`, {
      method: 'POST',
      headers: { 'Content-Type': type, ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }) },
      body,
    });
  const typed = (more: object = {}): string =>
    JSON.stringify({ host: '127.0.0.1', port: String(broker.port), baseTopic: 'homie/', ...more });

  it('tries a connection only for those who may both write and change flows', async () => {
    assert.equal((await tryOut(undefined, typed())).status, 401);
    for (const username of ['reader', 'writer', 'deployer']) {
      assert.equal((await tryOut(await token(username), typed())).status, 401, username);
    }
    const response = await tryOut(await token('tester'), typed());
    assert.equal(response.status, 200);
    const { connected, devices }: { connected?: unknown; devices?: unknown } = Object(await response.json());
    assert.deepEqual([connected, devices], [true, 1]);
  });

  it('refuses what is no form of settings, and what a page of another site could send', async () => {
    const tester = await token('tester');
    for (const body of ['[]', '7', '{"host":{}}', '{"host":', `{"host":"${'x'.repeat(2000)}"}`]) {
      assert.equal((await tryOut(tester, body)).status, 400, body.slice(0, 20));
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
      assert.equal((await tryOut(tester, typed(), type)).status, 400, type);
    }
    assert.equal((await tryOut(tester, typed({ name: 'x'.repeat(6_000_000) }))).status, 413);
  });

  it('sends a password that the editor does not know to no other broker', async () => {
    const tester = await token('tester');
    const body = typed({ id: 'secret', host: 'localhost', password: '__PWRD__' });
    const { connected, message }: { connected?: unknown; message?: unknown } = Object(
      await (await tryOut(tester, body)).json(),
    );
    assert.equal(connected, false);
    assert.match(String(message), /stored password is used with the deployed settings only/);
    const same = await tryOut(tester, typed({ id: 'secret', password: '__PWRD__', user: 'someone' }));
    assert.equal(Reflect.get(Object(await same.json()), 'connected'), true);
  });

  it('is answered to those who may read it only', async () => {
    assert.equal((await ask()).status, 401);
    assert.equal((await ask(await token('other'))).status, 401);
    const reader = await token('reader');
    let offer: unknown;
    do {
      const response = await ask(reader);
      assert.equal(response.status, 200);
      offer = await response.json();
      // What is retained comes topic by topic, the state last.
    } while (!JSON.stringify(offer).includes('ready'));
    assert.deepEqual(offer, {
      state: 'connected',
      devices: [{ id: 'kitchen-light', name: 'Kitchen', firmware: 'my-light', version: '1.0.0', state: 'ready' }],
    });
  });

  it('is told so of a broker that is not there', async () => {
    const response = await ask(await token('reader'), 'none');
    assert.deepEqual(await response.json(), { state: 'undeployed', devices: [] });
  });
});
