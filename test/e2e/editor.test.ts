import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { otaSettingNames } from '../../src/ota/settings';
import { rolloutSettingNames } from '../../src/rollout/settings';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { next, running } from '../support/images';
import { root, startNodeRed, type NodeRed } from '../support/node-red';

/** Ids of the example. */
const ids = {
  tab: 'b0a1f6d2c3e40001',
  update: 'b0a1f6d2c3e40003',
  check: 'b0a1f6d2c3e40004',
  file: 'b0a1f6d2c3e40006',
  ota: 'b0a1f6d2c3e40007',
  broker: '5a0f3c7e9b1d2468',
};

for (const { title, tag, options } of runtimes.filter(({ dark }) => !dark)) {
  describeIf(chromiumAvailable())(`the editor of ${title}`, () => {
    let folder: string;
    let broker: AedesBroker;
    let device: SimulatedDevice;
    let nodeRed: NodeRed;
    let editor: Editor;

    before(async () => {
      folder = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-e2e-'));
      await writeFile(path.join(folder, 'firmware.bin'), next);
      broker = await startAedes();
      device = new SimulatedDevice({
        url: broker.url,
        baseTopic: 'house/',
        id: 'kitchen-light',
        image: running,
        uptime: 3600,
      });
      await device.start();
      // With the code editor that Node-RED has by default.
      const editorTheme = { tours: false, palette: { catalogues: [] } };
      nodeRed = await startNodeRed({ ...options, env: { SITE: 'site' }, settings: { editorTheme } });
      editor = await Editor.open(nodeRed.url);
    });

    after(async () => {
      await editor.close();
      await nodeRed.stop();
      await device.stop();
      await broker.close();
      await rm(folder, { recursive: true, force: true });
    });

    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.capture(`${tag}-failed`);
      editor.quiet();
    });

    it('imports the example, complete and without a node that it does not know', async () => {
      await editor.import(await readFile(path.join(root, 'examples/1 - Update one device.json'), 'utf8'));
      await editor.page.evaluate(`RED.workspaces.show('${ids.tab}')`);
      assert.deepEqual(await editor.page.evaluate("RED.nodes.filterNodes({ type: 'unknown' }).length"), 0);
      assert.equal(await editor.property(ids.ota, 'valid'), true);
      await editor.clearScreenshot(`${tag}-1-example`);
    });

    it('shows what everybody sets, has the rest folded, and says for how long it waits', async () => {
      const { page } = editor;
      await editor.edit(ids.ota);
      assert.deepEqual(await editor.unfolded('.homie-ota-form'), []);
      await editor.screenshot(`${tag}-2-homie-ota`);
      await editor.unfold('.homie-ota-form');
      assert.equal(await page.locator('#node-input-expires').getAttribute('placeholder'), '3600');
      await page.locator('#node-input-window').fill('22:30-05:00, 13:00-14:00');
      assert.equal(await page.locator('#node-input-expires').getAttribute('placeholder'), '259200');
      await page.locator('#node-input-canary').fill('2');
      await editor.ok();
      await editor.edit(ids.ota);
      assert.deepEqual(await editor.unfolded('.homie-ota-form'), ['homie-ota-several', 'homie-ota-when']);
      await editor.cancel();
      await page.evaluate("RED.actions.invoke('core:undo')");
    });

    it('shows what is usual where a flow that was made elsewhere leaves it out', async () => {
      const { page } = editor;
      const bare = { type: 'homie-ota', broker: ids.broker, device: 'hall', deviceType: 'str', wires: [[], [], []] };
      await editor.import(JSON.stringify([{ id: 'f00d0000000000b1', z: ids.tab, x: 300, y: 600, ...bare }]));
      await page.mouse.click(700, 700);
      const id = String(await page.evaluate("RED.nodes.filterNodes({}).find(({ device }) => device === 'hall').id"));
      await editor.edit(id);
      assert.equal(await page.locator('#node-input-persist').isChecked(), true);
      assert.equal(await page.locator('#node-input-canary').inputValue(), '1');
      assert.deepEqual(await editor.unfolded('.homie-ota-form'), []);
      await editor.ok();
      assert.equal(await editor.property(id, 'persist'), true);
      await page.evaluate(`RED.nodes.remove(${JSON.stringify(id)})`);
    });

    it('proposes the usual port with TLS and without', async () => {
      const { page } = editor;
      await editor.edit(ids.ota);
      await editor.editConfig('broker');
      const port = page.locator('#node-config-input-port');
      await page.locator('#node-config-input-usetls').check();
      assert.equal(await port.inputValue(), '8883');
      await port.fill('8884');
      await page.locator('#node-config-input-usetls').uncheck();
      assert.equal(await port.inputValue(), '8884');
      await page.locator('#node-config-input-host').fill('wss://broker.lan/mqtt');
      assert.equal(await port.isDisabled(), true);
      assert.equal(await page.locator('#node-config-input-usetls').isChecked(), true);
      await editor.cancel();
      await editor.cancel();
    });

    it('does not switch TLS off for a URL without it, but refuses the URL', async () => {
      const { page } = editor;
      await editor.edit(ids.ota);
      await editor.editConfig('broker');
      const [host, usetls] = ['host', 'usetls'].map((name) => page.locator(`#node-config-input-${name}`));
      assert.ok(host !== undefined && usetls !== undefined);
      await usetls.check();
      await host.fill('mqtt://broker.lan');
      await host.blur();
      await page.locator('#node-config-input-host.input-error').waitFor();
      assert.equal(await usetls.isChecked(), true);
      await usetls.uncheck();
      await page.locator('#node-config-input-host:not(.input-error)').waitFor();
      await editor.cancel();
      await editor.cancel();
    });

    it('warns of a password that goes to another machine without TLS', async () => {
      const { page } = editor;
      await editor.edit(ids.ota);
      await editor.editConfig('broker');
      const host = page.locator('#node-config-input-host');
      const warning = page.locator('.homie-broker-plain', { hasText: 'in plain text' });
      await page.locator('#node-config-input-password').fill('a password');
      for (const [typed, isTold] of [
        ['broker.lan', true],
        ['ws://broker.lan:9001/mqtt', true],
        ['localhost', false],
        ['mqtt://127.0.0.1:1883', false],
        ['${MQTT_HOST}', false],
      ] as const) {
        await host.fill(typed);
        assert.equal(await warning.isVisible(), isTold, typed);
      }
      await host.fill('broker.lan');
      await warning.waitFor();
      await editor.fits('.homie-broker-form');
      await page.locator('#node-config-input-usetls').check();
      assert.equal(await warning.isVisible(), false);
      await editor.cancel();
      await editor.cancel();
    });

    it('takes the settings of an mqtt-broker node instead', async () => {
      const { page } = editor;
      await editor.edit(ids.ota);
      await editor.editConfig('broker');
      await page.locator('#node-config-input-connection').selectOption('mqtt-broker');
      assert.equal(await page.locator('#node-config-input-host').isVisible(), false);
      await page.locator('#node-config-input-mqttBroker.input-error').waitFor();
      await editor.screenshot(`${tag}-6-homie-broker-core`);
      await editor.fits('.homie-broker-form');
      await editor.cancel();
      await editor.cancel();
    });

    it('marks what makes no sense, and says why', async () => {
      const { page } = editor;
      await editor.edit(ids.ota);
      await editor.unfold('.homie-ota-form');
      await editor.fillTyped('a/b');
      await page.locator('#node-input-stall').fill('soon');
      const mistakes = {
        concurrency: '0',
        canary: 'one',
        soak: '-1',
        maxFailures: '1.5',
        exclude: 'a/b',
        window: '25:00-26:00',
        expires: 'tomorrow',
        keep: 'a week',
        attempts: '0',
      };
      for (const [name, value] of Object.entries(mistakes)) await page.locator(`#node-input-${name}`).fill(value);
      await page.locator('#node-input-attempts').blur();
      for (const name of ['stall', ...Object.keys(mistakes)]) {
        await page.locator(`#node-input-${name}.input-error`).waitFor();
      }
      await editor.screenshot(`${tag}-7-mistakes`);
      await editor.picture('#homie-ota-several', `${tag}-7-mistakes-several`);
      await editor.ok();
      assert.equal(await editor.property(ids.ota, 'valid'), false);
      const errors = JSON.stringify(await editor.property(ids.ota, 'validationErrors'));
      for (const sentence of [
        /a device ID must not contain/,
        /a number of seconds/,
        /whole number from 1 to 10\./,
        /Devices at once: enter a whole number from 1/,
        /Canary devices: enter a whole number from 0/,
        /Exclude: /,
        /Time window: enter start and end/,
        /a number of days/,
      ])
        assert.match(errors, sentence);
      await page.evaluate("RED.actions.invoke('core:undo')");
      assert.equal(await editor.property(ids.ota, 'valid'), true);
    });

    it('offers all devices that run this firmware as an explicit choice', async () => {
      const { page } = editor;
      await editor.edit(ids.ota);
      const types = await editor.openMenu('.red-ui-typedInput-type-select');
      await types.locator('a').last().click();
      await page.waitForFunction("document.querySelector('#node-input-deviceType').value === 'all'");
      await editor.screenshot(`${tag}-8-all-devices`);
      await editor.fits('.homie-ota-form');
      await editor.ok();
      assert.equal(await editor.property(ids.ota, 'deviceType'), 'all');
      assert.equal(await editor.property(ids.ota, 'valid'), true);
      await page.evaluate("RED.actions.invoke('core:undo')");
      assert.equal(await editor.property(ids.ota, 'deviceType'), 'str');
    });

    it('updates a device at the press of a button, and shows it in the debug sidebar', async () => {
      const { page } = editor;
      await editor.edit(ids.ota);
      await editor.fillTyped('kitchen-light');
      await editor.editConfig('broker');
      for (const [name, value] of Object.entries({
        host: '127.0.0.1',
        port: String(broker.port),
        baseTopic: 'house',
      })) {
        await page.locator(`#node-config-input-${name}`).fill(value);
      }
      await editor.ok();
      await editor.ok();
      await editor.edit(ids.file);
      await editor.fillTyped(path.join(folder, 'firmware.bin'));
      await editor.ok();
      await editor.deploy();
      await editor.status(ids.ota, 'connected');

      await page.evaluate("RED.actions.invoke('core:show-debug-tab')");
      await editor.inject(ids.check);
      await editor.debugged('summary', 'The device would be updated.');
      await editor.inject(ids.update);
      await editor.status(ids.ota, 'updated');
      await editor.debugged('summary', 'kitchen-light: updated from my-light 1.0.0 to 1.1.0');
      assert.equal(device.received.length, 1);
      await editor.clearScreenshot(`${tag}-9-updated`);

      await editor.inject(ids.update);
      await editor.status(ids.ota, 'up to date');
      assert.equal(device.received.length, 1);
    });

    it('has help for every property', async () => {
      const { page } = editor;
      await page.evaluate("RED.actions.invoke('core:show-help-tab'); RED.sidebar.help.show('homie-ota')");
      const help = page.locator('.red-ui-help', { hasText: 'verifies that the new firmware is running' }).last();
      await help.waitFor();
      const text = await help.innerText();
      const more = ['device', 'matchFirmware', 'options', 'action', 'checksum', 'job', 'payload'];
      for (const property of [...otaSettingNames, ...rolloutSettingNames, ...more])
        assert.match(text, new RegExp(`\\b${property}\\b`));
      await editor.screenshot(`${tag}-10-help`);
    });

    it('leaves no warning in the log of Node-RED', () => {
      const strange = nodeRed
        .log()
        .split('\n')
        .filter((line) => /\[(warn|error)\]/.test(line))
        .filter(
          (line) =>
            !/Projects disabled|Encrypted credentials not found|not connected: .*(broker\.lan|localhost)/.test(line),
        );
      assert.deepEqual(strange, []);
    });
  });
}
