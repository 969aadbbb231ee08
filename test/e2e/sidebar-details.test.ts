import assert from 'node:assert/strict';
import mqtt from 'mqtt';
import type { Locator, Response } from 'playwright-core';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { buildEsp8266Image, running } from '../support/images';
import { LoggedIn } from '../support/logged-in';
import { startNodeRed, type NodeRed } from '../support/node-red';

const fresh = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 60_000, seed: 3 });

const sidebar = '.homie-sidebar';
const key = (name: string): string => `${sidebar} [data-key="${name}"]`;
const field = (path: string): string => `${sidebar} [data-path="${path}"] input`;
const fact = (name: string): string => `${sidebar} [data-fact="${name}"] dd`;

const strange = '<img src="http://127.0.0.1:9/x" onerror="alert(1)">';

/** It is typed into a field, and must appear nowhere else. */
const secret = 'pl4nted-passw0rd';
const token = 'pl4nted-token';

const settings = { percentage: 7, greeting: 'hello', apiToken: token, [strange]: true };

// Each line of Node-RED in one of the two themes.
for (const { title, tag, options, dark } of runtimes.filter((each) => each.dark === (each.tag !== '4'))) {
  describeIf(chromiumAvailable())(`the details of a device in the sidebar of ${title}`, () => {
    let broker: AedesBroker;
    let nodeRed: NodeRed;
    let editor: Editor;
    const devices = new Map<string, SimulatedDevice>();
    /** What Node-RED has answered. */
    const answers: Promise<string>[] = [];

    const add = async (id: string, name: string, more: Partial<DeviceOptions> = {}): Promise<void> => {
      const device = new SimulatedDevice({ url: broker.url, id, name, image: running, uptime: 3600, ...more });
      devices.set(id, device);
      await device.start();
    };

    before(async () => {
      broker = await startAedes();
      await add('kitchen-light', 'Kitchen', { statsInterval: 1, config: { settings }, anyNetwork: true });
      await add('hall-light', strange, { statsInterval: 1, config: { ota: { enabled: false } } });
      nodeRed = await startNodeRed({
        ...options,
        flows: [
          { id: 'flow', type: 'tab', label: 'Flow' },
          { id: 'homie', type: 'homie-broker', host: '127.0.0.1', port: String(broker.port), canary: '0' },
        ],
      });
      editor = await Editor.open(nodeRed.url, { dark });
      editor.page.on('response', (response: Response) => {
        if (response.url().includes('homie-ota/')) answers.push(response.text());
      });
      await editor.page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
    });

    after(async () => {
      await editor.close();
      await nodeRed.stop();
      await Promise.all([...devices.values()].map((device) => device.stop()));
      await broker.close();
    });

    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.capture(`${tag}-details-failed`);
      editor.quiet();
    });

    /** Asserts that all is readable, also for a screen reader, and keeps a picture. */
    const looksWell = async (name: string): Promise<void> => {
      await editor.settled();
      await editor.fits(sidebar);
      await editor.accessible(sidebar);
      await editor.clearScreenshot(`${tag}-details-${name}`);
    };
    const open = async (name: string, tab: 'Details' | 'Configuration' | 'History' = 'Details'): Promise<void> => {
      const { page } = editor;
      await page.locator(`${sidebar} .homie-row .homie-name`, { hasText: name }).click();
      await page.getByRole('heading', { name }).waitFor();
      await page.getByRole('tab', { name: tab }).click();
    };
    const back = (): Promise<void> => editor.page.locator(key('back')).click();
    const focused = (): Promise<string | null> =>
      editor.page.evaluate("document.activeElement.closest('[data-path]')?.dataset.path ?? null");
    const check = (): Promise<void> => editor.page.getByRole('button', { name: 'Check', exact: true }).click();
    const confirm = (): Promise<void> => editor.page.getByRole('button', { name: 'Change configuration' }).click();
    const entries = (): Locator => editor.page.locator(`${sidebar} .homie-history li`);
    /** Waits until the history has the proof that a change was taken. @param number of changes so far */
    const changed = async (number: number): Promise<void> => {
      const { page } = editor;
      await page.getByText('Configuration change of 1 device started.').waitFor();
      await page.locator(`${key('tab-facts')}[aria-selected=true]`).waitFor();
      await page.getByRole('tab', { name: 'History' }).click();
      await entries()
        .nth(number - 1)
        .waitFor();
      await page.locator('.homie-nowstatus', { hasText: 'configuration changed' }).waitFor();
    };
    const patches = (id: string): unknown[] => (devices.get(id)?.patches ?? []).map((patch) => JSON.parse(patch));
    const file = (id: string): Record<string, Record<string, unknown>> => JSON.parse(devices.get(id)?.file ?? '');

    it('show what the device has published', async () => {
      const { page } = editor;
      const device = devices.get('kitchen-light');
      await open('Kitchen');
      await page.locator(fact('uptime'), { hasText: /./ }).waitFor();
      const facts = {
        firmware: 'my-light',
        version: '1.0.0',
        ota: 'enabled',
        updates: 'included',
        id: 'kitchen-light',
        baseTopic: 'homie/',
        mac: String(device?.mac),
        interval: '6 sec',
      };
      for (const [name, text] of Object.entries(facts)) assert.equal(await page.locator(fact(name)).innerText(), text);
      assert.equal(await page.locator(`${fact('checksum')} code`).textContent(), device?.checksum);
      assert.match(await page.locator(fact('signal')).innerText(), /^\d+ % \((good|fair|weak)\)$/);
      await page.getByRole('button', { name: 'Copy the checksum' }).click();
      await page.getByText('Checksum copied.').waitFor();
      await looksWell('1-facts');
    });

    it('are three tabs that the arrow keys reach, and give the focus back', async () => {
      const { page } = editor;
      await page.getByRole('tab', { name: 'Details' }).focus();
      for (const name of ['Configuration', 'History', 'Details']) {
        await page.keyboard.press('ArrowRight');
        assert.equal(await page.getByRole('tab', { name }).getAttribute('aria-selected'), 'true');
        await page.getByRole('tabpanel', { name }).waitFor();
      }
      await page.keyboard.press('Escape');
      await page.locator(key('grid')).waitFor();
      assert.equal(await page.evaluate('document.activeElement.dataset.key'), 'grid');
    });

    it('change the configuration by a form, to the proof', async () => {
      const { page } = editor;
      await open('Kitchen', 'Configuration');
      assert.equal(await page.locator(field('name')).inputValue(), 'Kitchen');
      assert.equal(await page.locator(field('wifi.channel')).count(), 0);
      await page.getByRole('button', { name: /^Show all fields/ }).click();
      await page.locator(field('wifi.channel')).waitFor();
      await page.getByRole('button', { name: 'Show fewer fields' }).click();
      await looksWell('2-form');
      await page.locator(field('name')).fill('Küche');
      await page.locator(field('settings.percentage')).fill('8');
      await page.getByRole('button', { name: 'Remove: greeting' }).click();
      await check();
      await page.getByText('The change is sent in one message, after which the device restarts.').waitFor();
      assert.deepEqual(
        (await page.locator(`${sidebar} .homie-differences li`).allInnerTexts()).map((text) => text.split('\n')),
        [
          ['Device: Name', 'Kitchen → Küche'],
          ['Settings of the sketch: percentage', '7 → 8'],
          ['Settings of the sketch: greeting', 'hello → not set'],
        ],
      );
      await looksWell('3-plan');
      assert.deepEqual(patches('kitchen-light'), []);
      await confirm();
      await changed(1);
      assert.deepEqual(patches('kitchen-light'), [{ name: 'Küche', settings: { percentage: 8, greeting: null } }]);
      await page.getByRole('heading', { name: 'Küche' }).waitFor();
      await page.getByRole('tab', { name: 'Configuration' }).click();
      assert.equal(await page.locator(field('settings.percentage')).inputValue(), '8');
      assert.equal(await page.locator(field('settings.greeting')).count(), 0);
    });

    it('say at once, and after the check, at which field a value is refused', async () => {
      const { page } = editor;
      await page.locator(field('device_stats_interval')).fill('often');
      await page.getByText('It must be a whole number from 0 to 65535, without quotes.').waitFor();
      await check();
      await page.waitForFunction("document.activeElement.closest('[data-path]') !== null");
      assert.equal(await focused(), 'device_stats_interval');
      await page.locator(field('device_stats_interval')).fill('995');
      await check();
      await page.getByText(/It must be from 1 to 994/).waitFor();
      await page.waitForFunction("document.activeElement.closest('[data-path]') !== null");
      assert.equal(await focused(), 'device_stats_interval');
      assert.equal(await page.locator(field('device_stats_interval')).getAttribute('aria-invalid'), 'true');
      await looksWell('4-refused');
      await page.getByRole('button', { name: /^Undo the change: Statistics interval/ }).click();
      assert.equal(await page.locator(field('device_stats_interval')).inputValue(), '1');
      assert.equal(patches('kitchen-light').length, 1);
    });

    it('keep what was entered until it is sent or discarded', async () => {
      const { page } = editor;
      await page.locator(field('name')).fill('Kitchen');
      const published = answers.length;
      // Each statistic changes the row.
      while (answers.slice(published).length < 4) await page.waitForResponse(/homie-ota\/brokers\/homie\/devices\//);
      await page.getByRole('tab', { name: 'History' }).click();
      await page.getByRole('tab', { name: 'Configuration' }).click();
      assert.equal(await page.locator(field('name')).inputValue(), 'Kitchen');
      await back();
      await page.getByText('The changes to the configuration have not been sent.').waitFor();
      await looksWell('5-leave');
      await page.getByRole('button', { name: 'Keep editing' }).click();
      await page.waitForFunction("document.activeElement.dataset.key === 'back'");
      await page.keyboard.press('Escape');
      await page.getByRole('alertdialog').getByRole('button', { name: 'Discard changes' }).click();
      await open('Küche', 'Configuration');
      assert.equal(await page.locator(field('name')).inputValue(), 'Küche');
    });

    it('set a secret that appears nowhere, after the risks were read', async () => {
      const { page } = editor;
      const password = page.locator(field('wifi.password'));
      assert.deepEqual(
        [await password.getAttribute('type'), await password.getAttribute('placeholder'), await password.inputValue()],
        ['password', 'unchanged', ''],
      );
      await password.fill(secret);
      await page.getByRole('switch', { name: 'JSON view' }).click();
      assert.equal(await page.locator(key('patch')).inputValue(), '{\n  "wifi": {\n    "password": "•••"\n  }\n}');
      await check();
      await page.getByText('never connects again').waitFor();
      assert.equal(await page.getByRole('button', { name: 'Change configuration' }).isDisabled(), true);
      await looksWell('6-risks');
      await page.getByRole('checkbox', { name: 'I have read the risks' }).click();
      assert.ok(!(await page.locator('body').innerText()).includes(secret));
      await confirm();
      await changed(2);
      assert.deepEqual(patches('kitchen-light').at(-1), { wifi: { password: secret } });
      assert.equal(file('kitchen-light')['wifi']?.['password'], secret);
      const all = `${(await Promise.all(answers)).join()}${await page.content()}${editor.told.join()}${nodeRed.log()}`;
      assert.ok(!all.includes(secret) && !all.includes(token));
      await page.getByRole('tab', { name: 'Configuration' }).click();
    });

    it('change the configuration by JSON, and refuse what is no patch', async () => {
      const { page } = editor;
      const toggle = page.getByRole('switch', { name: 'JSON view' });
      const patch = page.locator(key('patch'));
      await toggle.click();
      await page.getByText('"apiToken": "•••"').waitFor();
      await patch.fill('{"settings":');
      await check();
      await page.getByText('The patch is not a JSON object').waitFor();
      await patch.fill('{"settings":{"apiToken":"•••"}}');
      await check();
      await page.getByText('The patch contains •••, the placeholder for secrets').waitFor();
      // That is what Chromium says of this answer.
      for (const complaint of editor.record.complaints.splice(0)) assert.match(complaint, /status of 400/);
      await patch.fill('{"settings":{"unknown":{"deep":1}}}');
      await toggle.click();
      await page.getByText('The form has no field for a value in this patch.').waitFor();
      await patch.fill('{"settings":{"percentage":9}}');
      await looksWell('7-json');
      await toggle.click();
      assert.equal(await page.locator(field('settings.percentage')).inputValue(), '9');
      await toggle.click();
      await check();
      await page.getByText('8 → 9').waitFor();
      await confirm();
      await changed(3);
      assert.deepEqual(patches('kitchen-light').at(-1), { settings: { percentage: 9 } });
    });

    it('list what was done, by whom and how it ended', async () => {
      for (const text of await entries().allInnerTexts()) {
        const line = text.replaceAll(/\s+/g, ' ');
        assert.match(line, /^Configuration .+ configuration changed (took .+ · )?by Homie sidebar$/);
      }
      await looksWell('8-history');
      await back();
    });

    it('enable OTA from the update that says that it is disabled', async () => {
      const { page } = editor;
      const body = new Uint8Array(fresh);
      const headers = { 'content-type': 'application/octet-stream' };
      await fetch(`${nodeRed.url}/homie-ota/brokers/homie/offers`, { method: 'POST', headers, body });
      await open(strange);
      assert.equal(await page.locator(`${sidebar} img`).count(), 0);
      await page.locator(fact('ota'), { hasText: 'disabled' }).waitFor();
      await page.getByRole('button', { name: 'Update', exact: true }).click();
      await page.locator(`${sidebar} .homie-plan-verdict`, { hasText: 'OTA' }).waitFor();
      await looksWell('9-disabled');
      await page.getByRole('button', { name: 'Enable OTA on 1 device' }).click();
      await page.getByRole('button', { name: 'Change now: 1 device' }).click();
      await page.getByText('Configuration change of 1 device started.').waitFor();
      await open(strange);
      await page.locator(fact('ota'), { hasText: 'enabled' }).waitFor();
      assert.deepEqual(patches('hall-light'), [{ ota: { enabled: true } }]);
      assert.equal(await page.locator(key('enable-ota')).count(), 0);
      await back();
    });

    it('say why there is no configuration, and what to do', async () => {
      const { page } = editor;
      const client = await mqtt.connectAsync(broker.url, { protocolVersion: 4 });
      for (const [topic, value] of Object.entries({ $homie: '3.0.1', $name: 'Attic', $state: 'ready' })) {
        await client.publishAsync(`homie/attic-light/${topic}`, value, { qos: 1, retain: true });
      }
      await client.endAsync();
      await open('Attic', 'Configuration');
      await page.getByText('The device has not published its configuration').waitFor();
      await page.getByText('Wait until the device has been online').waitFor();
      await looksWell('10-unpublished');
    });
  });
}

