import assert from 'node:assert/strict';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { running } from '../support/images';
import { startNodeRed, type NodeRed } from '../support/node-red';

const sidebar = '.homie-sidebar';
const key = (name: string): string => `${sidebar} [data-key="${name}"]`;

const secret = 'pl4nted-secret';

// Each line of Node-RED in one of the two themes.
for (const { title, tag, options, dark } of runtimes.filter((each) => each.dark === (each.tag !== '4'))) {
  describeIf(chromiumAvailable())(`the report of the sidebar of ${title}`, () => {
    let broker: AedesBroker;
    let nodeRed: NodeRed;
    let editor: Editor;
    let device: SimulatedDevice;

    before(async () => {
      broker = await startAedes();
      const config = { wifi: { ssid: secret }, settings: { apiToken: secret } };
      const name = 'Kitchen';
      device = new SimulatedDevice({
        url: broker.url,
        id: 'kitchen-light',
        name,
        image: running,
        uptime: 3600,
        config,
      });
      await device.start();
      nodeRed = await startNodeRed({
        ...options,
        flows: [
          { id: 'flow', type: 'tab', label: 'Flow' },
          { id: 'homie', type: 'homie-broker', host: '127.0.0.1', port: String(broker.port) },
        ],
      });
      await nodeRed.logged(/connected \(MQTT/);
      editor = await Editor.open(nodeRed.url, { dark });
      await editor.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await editor.page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
    });
    after(async () => {
      await editor?.close();
      await nodeRed?.stop();
      await device?.stop();
      await broker?.close();
    });
    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.screenshot(`${tag}-report-failed`);
      editor.quiet();
    });

    /** Asserts that all is readable, also for a screen reader, and keeps a picture. */
    const looksWell = async (name: string): Promise<void> => {
      await editor.settled();
      await editor.fits(sidebar);
      await editor.accessible(sidebar);
      await editor.notificationsGone();
      await editor.screenshot(`${tag}-report-${name}`);
    };
    /** Presses a button, and returns what was copied. */
    const copied = async (name: string): Promise<string> => {
      await editor.page.evaluate("navigator.clipboard.writeText('')");
      await editor.page.locator(key(name)).click();
      await editor.page.getByText('Report copied. Read it, then paste it into a new issue on GitHub.').waitFor();
      // The message may still be that of the last report.
      let text = '';
      while (text === '') text = await editor.page.evaluate<string>('navigator.clipboard.readText()');
      for (const hidden of [secret, '127.0.0.1', device.mac, nodeRed.userDir]) {
        assert.ok(!text.includes(hidden), `${hidden} in\n${text}`);
      }
      return text;
    };
    const post = async (path: string, body: object): Promise<unknown> => {
      const headers = { 'Content-Type': 'application/json' };
      const request = { method: 'POST', headers, body: JSON.stringify(body) };
      const response = await fetch(`${nodeRed.url}/homie-ota/brokers/homie/${path}`, request);
      assert.equal(response.status, 200);
      return response.json();
    };

    it('of a device is copied from its details', async () => {
      const { page } = editor;
      await page.locator(`${sidebar} .homie-row .homie-name`, { hasText: 'Kitchen' }).click();
      await page.getByRole('button', { name: 'Copy report: Kitchen' }).waitFor();
      await looksWell('1-device');
      const text = await copied('device-report');
      await looksWell('2-device-copied');
      for (const line of [
        `- Node.js: \`v`,
        `- Address: \`mqtt://•••:${broker.port}\``,
        '- MQTT version: `3.1.1`',
        '#### Device `kitchen-light`',
        `- Firmware: \`my-light\`, \`1.0.0\`, \`MD5 ${device.checksum}\``,
      ]) {
        assert.ok(text.includes(line), `${line} in\n${text}`);
      }
      assert.match(
        text,
        /- Package: `@homie-ota\/node-red-homie-ota \d+\.\d+\.\d+`\n- Node-RED: `[45]\.\d+\.\d+(-git)?`\n/,
      );
      assert.match(text, /- Operating system: `.+ .+ .+`\n- MQTT\.js: `5\.\d+\.\d+`\n/);
      await page.locator(key('back')).click();
    });

    it('of the broker is copied beside the search', async () => {
      const text = await copied('copy-report');
      assert.match(text, /- Devices: `1`, `1 ready`\n/);
      assert.doesNotMatch(text, /#### Device/);
      await looksWell('3-broker');
    });

    it('of a job is copied from its card', async () => {
      const { page } = editor;
      const patch = { wifi: { ssid: secret, password: secret }, settings: { [secret]: secret } };
      const plan = await post('plans', { action: 'set', devices: ['never-seen'], patch, allowRisky: true });
      const started = await post(`plans/${String(Reflect.get(Object(plan), 'id'))}/start`, {});
      const job = String(Reflect.get(Object(Reflect.get(Object(started), 'jobs')), 0));
      await page.locator(`${sidebar} .homie-strip :is(.homie-link, .homie-jobline):visible`).click();
      await page.locator(key(`copy-report-${job}`)).waitFor();
      await looksWell('4-job');
      const text = await copied(`copy-report-${job}`);
      assert.match(text, new RegExp(`#### Job \`${job.slice(0, 8)}\`\n\n- Change: \`configuration\`\n`));
      assert.match(text, /- Paths: `wifi\.ssid`, `wifi\.password`, `settings\.•••`\n/);
      assert.match(text, /- Settings that are not the default \(times in ms\): `allowRisky: true`\n/);
      assert.match(text, /- `never-seen`: `waiting`, `never_seen`\n/);
      await page.locator(key('back')).click();
    });

    it('is shown where the browser does not allow copying', async () => {
      const { page } = editor;
      await page.evaluate('document.execCommand = () => false');
      await page.locator(key('copy-report')).click();
      await page.getByText('The browser did not allow copying.').waitFor();
      const selected =
        'document.activeElement.value.slice(document.activeElement.selectionStart, document.activeElement.selectionEnd)';
      await page.waitForFunction(`${selected}.startsWith('### Report of node-red-homie-ota')`);
      await looksWell('5-shown');
      await page.keyboard.press('Escape');
      await page.waitForFunction("document.activeElement.dataset.key === 'copy-report'");
    });
  });
}
