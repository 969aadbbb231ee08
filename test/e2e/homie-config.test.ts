import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { configSettingNames } from '../../src/config/settings';
import { rolloutSettingNames } from '../../src/rollout/settings';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { running } from '../support/images';
import { root, startNodeRed, type NodeRed } from '../support/node-red';

/** Ids of the example. */
const id = (number: number): string => `d2e8f4b17c39${number.toString(16).padStart(4, '0')}`;
const ids = {
  tab: id(1),
  get: id(3),
  check: id(4),
  set: id(5),
  risky: id(6),
  config: id(8),
  broker: '5a0f3c7e9b1d2468',
};

/** It is in the environment of Node-RED only: what the flow sends to a device must appear nowhere else. */
const planted = 'pl4nted-passw0rd';
const secrets = { settings: 'f00d0000000000a1', wifi: 'f00d0000000000a2', text: 'f00d0000000000a3' };

/** A debug node for messages with all their properties. */
const whole = 'f00d0000000000a4';

/** The example, with injections of the secret, and with a debug node that shows whole messages. */
async function flowWithSecrets(): Promise<string> {
  const example: Record<string, unknown>[] = JSON.parse(
    await readFile(path.join(root, 'examples/Change a configuration.json'), 'utf8'),
  );
  const inject = (node: string, name: string, y: number, patch: string): object => ({
    ...example.find((other) => other['id'] === ids.set),
    id: node,
    name,
    y,
    props: [{ p: 'payload', v: patch, vt: 'jsonata' }],
  });
  return JSON.stringify([
    ...example.map((node) => {
      const { wires } = node;
      const isAsked = (node['type'] === 'homie-config' || node['type'] === 'catch') && Array.isArray(wires);
      return isAsked ? { ...node, wires: wires.map((targets: string[]) => [...targets, whole]) } : node;
    }),
    {
      ...example.find(({ type }) => type === 'debug'),
      id: whole,
      name: 'whole',
      complete: 'true',
      console: true,
      y: 500,
    },
    inject(secrets.settings, 'secret setting', 440, '{"settings":{"apiToken":$env("PLANTED")}}'),
    inject(secrets.wifi, 'secret of wifi', 500, '{"wifi":{"password":$env("PLANTED")}}'),
    inject(secrets.text, 'damaged text', 560, `'{"wifi":{"password":"' & $env("PLANTED")`),
  ]);
}

