import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { queryNames } from '../../src/devices/query';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { buildEsp8266Image } from '../support/images';
import { root, startNodeRed, type NodeRed } from '../support/node-red';

/** Ids of the example. */
const id = (number: number): string => `c7d3a9e05b12${number.toString(16).padStart(4, '0')}`;
const ids = { tab: id(1), list: id(3), notThere: id(4), forget: id(5), devices: id(6), broker: '5a0f3c7e9b1d2468' };

for (const { title, tag, options } of runtimes.filter(({ dark }) => !dark)) {
  describeIf(chromiumAvailable())(`homie-devices in the editor of ${title}`, () => {
    let broker: AedesBroker;
    let nodeRed: NodeRed;
    let editor: Editor;
    const devices: SimulatedDevice[] = [];

    const device = async (name: string, version: string): Promise<SimulatedDevice> => {
      const image = buildEsp8266Image({ name: 'my-light', version, size: 60_000, seed: devices.length });
      const made = new SimulatedDevice({ url: broker.url, id: name, image, uptime: 3600 });
      devices.push(made);
      await made.start();
      return made;
    };

    before(async () => {
      broker = await startAedes();
      await device('hall-light', '1.0.0');
      await device('kitchen-light', '1.1.0');
      await (await device('old-lamp', '0.9.0')).stop();
      nodeRed = await startNodeRed(options);
      editor = await Editor.open(nodeRed.url);
    });

    after(async () => {
      await editor.close();
      await nodeRed.stop();
      for (const each of devices) await each.stop();
      await broker.close();
    });

    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.capture(`${tag}-devices-failed`);
      editor.quiet();
    });

    it('imports the example, complete and without a node that it does not know', async () => {
      await editor.import(await readFile(path.join(root, 'examples/List devices.json'), 'utf8'));
      await editor.page.evaluate(`RED.workspaces.show('${ids.tab}')`);
      assert.deepEqual(await editor.page.evaluate("RED.nodes.filterNodes({ type: 'unknown' }).length"), 0);
      assert.equal(await editor.property(ids.devices, 'valid'), true);
      await editor.page.evaluate("document.querySelector('#red-ui-palette-container-homie').scrollIntoView()");
      await editor.clearScreenshot(`${tag}-devices-1-example`);
    });

    it('keeps all that is set', async () => {
      const { page } = editor;
      await editor.edit(ids.devices);
      await editor.screenshot(`${tag}-devices-2-dialog`);
      const texts = { name: 'who is there', firmware: 'my-light' };
      for (const [name, value] of Object.entries(texts)) await page.locator(`#node-input-${name}`).fill(value);
      await editor.fillTyped('hall-*, old-lamp');
      const states = await editor.openMenu('.homie-devices-form .red-ui-typedInput-option-trigger:visible');
      for (const state of ['disconnected', 'lost']) await states.getByText(state, { exact: true }).click();
      await page.keyboard.press('Escape');
      await page.locator('#node-input-outdated').check();
      await page.locator('#node-input-events').uncheck();
      await editor.screenshot(`${tag}-devices-3-all`);
      await editor.fits('.homie-devices-form');
      await editor.ok();
      await editor.deploy();
      await editor.reload();
      const set = {
        ...texts,
        device: 'hall-*, old-lamp',
        state: 'disconnected,lost',
        outdated: true,
        events: false,
        broker: ids.broker,
      };
      for (const [name, value] of Object.entries(set)) {
        assert.equal(await editor.property(ids.devices, name), value, name);
      }
    });

    it('marks what makes no sense, and says why', async () => {
      const { page } = editor;
      await editor.edit(ids.devices);
      await editor.fillTyped('a/b');
      await editor.ok();
      assert.equal(await editor.property(ids.devices, 'valid'), false);
      assert.match(
        JSON.stringify(await editor.property(ids.devices, 'validationErrors')),
        /a device ID must not contain/,
      );
      await page.evaluate("RED.actions.invoke('core:undo')");
      assert.equal(await editor.property(ids.devices, 'valid'), true);
    });

    it('shows the devices at the press of a button, what happens to them, and forgets one', async () => {
      const { page } = editor;
      await editor.edit(ids.devices);
      for (const name of ['name', 'firmware']) await page.locator(`#node-input-${name}`).fill('');
      await editor.fillTyped('');
      await page.evaluate("$('#node-input-state').typedInput('value', '')");
      await page.locator('#node-input-outdated').uncheck();
      await page.locator('#node-input-events').check();
      await editor.editConfig('broker');
      await page.locator('#node-config-input-host').fill('127.0.0.1');
      await page.locator('#node-config-input-port').fill(String(broker.port));
      await editor.ok();
      await editor.ok();
      await page.evaluate("RED.actions.invoke('core:show-debug-tab')");
      await editor.deploy();
      await editor.status(ids.devices, '2/3');
      await editor.debugged('events', '3 devices');

      await editor.inject(ids.list);
      await editor.debugged('devices', 'kitchen-light: ready, my-light 1.1.0');
      await editor.inject(ids.notThere);
      const all = page.locator('.red-ui-debug-msg', { hasText: 'old-lamp: ' });
      await all.filter({ hasText: 'hall-light' }).waitFor();
      await all.filter({ hasNotText: 'hall-light' }).waitFor();
      await editor.clearScreenshot(`${tag}-devices-4-list`);

      await editor.inject(ids.forget);
      await editor.status(ids.devices, '2/2');
      await editor.debugged('events', 'old-lamp: ');
      // The answer, after the list and those that are not there.
      await page.waitForFunction(
        "$('.red-ui-debug-msg-name').filter((_, name) => name.textContent.includes('devices')).length === 3",
      );
      await editor.inject(ids.forget);
      await editor.status(ids.devices, 'device unknown');
      await editor.debugged('error', 'old-lamp');
      await editor.screenshot(`${tag}-devices-5-forgotten`);
    });

    it('has help for every property', async () => {
      const { page } = editor;
      await page.evaluate("RED.actions.invoke('core:show-help-tab'); RED.sidebar.help.show('homie-devices')");
      const help = page.locator('.red-ui-help', { hasText: 'devices that no longer exist' }).last();
      await help.waitFor();
      const text = await help.innerText();
      for (const property of [...queryNames, 'action', 'payload', 'lastSeen', 'update', 'inventory']) {
        assert.match(text, new RegExp(`\\b${property}\\b`));
      }
      await editor.screenshot(`${tag}-devices-6-help`);
    });

    it('leaves no warning in the log of Node-RED but that of what was refused', () => {
      const strange = nodeRed
        .log()
        .split('\n')
        .filter((line) => /\[(warn|error)\]/.test(line))
        .filter((line) => !/Projects disabled|Encrypted credentials not found|old-lamp: |not connected/.test(line));
      assert.deepEqual(strange, []);
    });
  });
}
