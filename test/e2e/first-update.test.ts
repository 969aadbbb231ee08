import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { buildEsp8266Image, running } from '../support/images';
import { startNodeRed, type NodeRed } from '../support/node-red';

const fresh = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 400_000, seed: 3 });

/** The limits of a first update, from an empty Node-RED to the verified firmware. */
const MOST = { clicks: 10, fields: 2, minutes: 3 };

for (const { title, tag, options, dark } of runtimes.filter((each) => each.dark === (each.tag !== '4'))) {
  describeIf(chromiumAvailable())(`the first update of a new user in ${title}`, () => {
    let broker: AedesBroker;
    let device: SimulatedDevice;
    let nodeRed: NodeRed;
    let editor: Editor;

    before(async () => {
      broker = await startAedes();
      device = new SimulatedDevice({
        url: broker.url,
        id: 'kitchen-light',
        name: 'Kitchen',
        image: running,
        uptime: 3600,
      });
      await device.start();
      nodeRed = await startNodeRed({ ...options, flows: [] });
      editor = await Editor.open(nodeRed.url, { dark });
    });
    after(async () => {
      await editor?.close();
      await nodeRed?.stop();
      await device?.stop();
      await broker?.close();
    });

    it('takes few clicks and fields in the sidebar alone', async () => {
      const { page } = editor;
      const counted = { clicks: 0, fields: 0 };
      const click = async (target: Locator): Promise<void> => {
        counted.clicks += 1;
        await target.click();
      };
      const fill = async (target: Locator, value: string): Promise<void> => {
        counted.fields += 1;
        await target.fill(value);
      };
      const begun = performance.now();

      // One click on the tab, wherever this Node-RED has it.
      counted.clicks += 1;
      await page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
      await click(page.getByRole('button', { name: 'Add a homie-broker' }));
      await page.locator('#node-config-dialog-ok').waitFor();
      await editor.opened();
      await fill(page.locator('#node-config-input-host'), '127.0.0.1');
      await fill(page.locator('#node-config-input-port'), String(broker.port));
      await click(page.locator('#node-config-dialog-ok'));
      await click(page.locator('[data-step=undeployed]').getByRole('button', { name: 'Deploy' }));
      await page.locator('.homie-row', { hasText: 'Kitchen' }).waitFor();

      await click(page.locator('[data-key=add-firmware]').first());
      const chooser = page.waitForEvent('filechooser');
      await click(page.getByRole('button', { name: 'Choose file …' }));
      await (await chooser).setFiles({ name: 'firmware.bin', mimeType: 'application/octet-stream', buffer: fresh });
      await click(page.getByRole('button', { name: /^Update 1 device/ }));
      await click(page.getByRole('button', { name: 'Update now: 1 device' }));
      await page.locator('.homie-row', { hasText: 'Kitchen' }).getByText('verified').waitFor();

      assert.ok(device.image.equals(fresh));
      assert.ok(counted.clicks <= MOST.clicks, `${counted.clicks} clicks`);
      assert.ok(counted.fields <= MOST.fields, `${counted.fields} fields`);
      const minutes = (performance.now() - begun) / 60_000;
      assert.ok(minutes < MOST.minutes, `${minutes} minutes`);
      await editor.screenshot(`${tag}-first-update`);
    });
  });
}
