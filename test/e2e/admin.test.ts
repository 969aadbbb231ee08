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
      permissions,
    });
    nodeRed = await startNodeRed({
      flows: [
        { id: 'flow', type: 'tab', label: 'devices' },
        { id: 'broker', type: 'homie-broker', host: '127.0.0.1', port: String(broker.port), baseTopic: 'homie/' },
      ],
      settings: {
        adminAuth: { type: 'credentials', users: [user('reader', 'homie-ota.read'), user('other', 'flows.read')] },
      },
    });
    await nodeRed.logged(/connected \(MQTT/);
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
