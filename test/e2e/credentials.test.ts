/** What SECURITY.md says of the user name and the password of the broker. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { stopFlow, TestFlow } from '../nodes/flow';
import { next, payload, running } from '../nodes/scene';
import { SimulatedDevice } from '../simulator/device';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable, startMosquitto, type Mosquitto } from '../support/mosquitto';
import { startNodeRed } from '../support/node-red';

const username = 'anna-of-the-broker';
const password = 'correct horse battery staple';

describeIf(mosquittoAvailable())('the credentials of the broker', () => {
  let mosquitto: Mosquitto;
  const device = 'security-light';

  before(async () => {
    mosquitto = await startMosquitto({ password: { username, password } });
  });
  after(async () => {
    await stopFlow();
    await mosquitto?.stop();
  });

  const hides = (text: string): void => {
    assert.ok(text.length > 0);
    for (const secret of [username, password]) assert.ok(!text.includes(secret), text.slice(0, 500));
  };

  it('are in no file of Node-RED in the clear, nor in its log', async () => {
    const nodeRed = await startNodeRed({ flows: [] });
    try {
      const at = { host: '127.0.0.1', port: String(mosquitto.port), baseTopic: 'homie/' };
      const broker = { id: 'broker', type: 'homie-broker', ...at, credentials: { user: username, password } };
      const ota = { id: 'ota', type: 'homie-ota', z: 'flow', x: 1, y: 1, broker: 'broker', device, deviceType: 'str' };
      const deployed = await fetch(`${nodeRed.url}/flows`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify([{ id: 'flow', type: 'tab', label: 'a' }, broker, { ...ota, wires: [[], [], []] }]),
      });
      assert.equal(deployed.status, 204);
      await nodeRed.logged(/connected \(MQTT 5\)/);
      hides(nodeRed.log());
      hides(await (await fetch(`${nodeRed.url}/flows`)).text());
      const files = await readdir(nodeRed.userDir, { recursive: true, withFileTypes: true });
      const own = files.filter((file) => file.isFile() && !file.parentPath.includes('node_modules'));
      for (const file of own) hides(await readFile(path.join(file.parentPath, file.name), 'latin1'));
      assert.ok(own.some(({ name }) => name === 'flows.json') && own.some(({ name }) => name === 'flows_cred.json'));
    } finally {
      await nodeRed.stop();
    }
  });

  it('are in no message and no status, when all is well and when they are wrong', async () => {
    const at = { host: '127.0.0.1', port: String(mosquitto.port) };
    const light = new SimulatedDevice({ url: mosquitto.url, id: device, image: running, username, password });
    await light.start();
    try {
      const flow = await TestFlow.start(
        at,
        { device, canary: '0' },
        { credentials: { broker: { user: username, password } } },
      );
      flow.send({ payload: next });
      assert.equal(payload(await flow.result.first(), 'state'), 'succeeded');
      await flow.done();
      const inboxes = [flow.result, flow.progress, flow.summary, flow.completed];
      hides(JSON.stringify([inboxes.map(({ messages }) => messages), flow.statuses]) + flow.log());
      await stopFlow();
    } finally {
      await light.stop();
    }

    const refused = await TestFlow.start(
      at,
      { device, expires: '0' },
      { credentials: { broker: { user: username, password: `${password}!` } } },
    );
    await refused.showedError('BROKER_REFUSED');
    refused.send({ payload: next });
    await refused.summary.first();
    const caught = { ...(await refused.caught.first()), req: undefined };
    hides(
      JSON.stringify([refused.result.messages, refused.summary.messages, caught, refused.statuses]) + refused.log(),
    );
  });
});
