import assert from 'node:assert/strict';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes, type Appearance } from '../support/editor';
import { editorFiles } from '../support/editor-files';
import { buildEsp8266Image } from '../support/images';
import { startNodeRed, type NodeRed } from '../support/node-red';

const image = buildEsp8266Image({ name: 'my-light', version: '1.0.0', size: 60_000 });

const dialogs = ['homie-ota', 'homie-config', 'homie-devices', 'homie-broker'] as const;

type Dialog = (typeof dialogs)[number];

/** Ids of the nodes whose dialogs are filled in, and of those that are looked at. */
const filled = { 'homie-ota': 'ota', 'homie-config': 'config', 'homie-devices': 'devices', 'homie-broker': 'away' };
const seen = { ...filled, 'homie-broker': 'broker' };

/** Where things are does not depend on the colors, nor these on the language. */
const looks: readonly (Appearance & { readonly look: string })[] = [
  { dark: true, language: 'de', look: 'de-dark' },
  { dark: false, language: 'en-US', look: 'en-light' },
];

/** What a new node does not have, in the fields for free text and in those that are empty then. */
const texts: Readonly<Record<string, string>> = {
  name: 'another',
  device: 'kitchen-*, hall-light',
  deviceType: 'str',
  state: 'ready,lost',
  firmware: 'my-light',
  attempts: '3',
  exclude: 'garden-*, cellar',
  window: '22:30-05:00, 13:00-14:00',
  expires: '7200',
  secretNames: 'token, pin',
  secretBytes: '40',
  host: 'broker.invalid',
  baseTopic: 'house/${SITE}/',
  clientid: 'me',
  user: 'anna',
  password: 'a password',
};

/** Environment variables that a subflow gives to a node. */
const variables = {
  device: '${DEVICE}',
  deviceType: 'str',
  window: '${WINDOW}',
  attempts: '${ATTEMPTS}',
  exclude: 'porch-light, ${EXCLUDE}',
  canary: '${CANARY}',
  soak: '${SOAK}',
  keep: '${KEEP}',
};

function prefix(type: Dialog): string {
  return type === 'homie-broker' ? '#node-config-input-' : '#node-input-';
}

/** Puts another value than that of a new node into each field of the open dialog, but those that are left out. */
async function fill(editor: Editor, type: Dialog, leftOut: readonly string[]): Promise<Record<string, unknown>> {
  const { page } = editor;
  const { defaults } = editorFiles(type);
  const set: Record<string, unknown> = {};
  let number = 60;
  for (const [name, { value }] of Object.entries(defaults)) {
    if (name === 'settingsVersion' || leftOut.includes(name)) continue;
    const field = page.locator(prefix(type) + name);
    const kind = await field.evaluate((element) => `${element.tagName}:${String(element.getAttribute('type'))}`);
    if (kind === 'INPUT:checkbox') {
      set[name] = value !== true;
      await field.setChecked(value !== true);
    } else if (kind === 'SELECT:null') {
      const values = await field.locator('option').evaluateAll((all) => all.map((each) => each.getAttribute('value')));
      const other = values.find((each) => each !== null && !['_ADD_', '', value].includes(each));
      assert.ok(other, `${name} has nothing else to choose`);
      set[name] = other;
      await field.selectOption(other);
    } else {
      const text = texts[name] ?? (/^\d+$/.test(String(value)) ? String((number += 1)) : undefined);
      assert.ok(text !== undefined, `what may stand in ${name}?`);
      set[name] = text;
      const typed = ['device', 'state'].includes(name);
      if (typed && 'deviceType' in defaults)
        await page.evaluate(`$('${prefix(type)}device').typedInput('type', 'str')`);
      if (typed) await page.evaluate(`$('${prefix(type)}${name}').typedInput('value', ${JSON.stringify(text)})`);
      else if (name !== 'deviceType') await field.fill(text);
    }
    assert.notEqual(set[name], value, name);
  }
  return set;
}

/** What the fields of the open dialog show. */
async function shown(editor: Editor, type: Dialog, names: readonly string[]): Promise<Record<string, unknown>> {
  const one = (name: string): string => {
    const field = `$(${JSON.stringify(prefix(type) + name)})`;
    return `[${JSON.stringify(name)}, ${field}.is(':checkbox') ? ${field}.is(':checked') : ${field}.val()]`;
  };
  return editor.page.evaluate(`Object.fromEntries([${names.map(one).join(', ')}])`);
}

