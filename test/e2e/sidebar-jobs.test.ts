import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { buildEsp8266Image, running as old } from '../support/images';
import { ADMIN, fresh, LoggedIn, OCTETS } from '../support/logged-in';
import { startNodeRed, type NodeRed } from '../support/node-red';

const image = (version: string): Buffer =>
  buildEsp8266Image({ name: 'my-light', version, size: 60_000, seed: Number(version.replaceAll('.', '')) });

const sidebar = '.homie-sidebar';
const row = `${sidebar} .homie-row`;

/** Updates two devices with what is posted to it. */
const nightly = [
  { id: 'in', type: 'http in', z: 'flow', url: '/nightly', method: 'post', upload: false, wires: [['ota', 'out']] },
  { id: 'ota', type: 'homie-ota', z: 'flow', name: 'nightly', broker: 'homie', device: 'hall-light,kitchen-light' },
  { id: 'out', type: 'http response', z: 'flow', statusCode: '', headers: {}, wires: [] },
].map((node, index) => ({ wires: [[], [], []], x: 200 + 200 * index, y: 100, ...node }));

const openSidebar = async ({ page }: Editor): Promise<void> => {
  await page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
  await page.locator(row).first().waitFor();
};

// Each line of Node-RED in one of the two themes.
for (const { title, tag, options, dark } of runtimes.filter((each) => each.dark === (each.tag !== '4'))) {
  describeIf(chromiumAvailable())(`jobs in the sidebar of ${title}`, () => {
    let broker: AedesBroker;
    let nodeRed: NodeRed;
    let editor: Editor;
    let second: Editor;
    const devices = new Map<string, SimulatedDevice>();

    before(async () => {
      broker = await startAedes();
      for (const [id, name] of [
        ['kitchen-light', 'Kitchen'],
        ['hall-light', 'Hall'],
        ['garden-light', 'Garden'],
      ] as const) {
        const device = new SimulatedDevice({ url: broker.url, id, name, image: old, uptime: 3600, statsInterval: 5 });
        devices.set(id, device);
        await device.start();
      }
      const settings = { canary: '1', soak: '120', maxFailures: '1' };
      nodeRed = await startNodeRed({
        ...options,
        flows: [
          { id: 'flow', type: 'tab', label: 'Flow' },
          {
            id: 'homie',
            type: 'homie-broker',
            name: 'at home',
            host: '127.0.0.1',
            port: String(broker.port),
            baseTopic: 'homie/',
            ...settings,
          },
          ...nightly,
        ],
      });
      editor = await Editor.open(nodeRed.url, { dark });
      second = await Editor.open(nodeRed.url, { dark });
      for (const each of [editor, second]) {
        await each.page.setViewportSize({ width: 1400, height: 860 });
        await openSidebar(each);
        // The place below is for the debug messages: their button closes it.
        if (tag !== '4') await each.page.locator('[data-tab-id=debug]').click();
      }
    });

    after(async () => {
      await editor.close();
      await second.close();
      await nodeRed.stop();
      await Promise.all([...devices.values()].map((device) => device.stop()));
      await broker.close();
    });

    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.capture(`${tag}-jobs-failed`);
      editor.quiet();
      second.quiet();
    });

    const send = async (path: string, body: Uint8Array<ArrayBuffer> | string, type: string): Promise<string> => {
      const headers = { 'content-type': type };
      const response = await fetch(`${nodeRed.url}/${path}`, { method: 'POST', headers, body });
      assert.equal(response.status, 200);
      return response.text();
    };
    const post = async (path: string, body: object): Promise<Record<string, unknown>> =>
      Object(JSON.parse(await send(path, JSON.stringify(body), 'application/json')));
    const upload = (path: string, bytes: Buffer): Promise<string> => send(path, new Uint8Array(bytes), OCTETS);
    /** Starts what a plan does. */
    const start = async (request: object): Promise<void> => {
      const { id } = await post('homie-ota/brokers/homie/plans', request);
      await post(`homie-ota/brokers/homie/plans/${String(id)}/start`, {});
    };
    const update = async (version: string, ids?: readonly string[]): Promise<void> => {
      await upload('homie-ota/brokers/homie/offers', image(version));
      await start({ action: 'update', ...(ids && { devices: ids }) });
    };
    const cardOf = (text: string, { page } = editor): Locator =>
      page.locator(`${sidebar} .homie-compact`, { hasText: text });
    const fullCardOf = (text: string, { page } = editor): Locator =>
      page.locator(`${sidebar} .homie-job`, { hasText: text });
    const press = async (where: Locator, action: string): Promise<void> => {
      await where.getByRole('button', { name: `${action}: ` }).click();
    };
    const confirm = async (action: string, { page } = editor): Promise<void> => {
      await page.getByRole('button', { name: `${action} now: ` }).click();
    };
    const openJobs = async ({ page } = editor): Promise<void> => {
      await page.locator(`${sidebar} [data-key="jobs"]`).click();
      await page.getByRole('heading', { name: 'Jobs' }).waitFor();
    };
    const back = ({ page } = editor): Promise<void> => page.getByRole('button', { name: 'Back' }).click();
    /** Asserts that all is readable, also for a screen reader, and keeps a picture. */
    const looksWell = async (name: string): Promise<void> => {
      await editor.settled();
      await editor.notificationsGone();
      await editor.fits(`${sidebar} :is(.homie-strip, .homie-offerline, .homie-view)`);
      await editor.accessible(sidebar);
      await editor.screenshot(`${tag}-jobs-${name}`);
    };

    it('counts the seconds down that a canary is observed, also after a reload', async () => {
      const { page } = editor;
      await update('1.1.0');
      const card = cardOf('my-light 1.1.0 → 3 devices');
      await card.getByText(/observing canary \S+, \d+ \w+ left/).waitFor();
      await page.waitForFunction(`(() => {
        const why = document.querySelector('${sidebar} .homie-compact .homie-why')?.textContent;
        (window.left ??= new Set()).add(/, (\\d+)/.exec(why)?.[1]);
        return window.left.size > 2;
      })()`);
      await looksWell('1-canary');
      await editor.reload();
      await openSidebar(editor);
      await card.getByText(/observing canary \S+/).waitFor();
      await press(card, 'Pause');
      await card.getByText('paused').waitFor();
      assert.equal(await card.getAttribute('data-state'), 'paused');
    });

    it('shows a paused job in a second browser, which resumes it', async () => {
      const card = cardOf('my-light 1.1.0 → 3 devices', second);
      await card.getByText('paused').waitFor();
      await press(card, 'Resume');
      await second.page.getByRole('heading', { name: 'Resume: my-light 1.1.0 → 3 devices' }).waitFor();
      await confirm('Resume', second);
      for (const each of [editor, second]) {
        await cardOf('my-light 1.1.0', each)
          .getByText(/observing canary \S+/)
          .waitFor();
      }
      await press(card, 'Cancel');
      await second.page.getByText('The job will be canceled for 2 devices.').waitFor();
      await confirm('Cancel', second);
      for (const each of [editor, second]) await cardOf('my-light 1.1.0', each).waitFor({ state: 'detached' });
      const received = [...devices.values()].map((device) => device.received.length);
      assert.equal(received.filter((number) => number > 0).length, 1, String(received));
    });

    it('lists the jobs that have ended until they are closed', async () => {
      await openJobs();
      await openJobs(second);
      const card = fullCardOf('my-light 1.1.0 → 3 devices');
      await card.getByText('1 verified, 2 canceled').waitFor();
      assert.match(await card.innerText(), /by Homie sidebar[^]*started [^]*ended /);
      await looksWell('2-ended');
      await press(card, 'Close');
      await card.waitFor({ state: 'detached' });
      await fullCardOf('my-light 1.1.0', second).waitFor({ state: 'detached' });
      await editor.reload();
      await openSidebar(editor);
      assert.equal(await editor.page.locator(`${sidebar} [data-key="jobs"]`).count(), 0);
      await back(second);
    });

    it('says why failures have stopped a job, and retries it', async () => {
      for (const device of devices.values()) device.misbehavior = { comesBackWith: device.image };
      await update('1.2.0');
      const card = cardOf('my-light 1.2.0 → 3 devices');
      await card.getByText('stopped after 1 failure: Retry or Close').waitFor();
      await looksWell('3-stopped');
      await card.getByRole('button', { name: 'my-light 1.2.0 → 3 devices', exact: true }).click();
      const full = fullCardOf('my-light 1.2.0');
      await full.getByText('stopped by failures').waitFor();
      await full.getByText('1 failed, 2 waiting').waitFor();
      assert.notEqual((await full.locator('[data-verdict=bad]').innerText()).trim(), '');
      await looksWell('4-stopped-card');
      for (const device of devices.values()) device.misbehavior = {};
      await press(full, 'Retry');
      await editor.page.getByRole('heading', { name: 'Retry: my-light 1.2.0 → 3 devices' }).waitFor();
      await confirm('Retry');
      await card.getByText(/observing canary \S+/).waitFor();
      assert.equal(await editor.page.locator(row, { hasText: '1.2.0' }).getByText('verified').count(), 1);
      await press(card, 'Cancel');
      await confirm('Cancel');
      await card.waitFor({ state: 'detached' });
    });

    it('says for which device a job waits, and cancels it', async () => {
      await devices.get('hall-light')?.stop();
      await editor.page.locator(row, { hasText: 'Hall' }).getByText('lost').waitFor();
      await update('1.3.0', ['hall-light']);
      const card = cardOf('my-light 1.3.0 → Hall');
      await card.getByText(/waits for hall-light to return \(last seen .+\)/).waitFor();
      await looksWell('5-offline');
      await press(card, 'Cancel');
      await editor.page.getByText('The job will be canceled for 1 device.').waitFor();
      assert.equal(await card.count(), 0, 'the plan covers the cards');
      await confirm('Cancel');
      await card.waitFor({ state: 'detached' });
      await openJobs();
      await fullCardOf('my-light 1.3.0 → Hall').getByText('1 canceled').waitFor();
      await back();
    });

    it('keeps the card of a configuration change in a reload', async () => {
      await start({ action: 'set', devices: ['hall-light'], patch: { name: 'Corridor' } });
      await cardOf('Configuration: name → Hall').getByText('waits for hall-light').waitFor();
      await editor.reload();
      await openSidebar(editor);
      await cardOf('Configuration: name → Hall').getByText('waits for hall-light').waitFor();
      await devices.get('hall-light')?.start();
      await editor.page.locator(row, { hasText: 'Corridor' }).waitFor();
      await openJobs();
      await fullCardOf('Configuration: name → Corridor').getByText('1 changed').waitFor();
      await looksWell('6-changed');
      await back();
    });

    it('shows and steers the job of a node', async () => {
      await upload('nightly', image('1.4.0'));
      const card = cardOf('my-light 1.4.0 → 2 devices');
      await card.getByText(/observing canary \S+/).waitFor();
      await press(card, 'Pause');
      await editor.page.waitForFunction("/paused/.test(RED.nodes.node('ota').status?.text)");
      await openJobs();
      await fullCardOf('my-light 1.4.0').getByText('by nightly').waitFor();
      await press(fullCardOf('my-light 1.4.0'), 'Cancel');
      await confirm('Cancel');
      await card.waitFor({ state: 'detached' });
      await editor.page.waitForFunction("/✓1/.test(RED.nodes.node('ota').status?.text)");
    });

    it('leaves six devices visible where the sidebar is low, with all jobs in one line', async () => {
      const { page } = editor;
      await devices.get('hall-light')?.stop();
      await page.locator(row, { hasText: 'Corridor' }).getByText('lost').waitFor();
      for (const version of ['1.5.0', '1.6.0']) await update(version, ['hall-light']);
      await start({ action: 'set', devices: ['hall-light'], patch: { device_stats_interval: 30 } });
      await cardOf('Configuration: device_stats_interval → Corridor').waitFor();
      await page.evaluate(`document.querySelector('${sidebar}').style.height = '400px'`);
      const line = page.locator(`${sidebar} [data-key="all-jobs"]`);
      await line.getByText('2 jobs').waitFor();
      assert.equal(await cardOf('').first().isVisible(), false);
      // The table learns of its height only after the strip of the jobs.
      await page.locator(`${sidebar} .homie-low .homie-row`, { hasText: 'Corridor' }).waitFor();
      const rows = await page.evaluate<number>(
        `document.querySelector('${sidebar} .homie-grid').clientHeight / document.querySelector('${row}').offsetHeight`,
      );
      assert.ok(rows >= 6, `${rows} rows`);
      await looksWell('7-low');
      await line.click();
      await fullCardOf('Configuration: device_stats_interval → Corridor').waitFor();
      await fullCardOf('my-light 1.6.0 → Corridor').waitFor();
      await looksWell('8-low-jobs');
    });
  });
}