describeIf(chromiumAvailable())('the details of a device for a user who may only look', () => {
  let site: LoggedIn;
  let editor: Editor;

  before(async () => {
    const users = { reader: 'flows.read nodes.read plugins.read settings.read status.read homie-ota.read' };
    site = await LoggedIn.start({
      users,
      devices: [{ name: 'Kitchen', config: { ota: { enabled: false }, settings } }],
    });
    editor = await Editor.open(site.nodeRed.url, { token: site.token('reader') });
  });

  after(async () => {
    await editor?.close();
    await site?.stop();
  });

  it('show everything, and can be pressed nowhere', async () => {
    const { page } = editor;
    await page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
    await page.locator(`${sidebar} .homie-row .homie-name`, { hasText: 'Kitchen' }).click();
    await page.locator(fact('ota'), { hasText: 'disabled' }).waitFor();
    assert.equal(await page.locator(`${sidebar} :is(.homie-nowactions, [data-key="enable-ota"])`).count(), 0);
    await page.getByRole('tab', { name: 'Configuration' }).click();
    await page.locator(field('settings.percentage')).waitFor();
    assert.deepEqual(
      await page
        .locator(`${sidebar} .homie-group input`)
        .evaluateAll((inputs) => inputs.filter((each) => !each.matches(':disabled'))),
      [],
    );
    assert.equal(await page.locator(`${sidebar} .homie-foot`).count(), 0);
    await editor.fits(sidebar);
    await editor.accessible(sidebar);
    await editor.screenshot('4-details-reader');
    await page.getByRole('switch', { name: 'JSON view' }).click();
    await page.getByText('"apiToken": "•••"').waitFor();
    assert.equal(await page.locator(key('patch')).count(), 0);
    await page.getByRole('tab', { name: 'History' }).click();
    await page.getByText('No update or configuration change of this device has ended yet.').waitFor();
  });
});
