import assert from 'node:assert/strict';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { buildEsp8266Image, running as old } from '../support/images';
import { freePort } from '../support/ports';
import { startNodeRed, type NodeRed } from '../support/node-red';
import { md5 } from '../support/md5';

const fresh = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 400_000, seed: 3 });
const lower = buildEsp8266Image({ name: 'my-light', version: '1.0.5', size: 60_000, seed: 4 });
const sidebar = '.homie-sidebar';
const row = `${sidebar} .homie-row`;

// Each line of Node-RED in one of the two themes.
for (const { title, tag, options, dark } of runtimes.filter((each) => each.dark === (each.tag !== '4'))) {
  describeIf(chromiumAvailable())(`firmware on offer in the sidebar of ${title}`, () => {
    let broker: AedesBroker;
    let nodeRed: NodeRed;
    let editor: Editor;
    const devices: SimulatedDevice[] = [];

    before(async () => {
      broker = await startAedes();
      for (const [id, name] of [
        ['kitchen-light', 'Kitchen'],
        ['hall-light', 'Hall'],
      ] as const) {
        const device = new SimulatedDevice({ url: broker.url, id, name, image: old, uptime: 3600 });
        devices.push(device);
        await device.start();
      }
      nodeRed = await startNodeRed({ ...options, flows: [{ id: 'flow', type: 'tab', label: 'Flow' }] });
      editor = await Editor.open(nodeRed.url, { dark });
    });

    after(async () => {
      await editor.close();
      await nodeRed.stop();
      await Promise.all(devices.map((device) => device.stop()));
      await broker.close();
    });

    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.capture(`${tag}-offers-failed`);
      editor.quiet();
    });

    const step = (name: string) => editor.page.locator(`${sidebar} [data-step="${name}"]`);
    const card = (image: Buffer) => editor.page.locator(`${sidebar} [data-offer="${md5(image)}"]`);
    /** Asserts that all is readable, also for a screen reader, and keeps a picture. */
    const looksWell = async (name: string): Promise<void> => {
      await editor.settled();
      await editor.notificationsGone();
      await editor.fits(`${sidebar} :is(.homie-first, .homie-strip, .homie-offerline, .homie-view)`);
      await editor.accessible(sidebar);
      await editor.screenshot(`${tag}-offers-${name}`);
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
        { base64: bytes.toString('base64'), file: name, target: sidebar },
      );
    /** Chooses a file with a button. */
    const choose = async (button: string, bytes: Buffer): Promise<void> => {
      const chooser = editor.page.waitForEvent('filechooser');
      await editor.page.getByRole('button', { name: button }).click();
      const file = { name: 'firmware.bin', mimeType: 'application/octet-stream', buffer: bytes };
      await (await chooser).setFiles(file);
    };
    /** Forgets what Chromium says of each refused request. */
    const expectRefusals = (): void => {
      for (const complaint of editor.record.complaints.splice(0)) assert.match(complaint, /status of 400/);
    };
    /** Fills fields in the dialog of the homie-broker, presses Test connection if asked, and closes the dialog. */
    const fill = async (fields: Readonly<Record<string, string>>, found?: string): Promise<void> => {
      await editor.page.locator('#node-config-dialog-ok').waitFor();
      await editor.opened();
      await editor.unfold('#node-config-dialog-edit-form');
      for (const [name, value] of Object.entries(fields)) {
        await editor.page.locator(`#node-config-input-${name}`).fill(value);
      }
      if (found !== undefined) {
        await editor.page.getByRole('button', { name: 'Test connection' }).click();
        await editor.page.locator('#homie-broker-answer', { hasText: found }).waitFor();
      }
      await editor.ok();
    };

    it('says what is missing until there are devices, and keeps a dropped file until then', async () => {
      const { page } = editor;
      await page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
      await step('none').getByText('Connect your MQTT broker').waitFor();
      await looksWell('1-no-broker');
      await drop(lower, 'my-light-1.0.5.bin');
      await page.getByRole('heading', { name: 'Firmware on offer' }).waitFor();
      await page.getByRole('button', { name: 'Add a homie-broker' }).click();
      await fill({ name: 'at home', host: '127.0.0.1', port: String(broker.port) }, 'Found 2 devices');
      await step('undeployed').getByText('Test found 2 devices:').waitFor();
      for (const name of ['Kitchen', 'Hall']) await step('undeployed').getByText(name, { exact: true }).waitFor();
      await page.getByRole('button', { name: 'Back' }).click();
      await looksWell('2-undeployed');
      await step('undeployed').getByRole('button', { name: 'Open settings' }).click();
      await fill({ port: String(await freePort()), baseTopic: 'attic/' });
      await drop(lower, 'my-light-1.0.5.bin');
      await step('undeployed').getByRole('button', { name: 'Deploy' }).click();
      await card(lower).getByText('The image is valid and on offer.').waitFor();
      await card(lower).getByText('No device runs this firmware.').waitFor();
      await page.getByRole('button', { name: 'Back' }).click();

      await step('disconnected').waitFor();
      const notified = page.locator('#red-ui-notifications', { hasText: 'unused' });
      assert.equal(await notified.count(), 0, 'no node has to use the homie-broker');
      await looksWell('3-disconnected');
      await step('disconnected').getByRole('button', { name: 'Open settings' }).click();
      await fill({ port: String(broker.port), canary: '0' });
      await editor.deploy();
      await step('connected').getByText('“attic/”').waitFor();
      await looksWell('4-no-devices');
      await step('connected').getByRole('button', { name: 'Open settings' }).click();
      await fill({ baseTopic: 'homie/' });
      await editor.deploy();
      await page.locator(row, { hasText: 'Kitchen' }).waitFor();
      assert.equal(await page.locator(`${sidebar} .homie-first`).count(), 0);
    });

    it('says what is wrong with a file, and takes the next one instead', async () => {
      const { page } = editor;
      const bad = page.locator(`${sidebar} [data-verdict=bad]`);
      const file = page.locator(`${sidebar} .homie-upload`);
      await drop(Buffer.from('<!doctype html><html>not found</html>'), 'firmware.bin');
      await bad.getByText('This is an HTML page, not a firmware image.').waitFor();
      assert.match(await file.innerText(), /firmware\.bin/);
      await drop(fresh.subarray(0, 399_984), 'half.bin');
      await bad.getByText('The image is truncated').waitFor();
      assert.match(await file.innerText(), /my-light[^]*esp8266[^]*half\.bin/);
      assert.equal(await file.count(), 1);
      await looksWell('5-refused');
      expectRefusals();
      await page.getByRole('button', { name: 'Discard' }).click();
      assert.equal(await file.count(), 0);
    });

    it('says for which devices an image is on offer', async () => {
      const { page } = editor;
      await drop(fresh, 'my-light-1.1.0.bin');
      await card(fresh).getByText('The image is valid and on offer.').waitFor();
      const text = await card(fresh).innerText();
      for (const fact of [/my-light 1\.1\.0/, /esp8266/, /391 KiB/, md5(fresh), /my-light-1\.1\.0\.bin/]) {
        assert.match(text, new RegExp(fact));
      }
      await card(fresh).getByText('On offer for 2 devices: 2 can be updated').waitFor();
      assert.equal(await card(lower).count(), 0, 'a newer image of the same name replaces it');
      await looksWell('6-on-offer');
      await page.getByRole('button', { name: 'Back' }).click();
      assert.equal(await page.evaluate('document.activeElement.dataset.key'), 'add-firmware');
      await page.getByRole('button', { name: 'On offer: my-light 1.1.0' }).waitFor();
    });

    it('offers a lower version only if it is confirmed', async () => {
      const { page } = editor;
      await page.getByRole('button', { name: 'Add firmware' }).click();
      await choose('Choose file …', lower);
      await page.getByText('The image is valid, but 1.1.0 is newer and stays on offer.').waitFor();
      await looksWell('7-lower');
      assert.equal(await card(lower).count(), 0);
      await page.getByRole('button', { name: 'Offer 1.0.5 anyway' }).click();
      await card(lower).getByText('The image is valid and on offer.').waitFor();
      assert.equal(await card(fresh).count(), 0);
    });

    it('withdraws an image after one question', async () => {
      const { page } = editor;
      const withdraw = card(lower).getByRole('button', { name: 'Withdraw' });
      await withdraw.click();
      await card(lower).getByText('Withdraw my-light 1.0.5?').waitFor();
      // The question has the focus, but none of its buttons.
      await page.keyboard.press('Enter');
      await looksWell('8-withdraw');
      await page.keyboard.press('Escape');
      await card(lower).getByText('Withdraw my-light 1.0.5?').waitFor({ state: 'hidden' });
      assert.equal(await card(lower).count(), 1);
      await withdraw.click();
      await page.locator(`${sidebar} [data-key="withdraw-${md5(lower)}-sure"]`).click();
      await page.getByText('my-light 1.0.5 is no longer on offer.').waitFor();
      await page.getByText('No firmware on offer.').waitFor();
      assert.equal(await card(lower).count(), 0);
      await page.getByRole('button', { name: 'Back' }).click();
      assert.equal(await page.locator(row, { hasText: '1.0.5 available' }).count(), 0);
    });

    it('updates all devices of an image to their verified end', async () => {
      const { page } = editor;
      await choose('Choose file …', fresh);
      await card(fresh).getByRole('button', { name: 'Update 2 devices' }).click();
      await page.getByRole('heading', { name: 'Update to my-light 1.1.0' }).waitFor();
      await page.getByText('2 devices will be updated.').waitFor();
      await page.getByRole('button', { name: 'Update now: 2 devices' }).click();
      for (const name of ['Kitchen', 'Hall'])
        await page.locator(row, { hasText: name }).getByText('verified').waitFor();
      assert.deepEqual(
        devices.map(({ received, checksum }) => [received.length, checksum]),
        [
          [1, md5(fresh)],
          [1, md5(fresh)],
        ],
      );
      await page.getByRole('button', { name: 'On offer: my-light 1.1.0' }).click();
      await card(fresh).getByText('On offer for 2 devices: nothing to update').waitFor();
      assert.equal(await card(fresh).getByRole('button', { name: 'Update' }).count(), 0);
      await page.getByRole('button', { name: 'Back' }).click();
    });
  });
}