describeIf(chromiumAvailable())('jobs and firmware in the sidebar for a user with only homie-ota.read', () => {
  let site: LoggedIn;
  let editor: Editor;

  before(async () => {
    const reader = 'flows.read nodes.read plugins.read settings.read status.read homie-ota.read';
    site = await LoggedIn.start({ users: { reader }, devices: [{ name: 'Kitchen' }] });
    editor = await Editor.open(site.nodeRed.url, { token: site.token('reader') });
  });
  after(async () => {
    await editor?.close();
    await site?.stop();
  });

  it('are shown, without any button that changes something', async () => {
    const { page } = editor;
    await site.devices[0]?.stop();
    await openSidebar(editor);
    await page.locator(row, { hasText: 'lost' }).waitFor();
    const offered = await site.ask(ADMIN, 'brokers/broker/offers', { body: new Uint8Array(fresh), type: OCTETS });
    assert.equal(offered.status, 200);
    const plan = await site.json(ADMIN, 'brokers/broker/plans', { action: 'update', devices: ['kitchen-light'] });
    await site.json(ADMIN, `brokers/broker/plans/${String(plan.body['id'])}/start`, {});
    await page.locator(`${sidebar} .homie-compact`, { hasText: 'my-light 1.1.0 → Kitchen' }).waitFor();
    const changing = page.locator(`${sidebar} :is(.homie-jobbuttons, .homie-drop, .homie-buttons, input[type=file])`);
    assert.equal(await changing.count(), 0);
    await page.getByRole('button', { name: 'On offer: my-light 1.1.0' }).click();
    await page.locator(`${sidebar} .homie-offer-card`, { hasText: 'On offer for 1 device' }).waitFor();
    assert.equal(await changing.count(), 0);
    await page.getByRole('button', { name: 'Back' }).click();
    await page.locator(`${sidebar} [data-key="jobs"]`).click();
    await page.locator(`${sidebar} .homie-job`, { hasText: 'waits for kitchen-light' }).waitFor();
    assert.equal(await changing.count(), 0);
    await editor.settled();
    await editor.fits(`${sidebar} :is(.homie-strip, .homie-offerline, .homie-view)`);
    await editor.accessible(sidebar);
  });
});
