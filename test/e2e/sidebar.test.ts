import assert from 'node:assert/strict';
import mqtt from 'mqtt';
import german from '../../src/texts/de.json';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { buildEsp8266Image, running as old } from '../support/images';
import { startNodeRed, type NodeRed } from '../support/node-red';

const plug = buildEsp8266Image({ name: 'my-plug', version: '2.0.0', size: 60_000, seed: 2 });
const fresh = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 400_000, seed: 3 });
const olderPlug = buildEsp8266Image({ name: 'my-plug', version: '1.0.0', size: 60_000, seed: 5 });
const later = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 60_000, seed: 4 });

const sidebar = '.homie-sidebar';
const row = `${sidebar} .homie-row`;
const key = (name: string): string => `${sidebar} [data-key="${name}"]`;
/** Offers what is posted to it. */
const offering = [
  { id: 'in', type: 'http in', z: 'flow', url: '/offer', method: 'post', upload: false, wires: [['offer']] },
  {
    id: 'offer',
    type: 'change',
    z: 'flow',
    rules: [{ t: 'set', p: 'action', pt: 'msg', to: 'offer', tot: 'str' }],
    wires: [['ota']],
  },
  { id: 'ota', type: 'homie-ota', z: 'flow', broker: 'homie', device: '', deviceType: 'all', wires: [[], [], ['out']] },
  { id: 'out', type: 'http response', z: 'flow', statusCode: '', headers: {}, wires: [] },
].map((node, index) => ({ ...node, x: 200 + 200 * index, y: 100 }));

const strange = '<img src="http://127.0.0.1:9/x" onerror="alert(1)">';

