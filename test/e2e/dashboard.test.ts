import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, openBrowser, pictures, runtimes } from '../support/editor';
import { buildEsp8266Image, running } from '../support/images';
import { root, startNodeRed, type NodeRed } from '../support/node-red';
import { assertQuiet, recordPage, type PageRecord } from '../support/page-checks';
import { dashboardSettings, dashboardUserDir } from './dashboard-user-dir';

/** Larger than what comes through without the setting that the readme asks for. */
const next = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 1_200_000, seed: 2 });
const later = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 1_200_000, seed: 3 });
const third = buildEsp8266Image({ name: 'my-light', version: '1.3.0', size: 60_000, seed: 6 });
const fourth = buildEsp8266Image({ name: 'my-light', version: '1.4.0', size: 60_000, seed: 7 });
const versions = [running, next, later, third, fourth];
/** Its name would load a picture where it is shown as HTML. */
const MARKUP = '<img src="/picture.png">&amp;';
const marked = buildEsp8266Image({ name: MARKUP, version: '1.0.0', size: 60_000, seed: 5 });
const plug = buildEsp8266Image({ name: 'my-plug', version: '1.0.0', size: 60_000, seed: 4 });

/** What the file input of Dashboard 2 itself warns of, whatever flow it is in. */
const ofTheirs = /^undefined is not a valid value\. Rule functions must return boolean true or a string\.$/;

