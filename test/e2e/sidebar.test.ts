import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import mqtt from 'mqtt';
import german from '../../src/texts/de.json';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
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
  describe(`the sidebar in ${title}`, () => {
    let broker: AedesBroker;
    let nodeRed: NodeRed;
    let editor: Editor;
    let folder: string;
    const devices = new Map<string, SimulatedDevice>();

    const add = async (id: string, name: string, image: Buffer, more: Partial<DeviceOptions> = {}): Promise<void> => {
      const device = new SimulatedDevice({ url: broker.url, id, name, image, uptime: 3600, ...more });
      devices.set(id, device);
      await device.start();
    };

    before(async function () {
      if (!chromiumAvailable()) this.skip();
      folder = await mkdtemp(path.join(os.tmpdir(), 'homie-sidebar-'));
      await writeFile(path.join(folder, 'later.bin'), later);
      broker = await startAedes();
      await add('kitchen-light', 'Kitchen', old, { flashDelay: 15 });
      await add('hall-light', strange, old, { flashDelay: 15 });
      await add('attic-light', 'Attic', old, { misbehaviour: { comesBackWith: old } });
      await add('coffee-plug', 'Coffee', plug);
      const place = (id: string, label: string): object => ({
        id,
        type: 'homie-broker',
        name: label,
        host: '127.0.0.1',
        port: String(broker.port),
        baseTopic: `${id}/`,
        canary: '0',
        exclude: 'coffee-plug',
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
      await rm(folder, { recursive: true });
    });

    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.screenshot(`${tag}-sidebar-failed`);
      editor.quiet();
    });

    /** The names of the devices in the table, from top to bottom. */
    const names = (): Promise<string[]> =>
      editor.page.locator(`${row} .homie-name > span:nth-child(2)`).allTextContents();
    /** Waits until these devices are in the table, in this order. */
    const shows = async (...expected: string[]): Promise<void> => {
      const told = `[...document.querySelectorAll('${row} .homie-name > span:nth-child(2)')].map((each) => each.textContent).join('\\n')`;
      await editor.page.waitForFunction(`${told} === ${JSON.stringify(expected.join('\n'))}`);
    };
    const firmware = async (): Promise<string> =>
      `${await editor.page.locator(`${sidebar} .homie-title`).textContent()}`;
    /** Asserts that all is readable, also for a screen reader, and keeps a picture. */
    const looksWell = async (name: string): Promise<void> => {
      await editor.settled();
      await editor.fits(sidebar);
      await editor.accessible(sidebar);
      await editor.notificationsGone();
      await editor.screenshot(`${tag}-sidebar-${name}`);
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
    const drop = (bytes: Buffer, name: string): Promise<void> =>
      editor.page.evaluate(
        ({ base64, file, target }) => {
          const data = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([data], file));
          const at = document.querySelector(target);
          for (const type of ['dragenter', 'dragover', 'drop']) {
            at?.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
          }
        },
        { base64: bytes.toString('base64'), file: name, target: `${sidebar} .homie-grid` },
      );

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
      const kitchen = await page.locator(row, { hasText: 'Kitchen' }).innerText();
      assert.deepEqual(kitchen.split(/\s+/), [
        'Kitchen',
        'kitchen-light',
        'ready',
        'my-light',
        '1.0.0',
        devices.get('kitchen-light')?.checksum.slice(0, 7),
      ]);
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
      await page.getByRole('combobox', { name: 'Only devices with this firmware' }).selectOption('my-plug');
      await shows('Coffee');
      await page.getByRole('combobox', { name: 'Only devices with this firmware' }).selectOption('');
      await page.getByRole('combobox', { name: 'Only devices in this state' }).selectOption('ready');
      await shows(strange, 'Attic', 'Coffee', 'Kitchen');
      await page.getByRole('combobox', { name: 'Only devices in this state' }).selectOption('');
      const sort = page.getByRole('button', { name: 'Firmware', exact: true });
      await sort.click();
      await shows('Attic', strange, 'Kitchen', 'Coffee');
      const header = page.getByRole('columnheader', { name: 'Firmware' });
      assert.equal(await header.getAttribute('aria-sort'), 'ascending');
      await sort.click();
      await shows('Coffee', 'Attic', strange, 'Kitchen');
      assert.equal(await header.getAttribute('aria-sort'), 'descending');
      await page.getByRole('button', { name: 'Name', exact: true }).click();
    });

    it('inspects a file that is dropped, and says what is wrong with it', async () => {
      const { page } = editor;
      await drop(Buffer.from('<!doctype html><html>not found</html>'), 'firmware.bin');
      await page.locator('[data-verdict=bad]', { hasText: 'This is an HTML page, not a firmware image.' }).waitFor();
      assert.match(await firmware(), /firmware\.bin/);
      await drop(fresh.subarray(0, 399_984), 'half.bin');
      await page.locator('[data-verdict=bad]', { hasText: 'The image is truncated' }).waitFor();
      assert.match(await firmware(), /my-light/);
      await looksWell('2-refused');
      // That is what Chromium says of every answer of this kind.
      for (const complaint of editor.record.complaints.splice(0)) assert.match(complaint, /status of 400/);
      await page.getByRole('button', { name: 'Discard this firmware' }).click();
      await page.getByRole('button', { name: 'Choose file …' }).waitFor();
    });

    it('shows which devices a firmware is for, and asks once more before it starts', async () => {
      const { page } = editor;
      await drop(fresh, 'my-light-1.1.0.bin');
      await page.locator(key('start')).waitFor();
      assert.match(await firmware(), /my-light 1\.1\.0/);
      const facts = await page.locator(`${sidebar} .homie-card dl`).first().innerText();
      for (const fact of ['esp8266', '391 KiB', 'my-light-1.1.0.bin', /MD5\s+[0-9a-f]{32}/])
        assert.match(facts, new RegExp(fact));
      await page.getByRole('button', { name: 'Update 3 devices …' }).waitFor();
      await page.getByRole('radio', { name: 'Only these devices' }).check();
      const list = page.getByRole('textbox', { name: 'Device IDs, separated by commas' });
      await list.fill('no device');
      await list.press('Enter');
      await page.locator('[data-verdict=bad]', { hasText: '"no device" is not a valid device id.' }).waitFor();
      assert.equal(await page.locator(key('start')).count(), 0);
      for (const complaint of editor.record.complaints.splice(0)) assert.match(complaint, /status of 400/);
      await list.fill('coffee-plug, kitchen-light,hall-light');
      await list.press('Enter');
      const plan = page.locator(`${sidebar} .homie-planned`);
      await plan.nth(2).waitFor();
      assert.deepEqual(
        (await plan.allInnerTexts()).map((text) => text.split('\n')),
        [
          ['Kitchen (kitchen-light)', '1.0.0 → 1.1.0', 'will be updated'],
          [`${strange} (hall-light)`, '1.0.0 → 1.1.0', 'will be updated'],
          ['Coffee (coffee-plug)', '2.0.0', 'excluded'],
        ],
      );
      await page.getByRole('button', { name: 'Update 2 devices …' }).waitFor();
      await page.getByText('1 more device runs this firmware but is not selected.').waitFor();
      await looksWell('3-plan');

      await page.getByRole('radio', { name: 'All devices that run my-light' }).check();
      await page.getByRole('button', { name: 'Update 3 devices …' }).waitFor();
      await page.getByRole('radio', { name: 'Only these devices' }).check();
      // Twice in the same place.
      await page.getByRole('button', { name: 'Update 2 devices …' }).dblclick();
      await page.getByText('Update 2 devices to my-light 1.1.0?').waitFor();
      await looksWell('4-confirm');
      for (const device of devices.values()) assert.equal(device.received.length, 0);
    });

    it('updates the devices that it has shown, and shows each on its way to the proven end', async () => {
      const { page } = editor;
      await page.evaluate(`window.percents = new Set(); new MutationObserver(() => {
        for (const bar of document.querySelectorAll('${row} [role=progressbar]:not([hidden])')) percents.add(bar.ariaValueNow);
      }).observe(document.querySelector('${sidebar} .homie-body'), { subtree: true, childList: true, attributes: true })`);
      await page.getByRole('button', { name: 'Update now' }).click();
      await page.locator(`${row} .homie-update [role=progressbar]:not([hidden])`).first().waitFor();
      await page.waitForFunction('window.percents.size > 2');
      // While the bars move.
      await editor.screenshot(`${tag}-sidebar-5-progress`);
      await editor.fits(sidebar);
      await page.locator(`${sidebar} .homie-panel.homie-ended`, { hasText: '2 of 2 finished · 2 verified' }).waitFor();
      for (const id of ['kitchen-light', 'hall-light']) {
        const device = page.locator(row, { hasText: id });
        await device.getByText('verified').waitFor();
        assert.match(await device.innerText(), new RegExp(`1\\.1\\.0\\s+${devices.get(id)?.checksum.slice(0, 7)}`));
        assert.equal(devices.get(id)?.received.length, 1);
      }
      // An update of named devices offers nothing to the others.
      const update = page.locator(row, { hasText: 'Attic' }).locator('.homie-update');
      assert.equal(await update.innerText(), '');
      await offer(fresh);
      await update.getByText('1.1.0 available').waitFor();
      assert.equal(devices.get('attic-light')?.received.length, 0);
      await looksWell('6-proven');
      await page.getByRole('button', { name: 'Close' }).click();
    });

    it('can be used with the keyboard alone, and tells why an update has failed', async () => {
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
      assert.equal(await focused(), 'Search devices');
      await keyboard.type('light');
      await tabTo('Devices');
      await tabTo('Version');
      await keyboard.press('Enter');
      assert.equal(await page.getByRole('columnheader', { name: 'Version' }).getAttribute('aria-sort'), 'ascending');
      const chooser = page.waitForEvent('filechooser');
      await tabTo('choose');
      await keyboard.press('Enter');
      await (await chooser).setFiles(path.join(folder, 'later.bin'));
      await page.locator(key('start')).waitFor();
      await tabTo('list');
      await keyboard.press('ControlOrMeta+A');
      await keyboard.type('attic-light');
      await keyboard.press('Enter');
      await page.getByRole('button', { name: 'Update 1 device …' }).waitFor();
      await tabTo('start');
      await keyboard.press('Enter');
      await page.locator(key('sure')).waitFor();
      assert.equal(await focused(), 'sure');
      await tabTo('confirm');
      await keyboard.press('Enter');
      await page.locator(`${sidebar} .homie-panel.homie-ended`, { hasText: '1 of 1 finished · 1 failed' }).waitFor();
      await tabTo('close');
      await keyboard.press('Enter');
      assert.equal(await focused(), 'choose');

      await page.getByRole('grid').focus();
      await page.locator(row, { hasText: 'Attic' }).getByText('failed').waitFor();
      await keyboard.press('ArrowDown');
      const detail = page.locator(`${sidebar} .homie-detail`);
      await detail.getByText('attic-light').waitFor();
      assert.match(
        await detail.innerText(),
        /failed: The device rebooted but still runs the old firmware\. Check that the image fits the flash layout/,
      );
      const active = await page.getByRole('grid').getAttribute('aria-activedescendant');
      assert.match(await page.locator(`[id="${active}"][aria-selected=true]`).innerText(), /Attic/);
      await looksWell('7-failed');
      await keyboard.press('End');
      await detail.getByText('kitchen-light').waitFor();
      await keyboard.press('Escape');
      await detail.waitFor({ state: 'hidden' });
      await page.getByRole('searchbox').fill('');
      await page.getByRole('button', { name: 'Name', exact: true }).click();
    });

    it('fits into any width', async () => {
      const { page } = editor;
      await width(760);
      await page.locator(`${sidebar} .homie-wide`).waitFor();
      await shows(strange, 'Attic', 'Coffee', 'Kitchen');
      await looksWell('8-wide');
      await width(180);
      await page.locator(`${sidebar} .homie-table:not(.homie-wide)`).waitFor();
      await drop(fresh, 'my-light-1.1.0.bin');
      await page.locator(key('start')).waitFor();
      await editor.settled();
      await editor.screenshot(`${tag}-sidebar-9-narrow`);
      await editor.accessible(sidebar);
      await page.getByRole('button', { name: 'Discard this firmware' }).click();
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
      await looksWell('10-crowd');
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
      for (const image of [later, olderPlug]) await offer(image);
      await page.locator(row, { hasText: 'Kitchen' }).getByText('1.2.0 verfügbar').waitFor();
      await page.locator(row, { hasText: 'Coffee' }).getByText('neuere Version installiert').waitFor();
      const { OLD_FIRMWARE, FIRMWARE_IS_HTML } = german.errors;
      const why = await page.locator(row, { hasText: 'Attic' }).locator('.homie-update').getAttribute('title');
      assert.equal(why, `${OLD_FIRMWARE.text} ${OLD_FIRMWARE.hint}`);
      await drop(Buffer.from('<!doctype html><html>not found</html>'), 'firmware.bin');
      await page.locator('[data-verdict=bad]', { hasText: FIRMWARE_IS_HTML.text }).waitFor();
      for (const complaint of editor.record.complaints.splice(0)) assert.match(complaint, /status of 400/);
      await drop(fresh, 'my-light-1.1.0.bin');
      await page.locator(key('start')).waitFor();
      await page.getByRole('radio', { name: 'Nur diese Geräte' }).check();
      const list = page.getByRole('textbox', { name: 'Geräte-IDs, durch Kommas getrennt' });
      await list.fill('attic-light');
      await list.press('Enter');
      await page.getByRole('button', { name: '1 Gerät aktualisieren …' }).click();
      await page.getByRole('button', { name: 'Jetzt aktualisieren' }).waitFor();
      await looksWell('11-german');
      assert.doesNotMatch(await page.locator(sidebar).innerText(), /homie-sidebar\.|__/);
      await page.getByRole('button', { name: 'Zurück' }).click();
      await page.locator(key('close')).click();
    });
  });
}