// Each line of Node-RED in one of the two themes.
for (const { title, tag, options, dark } of runtimes.filter((each) => each.dark === (each.tag !== '4'))) {
  describeIf(chromiumAvailable())(`the sidebar in ${title}`, () => {
    let broker: AedesBroker;
    let nodeRed: NodeRed;
    let editor: Editor;
    const devices = new Map<string, SimulatedDevice>();

    const add = async (id: string, name: string, image: Buffer, more: Partial<DeviceOptions> = {}): Promise<void> => {
      const device = new SimulatedDevice({ url: broker.url, id, name, image, uptime: 3600, ...more });
      devices.set(id, device);
      await device.start();
    };

    before(async () => {
      broker = await startAedes();
      await add('kitchen-light', 'Kitchen', old, { flashDelay: 15 });
      await add('hall-light', strange, old, { flashDelay: 15 });
      await add('attic-light', 'Attic', old, { misbehavior: { comesBackWith: old } });
      await add('coffee-plug', 'Coffee', plug);
      const place = (id: string, label: string): object => ({
        id,
        type: 'homie-broker',
        name: label,
        host: '127.0.0.1',
        port: String(broker.port),
        baseTopic: `${id}/`,
        canary: '0',
      });
      nodeRed = await startNodeRed({
        ...options,
        flows: [
          { id: 'flow', type: 'tab', label: 'Flow' },
          place('homie', 'at home'),
          place('crowd', 'a crowd'),
          ...offering,
        ],
      });
      editor = await Editor.open(nodeRed.url, { dark });
    });

    after(async () => {
      await editor.close();
      await nodeRed.stop();
      await Promise.all([...devices.values()].map((device) => device.stop()));
      await broker.close();
    });

    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.capture(`${tag}-sidebar-failed`);
      editor.quiet();
    });

    /** The names of the devices in the table, from top to bottom. */
    const names = (): Promise<string[]> =>
      editor.page.locator(`${row} .homie-name > span:nth-of-type(2)`).allTextContents();
    /** Waits until these devices are in the table, in this order. */
    const shows = async (...expected: string[]): Promise<void> => {
      const told = `[...document.querySelectorAll('${row} .homie-name > span:nth-of-type(2)')].map((each) => each.textContent).join('\\n')`;
      await editor.page.waitForFunction(`${told} === ${JSON.stringify(expected.join('\n'))}`);
    };
    /** Asserts that all is readable, also for a screen reader, and keeps a picture. */
    const looksWell = async (name: string): Promise<void> => {
      await editor.settled();
      await editor.fits(sidebar);
      await editor.accessible(sidebar);
      await editor.clearScreenshot(`${tag}-sidebar-${name}`);
    };
    const width = async (pixels: number | undefined): Promise<void> => {
      const style =
        pixels === undefined
          ? ''
          : `position: fixed; z-index: 9; right: 0; top: 60px; height: 800px; width: ${pixels}px`;
      await editor.page.evaluate(`document.querySelector('${sidebar}').style = ${JSON.stringify(style)}`);
    };
    const offer = async (image: Buffer): Promise<void> => {
      const headers = { 'content-type': 'application/octet-stream' };
      const answer = await fetch(`${nodeRed.url}/offer`, { method: 'POST', headers, body: new Uint8Array(image) });
      assert.match(await answer.text(), /"offered":true/);
    };
    it('shows the devices of a broker, whatever they call themselves', async () => {
      const { page } = editor;
      await page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
      await page.locator(`${sidebar} .homie-broker select`).selectOption('homie');
      if (tag !== '4') {
        await page.locator(row).first().waitFor();
        await looksWell('0-small');
        // The place below is for the debug messages: their button closes it.
        await page.locator('[data-tab-id=debug]').click();
      }
      await shows(strange, 'Attic', 'Coffee', 'Kitchen');
      // The rows get their second line some time after the place has grown.
      await page.locator(row, { hasText: 'Kitchen' }).getByText('1.0.0').waitFor();
      const kitchen = await page.locator(row, { hasText: 'Kitchen' }).innerText();
      assert.deepEqual(kitchen.split(/\s+/), ['Kitchen', 'kitchen-light', 'ready', 'my-light', '1.0.0']);
      assert.equal(await page.locator(`${sidebar} img`).count(), 0);
      assert.equal(await page.locator(`${sidebar} .homie-counted`).textContent(), '4 devices');
      await looksWell('1-devices');
    });

    it('searches, filters and sorts them', async () => {
      const { page } = editor;
      const search = page.getByRole('searchbox', { name: 'Search devices' });
      await search.fill('LIGHT kit');
      await shows('Kitchen');
      assert.equal(await page.locator(`${sidebar} .homie-counted`).textContent(), '1 of 4 devices');
      await search.fill('');
      const choose = async (menu: string, item: string): Promise<void> => {
        await page.getByRole('button', { name: menu }).click();
        await page.getByRole('menuitemradio', { name: item }).click();
      };
      await choose('Filter devices', 'Firmware: my-plug');
      await shows('Coffee');
      await choose('Filter devices', 'State: ready');
      await shows(strange, 'Attic', 'Coffee', 'Kitchen');
      await choose('Filter devices', 'Update available');
      await shows();
      await choose('Filter devices: Update available', 'All devices');
      await choose('Sort by', 'Firmware');
      await shows('Attic', strange, 'Kitchen', 'Coffee');
      await choose('Sort by', 'Firmware');
      await shows('Coffee', 'Attic', strange, 'Kitchen');
      await choose('Sort by', 'Name');
    });

    it('ticks devices one by one, as a range, all, and all with an update', async () => {
      const { page } = editor;
      await offer(fresh);
      await page.locator(row, { hasText: 'Attic' }).getByText('1.1.0 available').waitFor();
      const ticked = async (...expected: string[]): Promise<void> => {
        const rows = page.locator(`${row}[aria-selected=true]`);
        const ids = await rows.evaluateAll((all) => all.map((each) => each.getAttribute('data-device')));
        assert.deepEqual(ids, expected);
      };
      await page.getByRole('checkbox', { name: 'Select Attic' }).click();
      await ticked('attic-light');
      await page.getByRole('checkbox', { name: 'Select Kitchen' }).click({ modifiers: ['Shift'] });
      await ticked('attic-light', 'coffee-plug', 'kitchen-light');
      await page.getByText('3 selected').waitFor();
      await page.getByRole('checkbox', { name: 'Select all shown devices' }).click();
      await ticked();
      await page.getByRole('button', { name: 'Select 3 with an update' }).click();
      await ticked('hall-light', 'attic-light', 'kitchen-light');
      await page.getByRole('button', { name: 'Update (3)' }).waitFor();
      await looksWell('2-selected');
      await page.getByRole('checkbox', { name: 'Select all shown devices' }).click();
    });

    it('excludes a device from updates until it is included again', async () => {
      const { page } = editor;
      const hall = page.locator(row, { hasText: 'hall-light' });
      const choose = async (action: string): Promise<void> => {
        await hall.getByRole('button', { name: 'More actions for' }).click();
        await page.getByRole('menuitem', { name: action }).click();
      };
      await choose('Exclude from updates');
      await page.getByText('1 device will be excluded from updates.').waitFor();
      await page.getByRole('button', { name: 'Exclude now: 1 device' }).click();
      await hall.getByText('excluded from updates').waitFor();
      // The row is shown again before the focus returns to its menu.
      await page.locator(`${sidebar} [data-key="more-hall-light"]:focus`).waitFor();
      await page.getByRole('button', { name: 'Select 2 with an update' }).waitFor();
      await page.reload();
      await page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
      await hall.getByText('excluded from updates').waitFor();
      await page.getByRole('checkbox', { name: 'Select all shown devices' }).click();
      await page.getByRole('button', { name: 'Update (2)' }).click();
      const plan = page.locator(`${sidebar} .homie-planned`);
      await plan.nth(3).waitFor();
      assert.deepEqual(
        (await plan.allInnerTexts()).map((text) => text.split('\n').slice(0, 2)),
        [
          ['Attic (attic-light)', '1.0.0 → 1.1.0'],
          ['Kitchen (kitchen-light)', '1.0.0 → 1.1.0'],
          [`${strange} (hall-light)`, '1.0.0'],
          ['Coffee (coffee-plug)', '2.0.0'],
        ],
      );
      await page.getByText('2 devices will be updated. 2 devices will be skipped.').waitFor();
      await looksWell('3-plan');
      await page.getByRole('button', { name: 'Back' }).click();
      await page.getByRole('checkbox', { name: 'Select all shown devices' }).click();
      await choose('Include in updates');
      await page.getByRole('button', { name: 'Include now: 1 device' }).click();
      await hall.getByText('1.1.0 available').waitFor();
      for (const device of devices.values()) assert.equal(device.received.length, 0);
    });

    it('updates the ticked devices, and shows each on its way to the verified end', async () => {
      const { page } = editor;
      for (const name of ['Kitchen', strange]) await page.getByRole('checkbox', { name: `Select ${name}` }).click();
      await page.getByRole('button', { name: 'Update (2)' }).click();
      await page.getByText('2 devices will be updated.').waitFor();
      await page.evaluate(`window.percents = new Set(); new MutationObserver(() => {
        for (const bar of document.querySelectorAll('${row} [role=progressbar]')) percents.add(bar.ariaValueNow);
      }).observe(document.querySelector('${sidebar}'), { subtree: true, childList: true, attributes: true })`);
      await page.getByRole('button', { name: 'Update now: 2 devices' }).click();
      await page.getByText('Update of 2 devices started.').waitFor();
      await page.locator(`${row} [role=progressbar]`).first().waitFor();
      await page.waitForFunction('window.percents.size > 2');
      // While the bars move.
      await editor.screenshot(`${tag}-sidebar-4-progress`);
      await editor.fits(sidebar);
      for (const id of ['kitchen-light', 'hall-light']) {
        const device = page.locator(row, { hasText: id });
        await device.getByText('verified').waitFor();
        assert.match(await device.innerText(), /1\.1\.0/);
        assert.equal(devices.get(id)?.received.length, 1);
      }
      assert.equal(devices.get('attic-light')?.received.length, 0);
      await looksWell('5-verified');
      await page.getByRole('checkbox', { name: 'Select all shown devices' }).click();
    });

    it('rolls a device back to the firmware before', async () => {
      const { page } = editor;
      const kitchen = page.locator(row, { hasText: 'Kitchen' });
      await offer(later);
      await kitchen.getByText('1.2.0 available').waitFor();
      await kitchen.getByRole('button', { name: 'Update: Kitchen' }).click();
      await page.getByRole('button', { name: 'Update now: 1 device' }).click();
      await kitchen.getByText('verified').waitFor();
      await kitchen.getByRole('button', { name: 'More actions for' }).click();
      await page.getByRole('menuitem', { name: 'Roll back' }).click();
      await page.locator(`${sidebar} .homie-plan-change`, { hasText: '1.2.0 → 1.1.0' }).waitFor();
      await page.getByRole('button', { name: 'Roll back now: 1 device' }).click();
      await kitchen.getByText('1.2.0 held back').waitFor();
      assert.equal(devices.get('kitchen-light')?.received.length, 3);
      await looksWell('6-rolled-back');
    });

    it('sends an image that is held back only after a plan that says so', async () => {
      const { page } = editor;
      const kitchen = page.locator(row, { hasText: 'Kitchen' });
      assert.equal(await kitchen.getByRole('button', { name: 'Update: Kitchen' }).count(), 0);
      await kitchen.getByRole('button', { name: 'More actions for' }).click();
      await editor.accessible(sidebar);
      await page.getByRole('menuitem', { name: 'Update', exact: true }).click();
      await page.getByText('The device was rolled back from this image. If you confirm, it is sent anyway.').waitFor();
      await looksWell('6-held-back');
      await page.getByRole('button', { name: 'Update now: 1 device' }).click();
      await kitchen.getByText('verified').waitFor();
      assert.equal(devices.get('kitchen-light')?.received.length, 4);
    });

    it('can be used with the keyboard alone, and says why an update has failed', async () => {
      const { page } = editor;
      const { keyboard } = page;
      const focused = (): Promise<string> =>
        page.evaluate(
          "(document.activeElement.dataset.key ?? document.activeElement.ariaLabel ?? document.activeElement.innerText ?? '').trim()",
        );
      const tabTo = async (wanted: string): Promise<void> => {
        const passed: string[] = [];
        do {
          await keyboard.press('Tab');
          passed.push(await focused());
        } while (passed.at(-1) !== wanted && passed.length < 25);
        assert.equal(passed.at(-1), wanted, passed.join(', '));
      };
      await page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
      assert.equal(await focused(), 'search');
      await keyboard.type('attic');
      await tabTo('grid');
      await keyboard.press('ArrowDown');
      await tabTo('update-attic-light');
      await keyboard.press('Enter');
      await page.getByRole('button', { name: 'Update now: 1 device' }).waitFor();
      assert.equal(await focused(), 'title');
      await tabTo('confirm');
      await keyboard.press('Enter');
      const attic = page.locator(row, { hasText: 'Attic' });
      await attic.getByText('failed').waitFor();
      await looksWell('7-failed');
      await page.getByRole('grid').focus();
      await keyboard.press('Home');
      const active = await page.getByRole('grid').getAttribute('aria-activedescendant');
      assert.match(await page.locator(`[id="${active}"]`).innerText(), /Attic/);
      await keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Attic' }).waitFor();
      await page.getByText('The device rebooted but still runs the old firmware.').first().waitFor();
      await keyboard.press('Escape');
      assert.equal(await focused(), 'grid');
      await keyboard.press('Space');
      await page.getByText('1 selected').waitFor();
      await keyboard.press('Space');
      await page.getByRole('searchbox').fill('');
    });

    it('fits into any width', async () => {
      const { page } = editor;
      await width(760);
      await page.locator(`${sidebar} .homie-wide`).waitFor();
      await shows(strange, 'Attic', 'Coffee', 'Kitchen');
      await looksWell('8-wide');
      await page.getByRole('button', { name: 'Firmware', exact: true }).click();
      const header = page.getByRole('columnheader', { name: 'Firmware' });
      assert.equal(await header.getAttribute('aria-sort'), 'ascending');
      await page.getByRole('button', { name: 'Name', exact: true }).click();
      await width(180);
      await page.locator(`${sidebar} .homie-narrow`).waitFor();
      await looksWell('9-narrow');
      await width(undefined);
    });

    it('has as few rows of 1,000 devices as can be seen', async () => {
      const { page } = editor;
      const client = await mqtt.connectAsync(broker.url, { protocolVersion: 4 });
      const publish = (id: string, topic: string, value: string): Promise<unknown> =>
        client.publishAsync(`crowd/${id}/${topic}`, value, { qos: 1, retain: true });
      for (let number = 1; number <= 1000; number += 1) {
        const id = `light-${number}`;
        await Promise.all([
          publish(id, '$name', `Light ${number}`),
          publish(id, '$fw/name', number % 2 === 0 ? 'even' : 'odd'),
          publish(id, '$fw/version', '1.0.0'),
          publish(id, '$fw/checksum', number.toString(16).padStart(32, '0')),
          publish(id, '$state', 'ready'),
        ]);
      }
      await page.locator(`${sidebar} .homie-broker select`).selectOption('crowd');
      await page.locator(`${sidebar} .homie-counted`).getByText('1,000 devices').waitFor();
      const here = async (): Promise<number> => {
        await page.waitForFunction(
          'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(true))))',
        );
        return page.locator(row).count();
      };
      await page.locator(row, { hasText: 'Light 1' }).first().waitFor();
      assert.ok((await here()) >= 5 && (await here()) <= 30, `${await here()} rows`);
      assert.equal(await page.getByRole('grid').getAttribute('aria-rowcount'), '1001');
      await looksWell('9-crowd');
      await page.getByRole('grid').focus();
      await page.keyboard.press('End');
      await page.locator(row, { hasText: 'Light 1000' }).waitFor();
      assert.equal(await page.locator(row, { hasText: 'Light 1000' }).getAttribute('aria-rowindex'), '1001');
      assert.ok((await here()) <= 30, `${await here()} rows`);
      const own = await names();
      assert.deepEqual(
        own,
        [...own].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })),
        'in order for a screen reader, too',
      );
      await page.getByRole('searchbox').fill('light-77');
      await page.locator(`${sidebar} .homie-counted`).getByText('11 of 1,000 devices').waitFor();
      await publish('light-77', '$state', 'alert');
      await page.locator(row, { hasText: 'alert' }).waitFor();
      assert.equal((await names())[0], 'Light 77');
      await publish('light-77', '$state', '');
      await page.locator(`${sidebar} .homie-counted`).getByText('10 of 999 devices').waitFor();
      await client.endAsync();
    });

    it('speaks German, too', async () => {
      const { page } = editor;
      await editor.appear({ dark, language: 'de' });
      await page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
      await page.locator(`${sidebar} .homie-broker select`).selectOption('homie');
      await page.getByRole('searchbox', { name: 'Geräte suchen' }).waitFor();
      await offer(olderPlug);
      await page.locator(row, { hasText: 'Kitchen' }).getByText('verifiziert').waitFor();
      await page.locator(row, { hasText: 'Coffee' }).getByText('neuere Version installiert').waitFor();
      const { OLD_FIRMWARE } = german.errors;
      const why = await page.locator(row, { hasText: 'Attic' }).locator('.homie-update').getAttribute('title');
      assert.equal(why, `${OLD_FIRMWARE.text} ${OLD_FIRMWARE.hint}`);
      await page.getByRole('checkbox', { name: 'Alle angezeigten Geräte auswählen' }).click();
      await page.locator(key('selected-more')).click();
      await page.getByRole('menuitem', { name: 'Von Updates ausnehmen (4)' }).click();
      await page.getByRole('button', { name: 'Jetzt ausnehmen: 4 Geräte' }).waitFor();
      await looksWell('11-german');
      assert.doesNotMatch(await page.locator(sidebar).innerText(), /homie-sidebar\.|__/);
      await page.getByRole('button', { name: 'Zurück' }).click();
    });

    it('keeps the devices in view while Node-RED is away, and continues by itself', async () => {
      const { page } = editor;
      await page.locator(`${sidebar} .homie-broker select`).selectOption('homie');
      await shows(strange, 'Attic', 'Coffee', 'Kitchen');
      await nodeRed.kill();
      const away = page.locator(`${sidebar} .homie-connection`, { hasText: 'Node-RED antwortet nicht.' });
      await away.waitFor();
      await shows(strange, 'Attic', 'Coffee', 'Kitchen');
      await page.locator(key('retry-attic-light')).click();
      await page.getByRole('alert').getByText('Node-RED antwortet nicht.').waitFor();
      assert.equal(await page.locator(key('confirm')).count(), 0);
      await editor.fits(sidebar);
      await editor.accessible(sidebar);
      await editor.screenshot(`${tag}-sidebar-12-away`);
      await page.getByRole('button', { name: 'Zurück' }).click();
      const { url, userDir } = nodeRed;
      nodeRed = await startNodeRed({ ...options, userDir, port: Number(new URL(url).port) });
      await away.waitFor({ state: 'detached' });
      await devices.get('coffee-plug')?.stop();
      await page.locator(row, { hasText: 'Coffee' }).getByText('verloren').waitFor();
      await devices.get('coffee-plug')?.start();
      await page.locator(row, { hasText: 'Coffee' }).getByText('bereit').waitFor();
      // Nobody answers the editor while Node-RED is away.
      const { complaints } = editor.record;
      assert.deepEqual(
        complaints.splice(0).filter((text) => !/ERR_CONNECTION_REFUSED/.test(text)),
        [],
      );
    });
  });
}
