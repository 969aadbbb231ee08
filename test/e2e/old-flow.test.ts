/** A flow that version 0.1.0 has made, in the editor. */
import assert from 'node:assert/strict';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { startNodeRed, type NodeRed } from '../support/node-red';

const form = '.homie-ota-form';
const node = { type: 'homie-ota', x: 200, z: 'flow', broker: 'broker', device: 'device', deviceType: 'msg' };

for (const { title, tag, options } of runtimes.filter(({ dark }) => !dark)) {
  describeIf(chromiumAvailable())(`a flow of version 0.1.0 in ${title}`, () => {
    let nodeRed: NodeRed;
    let editor: Editor;

    before(async () => {
      nodeRed = await startNodeRed({
        ...options,
        flows: [
          { id: 'flow', type: 'tab', label: 'old' },
          { id: 'broker', type: 'homie-broker', host: '127.0.0.1', port: '1', baseTopic: 'homie/' },
          { id: 'old', ...node, y: 80, attempts: '3', wires: [[], [], []] },
          { id: 'untouched', ...node, y: 160, wires: [[], [], []] },
          { id: 'new', ...node, y: 240, settingsVersion: 2, wires: [[], [], []] },
          { id: 'newer', ...node, y: 320, settingsVersion: 3, d: true, wires: [[], [], []] },
        ],
      });
      editor = await Editor.open(nodeRed.url);
    });
    after(async () => {
      await editor.close();
      await nodeRed.stop();
    });
    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.screenshot(`${tag}-old-flow-failed`);
      editor.quiet();
    });

    const deployed = async (id: string): Promise<Record<string, unknown>> => {
      const flows: unknown = await (await fetch(`${nodeRed.url}/flows`)).json();
      assert.ok(Array.isArray(flows));
      return Object(flows.find((each) => Object(each).id === id));
    };

    it('gets the version of the package with its next edit, and keeps its settings', async () => {
      await editor.edit('old');
      await editor.unfold(form);
      await editor.accessible(form);
      await editor.ok();
      await editor.deploy();
      const { settingsVersion, attempts } = await deployed('old');
      assert.deepEqual([Number(settingsVersion), attempts], [2, '3']);
      assert.ok(!('settingsVersion' in (await deployed('untouched'))), 'no other node changes');
    });

    it('stays as it is when a node is only looked at', async () => {
      for (const id of ['untouched', 'new']) {
        const before = await deployed(id);
        await editor.edit(id);
        await editor.cancel();
        assert.deepEqual(await deployed(id), before);
      }
    });

    it('marks a node of a newer version, and never takes its version away', async () => {
      assert.equal(await editor.property('newer', 'valid'), false);
      await editor.edit('newer');
      await editor.page.locator('#node-input-name').fill('renamed');
      await editor.ok();
      assert.equal(Number(await editor.property('newer', 'settingsVersion')), 3);
    });
  });
}