for (const { title, tag, options } of runtimes.filter(({ dark }) => !dark)) {
  describeIf(chromiumAvailable())(`the dialogs in ${title}`, () => {
    let broker: AedesBroker;
    let devices: SimulatedDevice[];
    let nodeRed: NodeRed;
    let editor: Editor;

    before(async () => {
      broker = await startAedes();
      devices = ['kitchen-light', 'hall-light'].map((id) => new SimulatedDevice({ url: broker.url, id, image }));
      await Promise.all(devices.map((device) => device.start()));
      const jobs = { z: 'flow', broker: 'broker', device: 'device', deviceType: 'msg', wires: [[], [], []] };
      const mqtt = { clientid: '', autoConnect: false, protocolVersion: '4', keepalive: '60', cleansession: true };
      const own = { type: 'homie-broker', host: '127.0.0.1', baseTopic: 'homie/' };
      nodeRed = await startNodeRed({
        ...options,
        env: { SITE: 'site' },
        flows: [
          { id: 'flow', type: 'tab', label: 'dialogs' },
          { id: 'broker', ...own, port: String(broker.port) },
          { id: 'away', ...own, port: '1' },
          { id: 'core', ...own, port: '1' },
          { id: 'mqtt', type: 'mqtt-broker', name: 'of other nodes', broker: '127.0.0.1', port: '1', ...mqtt },
          { id: 'tls', type: 'tls-config', name: 'own CA' },
          { id: 'ota', type: 'homie-ota', x: 200, y: 80, ...jobs },
          { id: 'config', type: 'homie-config', x: 200, y: 160, ...jobs },
          { id: 'template', type: 'subflow', name: 'of variables', in: [], out: [], env: [] },
          { id: 'variable', type: 'homie-ota', x: 200, y: 80, ...jobs, z: 'template', ...variables },
          { id: 'devices', type: 'homie-devices', x: 200, y: 240, z: 'flow', broker: 'broker', wires: [[], []] },
        ],
      });
      editor = await Editor.open(nodeRed.url, looks[0]);
    });

    after(async () => {
      await editor.close();
      await nodeRed.stop();
      await Promise.all(devices.map((device) => device.stop()));
      await broker.close();
    });

    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.screenshot(`${tag}-dialogs-failed`);
      editor.quiet();
    });

    const open = async (type: Dialog, id: string): Promise<void> => {
      if (type !== 'homie-broker') return editor.edit(id);
      await editor.page.evaluate(`RED.editor.editConfig('', 'homie-broker', ${JSON.stringify(id)})`);
      await configOpened();
    };

    /** A dialog with credentials is open before they are there; then its fields are filled in. */
    const configOpened = async (): Promise<void> => {
      await editor.page.locator('#node-config-dialog-ok').waitFor();
      await editor.page.locator('.homie-broker-form .homie-hint[id]').first().waitFor({ state: 'attached' });
      await editor.settled();
    };

    /** Presses Tab until something has the focus. */
    const tabTo = async (selector: string, key = 'Tab'): Promise<void> => {
      for (let presses = 0; presses < 80; presses += 1) {
        if ((await editor.page.evaluate(`document.activeElement.matches(${JSON.stringify(selector)})`)) === true)
          return;
        await editor.page.keyboard.press(key);
      }
      assert.fail(`${selector} cannot be reached with ${key}`);
    };

    for (const { look, ...appearance } of looks) {
      it(`have nothing that overlaps, is cut off, hard to read or without a label: ${look}`, async () => {
        const { page } = editor;
        await page.setViewportSize({ width: 1500, height: 2700 });
        await editor.appear(appearance);
        for (const type of dialogs) {
          const form = `.${type}-form`;
          await open(type, seen[type]);
          await editor.unfold(form);
          if (type === 'homie-broker') {
            await page.locator('#homie-broker-test').press('Enter');
            await page.locator('#homie-broker-answer[data-mood=good]').waitFor();
            await page.locator('#node-config-input-usetls').check();
          }
          assert.equal(await page.locator(`${form} details:not([open])`).count(), 0);
          await editor.fits(form);
          await editor.accessible(form);
          await editor.picture(form, `${tag}-${look}-${type}`);
          if (type === 'homie-broker') {
            await page.locator('#node-config-input-connection').selectOption('mqtt-broker');
            await page.locator('#homie-broker-test').press('Enter');
            await page.locator('#homie-broker-answer[data-mood=bad]').waitFor();
            await editor.fits(form);
            await editor.accessible(form);
            await editor.picture(form, `${tag}-${look}-${type}-core`);
          }
          await editor.cancel();
        }
      });
    }

    it('keep each property, set to something else, over deploy and reload', async () => {
      await editor.page.setViewportSize({ width: 1500, height: 950 });
      await editor.appear({});
      const expected: [string, Dialog, Record<string, unknown>][] = [];
      for (const type of dialogs) {
        await open(type, filled[type]);
        await editor.unfold(`.${type}-form`);
        if (type === 'homie-broker') {
          const own = await fill(editor, type, ['connection', 'mqttBroker']);
          for (const name of ['user', 'password'])
            await editor.page.locator(prefix(type) + name).fill(texts[name] ?? '');
          await editor.ok();
          await open(type, 'core');
          await editor.page.locator('#node-config-input-connection').selectOption('mqtt-broker');
          const core = await fill(
            editor,
            type,
            Object.keys(own).filter((name) => name !== 'name'),
          );
          expected.push([filled[type], type, own], ['core', type, core]);
        } else {
          expected.push([filled[type], type, await fill(editor, type, [])]);
        }
        await editor.ok();
      }
      await editor.deploy();
      await editor.reload();

      for (const [id, type, set] of expected) {
        const names = Object.keys(set);
        assert.equal(
          await editor.property(id, 'valid'),
          true,
          JSON.stringify(await editor.property(id, 'validationErrors')),
        );
        for (const name of names) assert.equal(await editor.property(id, name), set[name], `${id} ${name}`);
        await open(type, id);
        assert.deepEqual(await shown(editor, type, names), set);
        await editor.cancel();
      }
      await open('homie-broker', filled['homie-broker']);
      const secrets = await shown(editor, 'homie-broker', ['user', 'password']);
      assert.deepEqual(secrets, { user: texts['user'], password: '__PWRD__' });
      await editor.cancel();
      const flows = await (await fetch(`${nodeRed.url}/flows`)).text();
      assert.ok(!flows.includes('anna') && !flows.includes('a password'));
    });

    it('mark no field that holds an environment variable, and keep it', async () => {
      await editor.edit('variable');
      await editor.unfold('.homie-ota-form');
      assert.equal(await editor.page.locator('.homie-ota-form .input-error').count(), 0);
      await editor.ok();
      assert.equal(await editor.property('variable', 'valid'), true);
      for (const [name, value] of Object.entries(variables)) {
        assert.equal(await editor.property('variable', name), value, name);
      }
    });

    it('can be used without a mouse', async () => {
      const { keyboard } = editor.page;
      await editor.edit('ota');
      await tabTo('#node-input-name');
      await keyboard.press('ControlOrMeta+A');
      await keyboard.type('without a mouse');
      await editor.page.locator('#node-input-broker').selectOption('broker');
      await tabTo('#node-input-btn-broker-edit');
      await keyboard.press('Enter');
      await configOpened();
      await tabTo('#homie-broker-test');
      await keyboard.press('Enter');
      await editor.page.locator('#homie-broker-answer').getByText('Connected.').waitFor();
      await tabTo('#homie-broker-more summary');
      await keyboard.press('Enter');
      await tabTo('#node-config-input-keepalive');
      await keyboard.press('ControlOrMeta+A');
      await keyboard.type('45');
      await tabTo('#node-config-dialog-ok', 'Shift+Tab');
      await keyboard.press('Enter');
      await editor.page.locator('#node-config-dialog-ok').waitFor({ state: 'detached' });
      await editor.settled();

      await tabTo('.homie-ota-form .red-ui-typedInput-input');
      await keyboard.press('ControlOrMeta+A');
      await keyboard.type('kitch');
      await editor.page.locator('.homie-offer', { hasText: 'kitchen-light' }).waitFor();
      await keyboard.press('ArrowDown');
      await keyboard.press('Enter');
      await tabTo('#homie-ota-several summary');
      if (!(await editor.unfolded('.homie-ota-form')).includes('homie-ota-several')) await keyboard.press('Space');
      await tabTo('#node-input-concurrency');
      await keyboard.press('ControlOrMeta+A');
      await keyboard.type('9');
      await editor.screenshot(`${tag}-keyboard`);
      await tabTo('#node-dialog-ok', 'Shift+Tab');
      await keyboard.press('Enter');
      await editor.page.locator('#node-dialog-ok').waitFor({ state: 'detached' });
      await editor.settled();
      const set = { name: 'without a mouse', broker: 'broker', device: 'kitchen-light', concurrency: '9' };
      for (const [name, value] of Object.entries(set)) assert.equal(await editor.property('ota', name), value, name);
      assert.equal(await editor.property('broker', 'keepalive'), '45');
    });
  });
}
