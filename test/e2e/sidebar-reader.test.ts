import assert from 'node:assert/strict';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { buildEsp8266Image } from '../support/images';
import { startNodeRed, type NodeRed } from '../support/node-red';

/** That of Node-RED. */
const { hashSync }: { hashSync: (text: string, rounds: number) => string } = require(
  require.resolve('bcryptjs', { paths: [require.resolve('node-red')] }),
);

const image = buildEsp8266Image({ name: 'my-light', version: '1.0.0', size: 60_000 });
const password = 'for-tests-only';

for (const { title, tag, options, dark } of runtimes.filter((runtime) => runtime.tag === '4')) {
  describe(`the sidebar of those who may not do everything in ${title}`, () => {
    let broker: AedesBroker;
    let device: SimulatedDevice;
    let nodeRed: NodeRed;

    before(async function () {
      if (!chromiumAvailable()) this.skip();
      broker = await startAedes();
      device = new SimulatedDevice({ url: broker.url, id: 'kitchen-light', image, name: 'Kitchen' });
      await device.start();
      const user = (username: string, permissions: string | string[]): object => ({
        username,
        password: hashSync(password, 4),
        permissions,
      });
      nodeRed = await startNodeRed({
        ...options,
        flows: [
          { id: 'flow', type: 'tab', label: 'Flow' },
          { id: 'broker', type: 'homie-broker', host: '127.0.0.1', port: String(broker.port), baseTopic: 'homie/' },
          {
            id: 'ota',
            type: 'homie-ota',
            z: 'flow',
            x: 160,
            y: 100,
            broker: 'broker',
            deviceType: 'all',
            device: '',
            wires: [[], [], []],
          },
        ],
        settings: {
          adminAuth: {
            type: 'credentials',
            users: [
              user('reader', 'read'),
              user('writer', '*'),
              user('stranger', ['flows.read', 'nodes.read', 'plugins.read', 'settings.read', 'status.read']),
            ],
          },
        },
      });
      await nodeRed.logged(/connected \(MQTT/);
    });

    after(async () => {
      await nodeRed.stop();
      await device.stop();
      await broker.close();
    });

    /** The editor, for whom somebody has logged in. */
    const openAs = async (username: string): Promise<Editor> => {
      const form = { client_id: 'node-red-editor', grant_type: 'password', scope: '', username, password };
      const response = await fetch(`${nodeRed.url}/auth/token`, { method: 'POST', body: new URLSearchParams(form) });
      const token = String(Reflect.get(Object(await response.json()), 'access_token'));
      return Editor.open(nodeRed.url, { dark, token });
    };

    it('has the table and nothing else for those who may read only', async () => {
      const editor = await openAs('reader');
      const { page } = editor;
      try {
        await page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
        await page.locator('.homie-sidebar .homie-row', { hasText: 'Kitchen' }).waitFor();
        assert.equal(await page.locator('.homie-sidebar :is(.homie-panel, .homie-drop, input[type=file])').count(), 0);
        assert.equal(await page.getByText('Choose file').count(), 0);
        // It lives, too.
        await device.stop();
        await page.locator('.homie-sidebar .homie-row', { hasText: 'lost' }).waitFor();
        await editor.settled();
        await editor.fits('.homie-sidebar');
        await editor.accessible('.homie-sidebar');
        await editor.screenshot(`${tag}-sidebar-reader`);
      } finally {
        await editor.close();
      }
    });

    it('can be used by those who may write', async () => {
      const editor = await openAs('writer');
      try {
        await editor.page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
        await editor.page.getByRole('button', { name: 'Choose file …' }).waitFor();
      } finally {
        await editor.close();
      }
    });

    it('is not there for those who may not read', async () => {
      const editor = await openAs('stranger');
      try {
        assert.equal(await editor.page.locator('.homie-sidebar').count(), 0);
      } finally {
        await editor.close();
      }
    });
  });
}
