import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { HANG_LIMIT } from '../support/limits';
import { root, startNodeRed, type NodeRed } from '../support/node-red';
import { dashboardSettings, dashboardUserDir } from './dashboard-user-dir';
import { readExample } from '../nodes/example-files';
import { untidy } from './examples-layout';

const PACKAGE = '@homie-ota/node-red-homie-ota';

for (const { title, tag, options } of runtimes.filter(({ dark }) => !dark)) {
  describeIf(chromiumAvailable())(`the examples in the editor of ${title}`, () => {
    let userDir: string;
    let nodeRed: NodeRed;
    let editor: Editor;
    let names: string[];

    before(async () => {
      const files = await readdir(path.join(root, 'examples'));
      names = files.map((file) => path.basename(file, '.json')).sort();
      userDir = await dashboardUserDir();
      nodeRed = await startNodeRed({ ...options, userDir, settings: dashboardSettings });
      editor = await Editor.open(nodeRed.url);
      await editor.page.setViewportSize({ width: 1400, height: 1200 });
    });
    after(async () => {
      await editor.close();
      await nodeRed.stop();
      await rm(userDir, { recursive: true, force: true });
    });
    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.capture(`${tag}-examples-failed`);
      editor.quiet();
    });

    const dialog = '#red-ui-clipboard-dialog';

    /** Opens the menu of the examples, as far as those of the package. */
    const openMenu = async (): Promise<void> => {
      const { page } = editor;
      await page.evaluate("RED.actions.invoke('core:show-examples-import-dialog')");
      const list = page.locator(`${dialog} .red-ui-treeList-label`);
      await list.getByText(PACKAGE, { exact: true }).click();
      await list.getByText(names[0] ?? '', { exact: true }).waitFor();
      // While it unfolds, a click hits another entry.
      await editor.settled();
    };
    const shownNames = (): Promise<string[]> =>
      editor.page.locator(`${dialog} .red-ui-treeList-label:visible`).allInnerTexts();

    it('are in the import menu, in their order', async () => {
      await openMenu();
      const shown = (await shownNames()).map((name) => name.trim()).filter((name) => names.includes(name));
      assert.deepEqual(shown, names);
      await editor.settled();
      await editor.screenshot(`${tag}-examples-0-menu`);
      await editor.page.keyboard.press('Escape');
      await editor.page.locator(dialog).waitFor({ state: 'hidden' });
    });

    it('are imported one after the other, each tidy and without anything that the editor does not know', async () => {
      const { page } = editor;
      // What the editor says of each import would cover the pictures.
      const notifications = (shown: boolean): Promise<unknown> =>
        page.evaluate(`$('#red-ui-notifications').toggle(${shown})`);
      let hasBroker = false;
      for (const [index, name] of names.entries()) {
        await openMenu();
        await page.locator(`${dialog} .red-ui-treeList-label`).getByText(name, { exact: true }).click();
        await page.locator(`${dialog}-ok:not([disabled])`).click();
        await page.locator(dialog).waitFor({ state: 'hidden' });
        const needsBroker = readExample(name).some(({ type }) => type === 'homie-broker');
        if (hasBroker && needsBroker) await page.getByRole('button', { name: 'Import copy' }).click();
        hasBroker ||= needsBroker;
        const show = `(() => {
          let tab;
          RED.nodes.eachWorkspace(({ id, label }) => { if (label === ${JSON.stringify(name)}) tab = id; });
          if (tab !== undefined) RED.workspaces.show(tab);
          return tab !== undefined && RED.workspaces.active() === tab;
        })()`;
        await page.waitForFunction(show);
        await notifications(false);
        await editor.settled();
        // It is drawn some time after it is shown. What is still wrong then is told by the assertion.
        await page
          .waitForFunction(`(${untidy}).length === 0`, undefined, { timeout: HANG_LIMIT })
          .catch(() => undefined);
        assert.deepEqual(await page.evaluate(untidy), [], name);
        await editor.screenshot(`${tag}-examples-${index + 1}`);
        await notifications(true);
      }
      const ids = `(() => {
        const found = [];
        RED.nodes.eachConfig(({ type, id, users }) => type === 'homie-broker' && found.push([id, users.length]));
        return found;
      })()`;
      const nodes = names.flatMap(readExample);
      const [broker] = nodes.filter(({ type }) => type === 'homie-broker');
      const users = nodes.filter((node) => node['broker'] === broker?.id);
      assert.deepEqual(await page.evaluate(ids), [[broker?.id, users.length]]);
      assert.equal(await page.evaluate("RED.nodes.filterNodes({ type: 'unknown' }).length"), 0);
      const invalid = `(() => {
        const found = [];
        const look = ({ type, name, valid, validationErrors }) => valid === false && found.push([type, name, validationErrors]);
        RED.nodes.eachNode(look);
        RED.nodes.eachConfig(look);
        return found;
      })()`;
      assert.deepEqual(await page.evaluate(invalid), []);
    });

    it('are deployed together, and nothing is wrong but that there is no broker', async () => {
      await editor.deploy();
      const log = nodeRed
        .log()
        .split('\n')
        .filter((line) => /\[(warn|error)\]/.test(line));
      const usual = /Projects disabled|Encrypted credentials not found|cannot be reached: nothing is listening there/;
      assert.deepEqual(
        log.filter((line) => !usual.test(line)),
        [],
      );
    });
  });
}
