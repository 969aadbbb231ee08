import assert from 'node:assert/strict';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { buildEsp8266Image } from '../support/images';
import { startNodeRed, type NodeRed } from '../support/node-red';

const image = buildEsp8266Image({ name: 'my-light', version: '1.0.0', size: 60_000 });
const field = '.red-ui-typedInput-container input.red-ui-typedInput-input';
const list = '.red-ui-autoComplete-container';

for (const { title, tag, options } of runtimes.filter(({ dark }) => !dark)) {
  describeIf(chromiumAvailable())(`the device field in ${title}`, () => {
    let broker: AedesBroker;
    let devices: SimulatedDevice[];
    let nodeRed: NodeRed;
    let editor: Editor;

    before(async () => {
      broker = await startAedes();
      const names = {
        'garden-light': '<img src="http://127.0.0.1:9/x">',
        'kitchen-light': 'Kitchen',
        'hall-light': 'Hall',
      };
      devices = Object.entries(names).map(([id, name]) => new SimulatedDevice({ url: broker.url, id, image, name }));
      await Promise.all(devices.map((device) => device.start()));
      const node = (id: string, type: string, more: object): object => ({
        id,
        type,
        z: 'flow',
        x: 200,
        y: 80,
        ...more,
      });
      nodeRed = await startNodeRed({
        ...options,
        flows: [
          { id: 'flow', type: 'tab', label: 'devices' },
          { id: 'broker', type: 'homie-broker', host: '127.0.0.1', port: String(broker.port), baseTopic: 'homie/' },
          { id: 'away', type: 'homie-broker', host: '127.0.0.1', port: '1', baseTopic: 'homie/' },
          node('ota', 'homie-ota', { broker: 'broker', device: '', deviceType: 'str', wires: [[], [], []] }),
          node('config', 'homie-config', { broker: 'away', device: '', deviceType: 'str', wires: [[], [], []] }),
        ],
      });
      editor = await Editor.open(nodeRed.url, { dark: true, language: 'de' });
      await editor.status('ota', 'verbunden');
    });

    after(async () => {
      await editor.close();
      await nodeRed.stop();
      await Promise.all(devices.map((device) => device.stop()));
      await broker.close();
    });

    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.capture(`${tag}-device-field-failed`);
      editor.quiet();
    });

    it('offers the devices in German in the dark, too', async () => {
      const { page } = editor;
      await editor.edit('ota');
      await page.locator(field).first().press('ArrowDown');
      await page.locator(`${list} .homie-offer`, { hasText: 'kitchen-light' }).waitFor();
      await editor.settled();
      await editor.accessible(list);
      await editor.fits(list);
      await page.locator(field).first().fill('cellar-');
      await page.locator(field).first().press('*');
      await page.locator(list).getByText('Keine passenden Geräte gefunden.').waitFor();
      await editor.accessible(list);
      await editor.screenshot(`${tag}-device-field-dark`);
      await page.locator(field).first().press('Escape');
      await editor.cancel();
      await editor.appear({});
    });

    it('offers the devices that the broker sees, and several can be picked with the keyboard alone', async () => {
      const { page } = editor;
      await editor.edit('ota');
      await page.locator(field).first().press('ArrowDown');
      const offers = page.locator(`${list} .homie-offer`);
      await offers.nth(2).waitFor();
      const texts = await offers.allTextContents();
      assert.deepEqual(
        texts.map((text) => text.replace(/my-light.*/, '')),
        ['garden-light<img src="http://127.0.0.1:9/x">', 'hall-lightHall', 'kitchen-lightKitchen'],
      );
      for (const text of texts) assert.match(text, /my-light 1\.0\.0ready$/);
      await editor.settled();
      await editor.fits(list);
      await editor.accessible(list);
      await editor.screenshot(`${tag}-device-field`);

      await page.locator(field).first().pressSequentially('kitch');
      await offers.filter({ hasText: 'kitchen-light' }).waitFor();
      await offers.filter({ hasText: 'garden-light' }).waitFor({ state: 'detached' });
      await page.locator(field).first().press('Enter');
      await page.locator(field).first().pressSequentially(', ');
      await offers.filter({ hasText: 'garden-light' }).waitFor();
      assert.equal(await offers.filter({ hasText: 'kitchen-light' }).count(), 0, 'it is picked already');
      await page.locator(field).first().pressSequentially('gard');
      await offers.filter({ hasText: 'hall-light' }).waitFor({ state: 'detached' });
      await page.locator(field).first().press('Enter');
      await editor.ok();
      assert.equal(await editor.property('ota', 'device'), 'kitchen-light, garden-light');
      assert.equal(await editor.property('ota', 'valid'), true);
    });

    it('says that no device fits, and keeps a pattern as it is', async () => {
      const { page } = editor;
      await editor.edit('ota');
      await page.locator(field).first().fill('cellar-');
      await page.locator(field).first().press('*');
      await page.locator(list).getByText('No matching devices found.').waitFor();
      await page.locator(field).first().press('Escape');
      await editor.ok();
      assert.equal(await editor.property('ota', 'device'), 'cellar-*');
    });

    it('says why the broker is not connected', async () => {
      const { page } = editor;
      await editor.edit('config');
      await page.locator(field).first().press('ArrowDown');
      await page.locator(list).getByText('Not connected: mqtt://127.0.0.1:1 cannot be reached').waitFor();
      await editor.screenshot(`${tag}-device-field-away`);
      await page.locator(field).first().press('Escape');
      await editor.cancel();
    });

    it('says which ids the broker has never seen, and which may be meant', async () => {
      const { page } = editor;
      await editor.edit('ota');
      const note = page.locator('.homie-unseen');
      await editor.fillTyped('kitchen-ligth');
      await page.locator(field).first().press('Tab');
      await note.getByText('Never seen by this broker: kitchen-ligth. Did you mean kitchen-light?').waitFor();
      await editor.fits('.homie-ota-form');
      await editor.accessible('.homie-ota-form');
      await editor.screenshot(`${tag}-device-field-unseen`);
      await editor.fillTyped('garden-*, attic, cellar');
      await page.locator(field).first().press('Tab');
      await note.getByText('Never seen by this broker: attic, cellar.', { exact: true }).waitFor();
      await editor.fillTyped('kitchen-light, hall-*');
      await page.locator(field).first().press('Tab');
      await page.waitForFunction("$('.homie-unseen').text() === ''");
      await editor.cancel();
    });

    it('offers what the connection test of a new broker found, before it is deployed', async () => {
      const { page } = editor;
      await editor.edit('config');
      await page.locator('#node-input-broker').selectOption('_ADD_');
      await page.locator('#node-input-btn-broker-edit, #node-input-btn-broker-add').last().click();
      await page.locator('#node-config-dialog-ok').waitFor();
      await editor.settled();
      await page.locator('#node-config-input-host').fill('127.0.0.1');
      await page.locator('#node-config-input-port').fill(String(broker.port));
      await page.locator('#homie-broker-test').press('Enter');
      await page.locator('#homie-broker-answer').getByText('Found 3 devices').waitFor();
      await editor.ok();
      await editor.fillTyped('');
      await page.locator(field).first().press('ArrowDown');
      const offers = page.locator(`${list} .homie-offer`);
      await offers.filter({ hasText: 'kitchen-lightKitchenmy-light 1.0.0ready' }).waitFor();
      await page
        .locator(list)
        .getByText('Found by the connection test. The broker has not been deployed yet.')
        .waitFor();
      assert.deepEqual((await offers.allTextContents()).length, 4);
      await editor.screenshot(`${tag}-device-field-tested`);
      await page.locator(field).first().press('Escape');
      await editor.fillTyped('hall-lihgt');
      await page.locator(field).first().press('Tab');
      const note = page.locator('.homie-unseen');
      await note.getByText('Never seen by this broker: hall-lihgt. Did you mean hall-light?').waitFor();
      await editor.cancel();
    });

    it('says that a broker is not deployed yet', async () => {
      const { page } = editor;
      await page.evaluate(
        "RED.nodes.add({ id: 'new', type: 'homie-broker', _def: RED.nodes.getType('homie-broker'), users: [], host: 'x', port: '1883', baseTopic: 'homie/' })",
      );
      await page.evaluate("RED.nodes.node('config').broker = 'new'");
      await editor.edit('config');
      await page.locator(field).first().press('ArrowDown');
      await page.locator(list).getByText('The broker has not been deployed yet').waitFor();
    });
  });
}