for (const { title, tag, options } of runtimes.filter(({ dark }) => !dark)) {
  describeIf(chromiumAvailable())(`the dashboard of the example in ${title}`, () => {
    let folder: string;
    let userDir: string;
    let broker: AedesBroker;
    let nodeRed: NodeRed;
    let browser: Browser;
    let page: Page;
    const devices: SimulatedDevice[] = [];
    let record: PageRecord;

    const device = async (id: string, more: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> => {
      const made = new SimulatedDevice({ url: broker.url, id, image: running, uptime: 3600, flashDelay: 4, ...more });
      devices.push(made);
      await made.start();
      return made;
    };
    let attic: SimulatedDevice;
    let cellar: SimulatedDevice;

    before(async () => {
      folder = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-dashboard-'));
      const files = {
        'next.bin': next,
        'later.bin': later,
        'third.bin': third,
        'fourth.bin': fourth,
        'marked.bin': marked,
        'page.bin': '<!DOCTYPE html><html></html>',
      };
      for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content);
      broker = await startAedes();
      // Slow enough for the table, which looks every two seconds, to see it being updated.
      attic = await device('attic-light', { name: 'Attic', flashDelay: 15 });
      cellar = await device('cellar-light');
      await device('hall-plug', { image: plug });
      const example: Record<string, unknown>[] = JSON.parse(
        await readFile(path.join(root, 'examples/4 - Dashboard.json'), 'utf8'),
      );
      const flows = example.map((node) => ({
        ...node,
        ...(node['type'] === 'homie-broker' && { host: '127.0.0.1', port: String(broker.port) }),
        ...(node['type'] === 'homie-ota' && { soak: '1' }),
      }));
      userDir = await dashboardUserDir();
      nodeRed = await startNodeRed({ ...options, userDir, flows, settings: dashboardSettings });

      browser = await openBrowser();
      page = await browser.newPage({ viewport: { width: 1300, height: 900 } });
      page.setDefaultTimeout(90_000);
      record = recordPage(page, nodeRed.url);
      await page.goto(`${nodeRed.url}/dashboard`);
    });
    after(async () => {
      await browser.close();
      await nodeRed.stop();
      for (const each of devices) await each.stop();
      await broker.close();
      for (const each of [folder, userDir]) await rm(each, { recursive: true, force: true });
    });
    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await capture('failed');
      const complaints = record.complaints.splice(0).filter((complaint) => !ofTheirs.test(complaint));
      assertQuiet({ ...record, complaints });
    });

    const capture = (name: string): Promise<Buffer> =>
      page.screenshot({ path: path.join(root, 'artifacts', `${tag}-dashboard-${name}.png`) });
    const picture = async (name: string): Promise<void> => {
      if (pictures) await capture(name);
    };
    const table = (column: string): Locator => page.locator('.nrdb-ui-table-wrapper', { hasText: column });
    const row = (id: string): Locator => table('Progress').locator('tbody tr', { hasText: id });
    const available = (id: string): Locator => table('Installed').locator('tbody tr', { hasText: id });
    const button = (name: string): Locator => page.locator('.nrdb-ui-button').getByRole('button', { name });
    const says = (text: string | RegExp): Promise<void> => page.locator('.nrdb-ui-text').getByText(text).waitFor();
    const question = (): Locator => page.locator('.nrdb-ui-notification');
    const upload = async (name: string): Promise<void> => {
      const another = page.getByText('Upload Another File');
      if (await another.isVisible()) await another.click();
      await page.locator('input[type=file]').setInputFiles(path.join(folder, name));
      await page.getByRole('button', { name: 'Upload', exact: true }).click();
    };
    const answer = async (asked: RegExp, name: string): Promise<void> => {
      await question().getByText(asked).waitFor();
      await question().getByRole('button', { name }).click();
      await question().getByText(asked).waitFor({ state: 'hidden' });
    };
    const images = (): string[] =>
      [attic, cellar].map(({ image }) => `1.${versions.findIndex((each) => each.equals(image))}.0`);
    /** Sends what a changed page could send as the answer to a question. */
    const force = async (message: object): Promise<void> => {
      const forced = { payload: 'confirm_clicked', options: { nonsense: true }, checksum: attic.checksum, ...message };
      await page.evaluate(
        `document.querySelector('#app').__vue_app__._context.provides.$socket.emit('widget-action', ${JSON.stringify(await confirmId())}, ${JSON.stringify(forced)})`,
      );
    };
    const confirmId = async (): Promise<string> => {
      const example: { id: string; type: string }[] = JSON.parse(
        await readFile(path.join(root, 'examples/4 - Dashboard.json'), 'utf8'),
      );
      return example.find(({ type }) => type === 'ui-notification')?.id ?? '';
    };

    it('shows no label without a text before anything was done', async () => {
      await row('attic-light').waitFor();
      const texts = await page.locator('.nrdb-ui-text').allInnerTexts();
      assert.ok(texts.length > 0);
      assert.equal(texts.join('').trim(), '');
      assert.equal(await page.locator('.nrdb-ui-progress-wrapper').count(), 0);
      await picture('0-before');
    });

    it('shows all devices, with what they run', async () => {
      await row('attic-light').getByText('my-light 1.0.0').waitFor();
      await row('attic-light').getByText('Attic', { exact: true }).waitFor();
      await row('hall-plug').getByText('my-plug 1.0.0').waitFor();
    });

    it('says so when no update is available', async () => {
      await row('attic-light').getByText('nothing on offer').waitFor();
      await button('Update all').click();
      await says('No update is available.');
    });

    it('refuses what is not a firmware, with the reason', async () => {
      await upload('page.bin');
      await says(/^This is an HTML page/);
      await picture('1-refused');
      await button('Update all').click();
      assert.equal(await question().isVisible(), false);
    });

    it('shows the name in an image as text', async () => {
      await upload('marked.bin');
      await says(`${MARKUP} 1.0.0 is on offer for 0 known devices.`);
      assert.equal(await page.locator('.nrdb-ui-text img').count(), 0);
    });

    it('offers an upload, shows which devices have an update, and sends nothing', async () => {
      await upload('next.bin');
      await says(/^my-light 1\.1\.0 is on offer for 2 known devices\.$/);
      await row('attic-light').getByText('available: 1.1.0').waitFor();
      await available('cellar-light').getByText('1.1.0').waitFor();
      assert.equal(await available('hall-plug').count(), 0);
      await button('Update all').click();
      await question()
        .getByText(/^Update attic-light/)
        .waitFor();
      await page.waitForFunction("document.getAnimations().every(({ playState }) => playState !== 'running')");
      await picture('2-question');
      await answer(/^Update attic-light to 1\.1\.0, cellar-light to 1\.1\.0\?$/, 'No');
      assert.deepEqual([attic.received.length, cellar.received.length], [0, 0]);
    });

    it('updates one device by its button after a confirmation, until it runs what was on offer', async () => {
      await available('cellar-light').getByRole('button', { name: 'Update' }).click();
      await answer(/^Update cellar-light to 1\.1\.0\?$/, 'Yes, update');
      await says(/^cellar-light: updated from my-light 1\.0\.0 to 1\.1\.0/);
      await row('cellar-light').getByText('my-light 1.1.0').waitFor();
      await row('cellar-light').getByText('up to date').waitFor();
      await available('cellar-light').waitFor({ state: 'detached' });
      await available('attic-light').getByText('1.1.0').waitFor();
      assert.deepEqual(images(), ['1.0.0', '1.1.0']);
      assert.deepEqual([attic.received.length, cellar.received.length], [0, 1]);
    });

    it('updates all devices after a confirmation, and shows how it goes', async () => {
      await upload('later.bin');
      await says(/^my-light 1\.2\.0 is on offer/);
      await row('attic-light').getByText('available: 1.2.0').waitFor();
      await button('Update all').click();
      await answer(/^Update attic-light to 1\.2\.0, cellar-light to 1\.2\.0\?$/, 'Yes, update');
      await says(/^attic-light: updating to my-light 1\.2\.0, [1-9]\d? %/);
      await row('attic-light')
        .getByText(/^\d+ %$/)
        .waitFor();
      await row('attic-light').getByText('updating').waitFor();
      await picture('3-progress');
      await says(/^2 devices: 2 updated \(attic-light, cellar-light\)\.$/);
      assert.deepEqual(images(), ['1.2.0', '1.2.0']);
      await row('attic-light').getByText('my-light 1.2.0').waitFor();
      await row('cellar-light').getByText('my-light 1.2.0').waitFor();
      await picture('4-done');
    });

    it('sends nothing if something else is on offer than the question named', async () => {
      await upload('third.bin');
      await says(/^my-light 1\.3\.0/);
      await row('attic-light').getByText('available: 1.3.0').waitFor();
      await button('Update all').click();
      await question()
        .getByText(/cellar-light to 1\.3\.0\?$/)
        .waitFor();
      await upload('fourth.bin');
      await says(/^my-light 1\.4\.0/);
      await row('attic-light').getByText('available: 1.4.0').waitFor();
      await answer(/cellar-light to 1\.3\.0\?$/, 'Yes, update');
      await says('Something else is on offer now. Nothing was sent.');
      assert.deepEqual(images(), ['1.2.0', '1.2.0']);
    });

    it('takes nothing else from a browser than the answer', async () => {
      await force({ device: 'hall-plug', offered: '' });
      await says('Something else is on offer now. Nothing was sent.');
      await force({ device: 'attic-light', offered: 'attic-light to 1.4.0' });
      await says(/^attic-light: updated from my-light 1\.2\.0 to 1\.4\.0/);
      assert.deepEqual(images(), ['1.4.0', '1.2.0']);
    });

    it('shows no empty label, and nothing that is undefined', async () => {
      assert.doesNotMatch(await page.locator('body').innerText(), /undefined|null|NaN/);
      const labels = await page.locator('.nrdb-ui-button button, .nrdb-ui-table-wrapper tbody button').allInnerTexts();
      assert.ok(labels.length >= 4 && labels.every((label) => label.trim() !== ''), labels.join());
      assert.doesNotMatch(await page.locator('body').innerText(), /Last|Nothing to do|0 ?%/);
    });

    it('has no button beside a device that is lost, and does not update it with all', async () => {
      await available('cellar-light').getByText('1.4.0').waitFor();
      await cellar.stop();
      await row('cellar-light').getByText('lost').waitFor();
      await available('cellar-light').waitFor({ state: 'detached' });
      await button('Update all').click();
      await says('No update is available.');
      await picture('5-lost');
    });

    it('has no widget that lies on another, nor reaches beyond its group', async () => {
      const untidy = await page.evaluate(`(() => {
        const groups = [...document.querySelectorAll('.nrdb-ui-group')];
        const rect = (element) => element.getBoundingClientRect();
        return groups.flatMap((group) => {
          const widgets = [...group.querySelectorAll('.nrdb-ui-widget')];
          const { left, right, top, bottom } = rect(group);
          return widgets.flatMap((a, index) => {
            const at = rect(a);
            const out = at.left < left - 1 || at.right > right + 1 || at.top < top - 1 || at.bottom > bottom + 1;
            const on = widgets.slice(index + 1).filter((b) => {
              const other = rect(b);
              return at.left < other.right - 1 && other.left < at.right - 1 && at.top < other.bottom - 1 && other.top < at.bottom - 1;
            });
            return [...(out ? [a.id + ' reaches beyond its group'] : []), ...on.map((b) => a.id + ' lies on ' + b.id)];
          });
        });
      })()`);
      assert.deepEqual(untidy, []);
    });
  });
}