for (const { title, tag, options } of runtimes.filter(({ dark }) => !dark)) {
  describeIf(chromiumAvailable())(`homie-config in the editor of ${title}`, () => {
    let broker: AedesBroker;
    let device: SimulatedDevice;
    let nodeRed: NodeRed;
    let editor: Editor;

    before(async () => {
      broker = await startAedes();
      device = new SimulatedDevice({
        url: broker.url,
        id: 'kitchen-light',
        image: running,
        config: { settings: { apiToken: 'old' } },
        uptime: 3600,
      });
      await device.start();
      nodeRed = await startNodeRed({ ...options, env: { PLANTED: planted } });
      editor = await Editor.open(nodeRed.url);
    });

    after(async () => {
      await editor.close();
      await nodeRed.stop();
      await device.stop();
      await broker.close();
    });

    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.capture(`${tag}-config-failed`);
      editor.quiet();
    });

    it('imports the example, complete and without a node that it does not know', async () => {
      await editor.import(await flowWithSecrets());
      await editor.page.evaluate(`RED.workspaces.show('${ids.tab}')`);
      assert.deepEqual(await editor.page.evaluate("RED.nodes.filterNodes({ type: 'unknown' }).length"), 0);
      assert.equal(await editor.property(ids.config, 'valid'), true);
      await editor.clearScreenshot(`${tag}-config-1-example`);
    });

    it('keeps all that is set', async () => {
      const { page } = editor;
      await editor.edit(ids.config);
      assert.deepEqual(await editor.unfolded('.homie-config-form'), []);
      await editor.screenshot(`${tag}-config-2-dialog`);
      await editor.unfold('.homie-config-form');
      const on = { allowRisky: true, split: true, force: true, clearOld: true, continuous: true };
      for (const name of Object.keys(on)) await page.locator(`#node-input-${name}`).check();
      await page.locator('#node-input-persist').uncheck();
      const switches = { ...on, persist: false };
      const choices = { segment: '1460', order: 'id' };
      for (const [name, value] of Object.entries(choices))
        await page.locator(`#node-input-${name}`).selectOption(value);
      const texts = {
        window: '22:30-05:00',
        exclude: 'garden-*',
        concurrency: '4',
        canary: '2',
        soak: '90',
        spacing: '1.5',
        maxFailures: '3',
        keep: '14',
        name: 'configure',
        secretNames: 'token, pin',
        secretBytes: '40',
        expires: '60',
        sending: '61',
        received: '62',
        reboot: '63',
        ready: '64.5',
      };
      for (const [name, value] of Object.entries(texts)) await page.locator(`#node-input-${name}`).fill(value);
      await editor.fillTyped('kitchen-*, hall-light');
      await editor.screenshot(`${tag}-config-3-all`);
      for (const part of ['several', 'when', 'secrets'])
        await editor.picture(`#homie-config-${part}`, `${tag}-config-3-${part}`);
      await editor.fits('.homie-config-form');
      await editor.ok();
      await editor.deploy();
      await editor.reload();

      const settings = { ...switches, ...texts, ...choices };
      for (const name of [...configSettingNames, ...rolloutSettingNames]) assert.ok(name in settings, name);
      const set = { ...settings, device: 'kitchen-*, hall-light', deviceType: 'str' };
      for (const [name, value] of Object.entries({ ...set, broker: ids.broker })) {
        assert.equal(await editor.property(ids.config, name), value, name);
      }
      await editor.edit(ids.config);
      for (const [name, value] of Object.entries({ ...texts, ...choices })) {
        assert.equal(await page.locator(`#node-input-${name}`).inputValue(), value, name);
      }
      for (const [name, value] of Object.entries(switches)) {
        assert.equal(await page.locator(`#node-input-${name}`).isChecked(), value, name);
      }
      const parts = ['sending', 'several', 'when', 'secrets', 'deadlines'].map((part) => `homie-config-${part}`);
      assert.deepEqual(await editor.unfolded('.homie-config-form'), parts);
      await editor.cancel();
    });

    it('marks what makes no sense, and says why', async () => {
      const { page } = editor;
      await editor.edit(ids.config);
      await editor.unfold('.homie-config-form');
      await editor.fillTyped('');
      await page.locator('#node-input-received').fill('soon');
      await page.locator('#node-input-exclude').fill('a/b');
      await page.locator('#node-input-window').fill('at night');
      await page.locator('#node-input-secretBytes').fill('-1');
      await page.locator('#node-input-secretBytes').blur();
      for (const name of ['received', 'exclude', 'window', 'secretBytes'])
        await page.locator(`#node-input-${name}.input-error`).waitFor();
      await editor.screenshot(`${tag}-config-4-mistakes`);
      await editor.ok();
      assert.equal(await editor.property(ids.config, 'valid'), false);
      const errors = JSON.stringify(await editor.property(ids.config, 'validationErrors'));
      for (const sentence of [
        /enter a device ID/,
        /a number of seconds/,
        /Exclude: /,
        /Time window: enter start and end/,
        /Size of the credentials: enter a whole number/,
      ])
        assert.match(errors, sentence);
      await page.evaluate("RED.actions.invoke('core:undo')");
      assert.equal(await editor.property(ids.config, 'valid'), true);
    });

    it('reads, checks and changes the configuration of a device at the press of a button', async () => {
      const { page } = editor;
      await editor.edit(ids.config);
      await editor.unfold('.homie-config-form');
      for (const name of ['allowRisky', 'split', 'force', 'clearOld', 'continuous'])
        await page.locator(`#node-input-${name}`).uncheck();
      await page.locator('#node-input-window').fill('');
      await editor.fillTyped('kitchen-light');
      await editor.editConfig('broker');
      await page.locator('#node-config-input-host').fill('127.0.0.1');
      await page.locator('#node-config-input-port').fill(String(broker.port));
      await editor.ok();
      await editor.ok();
      await editor.deploy();
      await editor.status(ids.config, 'connected');

      await page.evaluate("RED.actions.invoke('core:show-debug-tab')");
      await editor.inject(ids.get);
      await editor.debugged('result', 'kitchen-light: configuration read.');
      await editor.inject(ids.check);
      await editor.debugged('summary', 'The patch would be set in one message and one reboot.');
      assert.deepEqual(device.patches, []);
      await editor.inject(ids.set);
      await editor.status(ids.config, 'changed');
      await editor.debugged('summary', 'kitchen-light: configuration changed.');
      assert.equal(JSON.parse(device.file).device_stats_interval, 120);
      await editor.clearScreenshot(`${tag}-config-5-changed`);

      await editor.inject(ids.set);
      await editor.status(ids.config, 'nothing to change');
      await editor.inject(ids.risky);
      await editor.status(ids.config, 'risk not allowed');
      await editor.debugged('error', 'The patch changes settings that are needed to reach or update the device');
      assert.equal(device.patches.length, 1);
      await editor.screenshot(`${tag}-config-6-refused`);
    });

    it('shows a secret nowhere: not in the editor, the log, or the flow file', async () => {
      await editor.inject(secrets.settings);
      await editor.status(ids.config, 'changed');
      assert.equal(JSON.parse(device.file).settings.apiToken, planted);
      await editor.inject(secrets.wifi);
      await editor.status(ids.config, 'risk not allowed');
      await editor.inject(secrets.text);
      await editor.status(ids.config, 'invalid JSON');
      await editor.debugged('error', 'The patch is not valid JSON');
      await editor.screenshot(`${tag}-config-7-secrets`);

      const told = editor.told.join('\n');
      for (const shown of [/settings\.apiToken/, /wifi\.password/, /PATCH_JSON/, /•••/]) assert.match(told, shown);
      assert.match(nodeRed.log(), /settings\.apiToken/);
      const flowFile = await readFile(path.join(nodeRed.userDir, 'flows.json'), 'utf8');
      assert.match(flowFile, /"type":\s*"homie-config"/);
      const page = await editor.page.content();
      for (const [where, text] of Object.entries({ told, page, log: nodeRed.log(), flowFile })) {
        assert.ok(!text.includes(planted), where);
      }
    });

    it('has help for every property', async () => {
      const { page } = editor;
      await page.evaluate("RED.actions.invoke('core:show-help-tab'); RED.sidebar.help.show('homie-config')");
      const help = page.locator('.red-ui-help', { hasText: 'verifies that each device applied the change' }).last();
      await help.waitFor();
      const text = await help.innerText();
      for (const property of [...configSettingNames, ...rolloutSettingNames, 'device', 'action', 'job', 'payload']) {
        assert.match(text, new RegExp(`\\b${property}\\b`));
      }
      await editor.screenshot(`${tag}-config-8-help`);
    });

    it('leaves no warning in the log of Node-RED but those of what was refused', () => {
      const strange = nodeRed
        .log()
        .split('\n')
        .filter((line) => /\[(warn|error)\]/.test(line))
        .filter(
          (line) =>
            !/Projects disabled|Encrypted credentials not found|kitchen-light: refused|kitchen-light: The patch|not connected/.test(
              line,
            ),
        );
      assert.deepEqual(strange, []);
    });
  });
}
