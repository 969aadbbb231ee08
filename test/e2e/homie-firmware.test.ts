/** The dialog of homie-firmware, and what its button shows. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes, type Appearance } from '../support/editor';
import { FileServer } from '../support/file-server';
import { next, running } from '../support/images';
import { startNodeRed, type NodeRed } from '../support/node-red';
import { githubRelease } from '../support/releases';

const form = '.homie-firmware-form';
const picture = '<img src=x onerror="window.broken=1">.bin';

const looks: readonly (Appearance & { readonly look: string; readonly found: RegExp })[] = [
  { dark: true, language: 'de', look: 'de-dark', found: /^my-light 1\.1\.0 in .* gefunden; abgelehnt: 1\.$/ },
  { dark: false, language: 'en-US', look: 'en-light', found: /^Found my-light 1\.1\.0 in .*; refused: 1\.$/ },
];

for (const { title, tag, options } of runtimes.filter(({ dark }) => !dark)) {
  describeIf(chromiumAvailable())(`homie-firmware in the editor of ${title}`, () => {
    let folder: string;
    let server: FileServer;
    let nodeRed: NodeRed;
    let editor: Editor;

    before(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'firmware-'));
      await writeFile(path.join(folder, 'my-light-1.0.0.bin'), running);
      await writeFile(path.join(folder, 'my-light-1.1.0.bin'), next);
      await writeFile(path.join(folder, 'broken.bin'), 'no image');
      server = await FileServer.start();
      server.file('/my-light.bin', next);
      const asset = (name: string, id: number) => ({
        name,
        id,
        size: next.length,
        page: `${server.origin}/my-light.bin`,
      });
      const missing = { ...asset(picture, 2), page: `${server.origin}/none` };
      const release = { tag: 'v1.1.0', published: '2026-11-01T10:00:00Z', assets: [asset('my-light.bin', 1), missing] };
      server.json('/repos/owner/name/releases', [githubRelease(release)]);
      const node = { id: 'firmware', type: 'homie-firmware', x: 200, y: 80, z: 'flow', wires: [[], []] };
      nodeRed = await startNodeRed({
        ...options,
        flows: [
          { id: 'flow', type: 'tab', label: 'firmware' },
          { ...node, source: 'folder', folder },
        ],
      });
      editor = await Editor.open(nodeRed.url, looks[0]);
    });
    after(async () => {
      await editor?.close();
      await nodeRed?.stop();
      await server?.close();
      if (folder !== undefined) await rm(folder, { recursive: true });
    });
    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.capture(`${tag}-firmware-failed`);
      editor.quiet();
    });

    const field = (name: string) => editor.page.locator(`#node-input-${name}`);
    const searchNow = async (mood: string): Promise<string> => {
      await editor.page.locator('#homie-firmware-test').press('Enter');
      await editor.page.locator(`#homie-firmware-answer[data-mood=${mood}]`).waitFor();
      await editor.page.locator('#homie-firmware-test:not([disabled])').waitFor();
      // Its color changes slowly.
      await editor.settled();
      return editor.page.locator('#homie-firmware-answer').innerText();
    };

    for (const { look, found, ...appearance } of looks) {
      it(`shows what a search finds, and nothing that overlaps, is cut off or hard to read: ${look}`, async () => {
        const { page } = editor;
        await page.setViewportSize({ width: 1500, height: 1400 });
        await editor.appear(appearance);
        await editor.edit('firmware');
        assert.match(await searchNow('good'), found);
        const lines = page.locator('#homie-firmware-list li');
        assert.match(await lines.nth(0).innerText(), /^my-light 1\.1\.0 \(esp8266\): .*\(my-light-1\.1\.0\.bin\)\.$/);
        assert.match(await lines.nth(1).innerText(), /^broken\.bin: /);
        const check = async (name: string): Promise<void> => {
          await editor.fits(form);
          await editor.accessible(form);
          await editor.picture(form, `${tag}-${look}-homie-firmware-${name}`);
        };
        await check('folder');
        await field('source').selectOption('releases');
        await field('api').fill(server.origin);
        await field('repository').fill('owner/name');
        assert.match(await searchNow('good'), found);
        assert.ok((await lines.nth(1).innerText()).startsWith(`${picture}: `));
        assert.equal(await page.evaluate('window.broken'), undefined);
        await check('releases');
        await field('source').selectOption('url');
        await field('url').fill(`${server.origin}/none`);
        assert.match(await searchNow('bad'), /404/);
        assert.equal(await lines.count(), 0);
        await check('url');
        await editor.cancel();
      });
    }

    it('shows the fields of the source, and says which one is missing', async () => {
      const { page } = editor;
      await editor.appear({});
      await editor.edit('firmware');
      const visible = (): Promise<string[]> =>
        page
          .locator(`${form} input:visible, ${form} select:visible`)
          .evaluateAll((all) => all.map(({ id }) => id.replace('node-input-', '')));
      const [first, last] = [
        ['name', 'source'],
        ['onlyChanged', 'timeout'],
      ];
      assert.deepEqual(await visible(), [...first, 'folder', 'subfolders', 'pattern', ...last]);
      await field('source').selectOption('url');
      assert.deepEqual(await visible(), [...first, 'url', 'user', 'password', 'token', ...last]);
      assert.equal(await page.locator('#node-input-url.input-error').count(), 1);
      await field('url').fill('https://user:word@build.example/a.bin');
      await field('url').blur();
      assert.equal(await page.locator('#node-input-url.input-error').count(), 1);
      await field('url').fill('https://build.example/a.bin');
      await field('url').blur();
      assert.equal(await page.locator('.input-error:visible').count(), 0);
      await field('source').selectOption('releases');
      const releases = ['api', 'repository', 'token', 'pattern', 'releases', 'prereleases'];
      assert.deepEqual(await visible(), [...first, ...releases, ...last]);
      await editor.cancel();
    });

    it('keeps each property and secret over deploy and reload, and uses a stored secret where it belongs', async () => {
      const set = { url: `${server.origin}/my-light.bin`, user: 'anna', password: 'a password', timeout: '60' };
      await editor.edit('firmware');
      await field('source').selectOption('url');
      for (const [name, value] of Object.entries(set)) await field(name).fill(value);
      await field('onlyChanged').check();
      await editor.ok();
      await editor.deploy();
      await editor.reload();
      assert.equal(await editor.property('firmware', 'valid'), true);
      await editor.edit('firmware');
      await editor.page.waitForFunction("$('#node-input-password').val() === '__PWRD__'");
      assert.deepEqual(
        await Promise.all(['source', 'url', 'user', 'timeout'].map((name) => field(name).inputValue())),
        ['url', set.url, 'anna', '60'],
      );
      assert.ok(await field('onlyChanged').isChecked());
      await searchNow('good');
      const basic = `Basic ${Buffer.from('anna:a password').toString('base64')}`;
      assert.equal(server.received.at(-1)?.headers.authorization, basic);
      const asked = server.received.length;
      await field('url').fill(`${server.origin}/other.bin`);
      assert.match(await searchNow('bad'), /Enter the password or the token again\.$/);
      assert.equal(server.received.length, asked);
      await editor.cancel();
      const flows = await (await fetch(`${nodeRed.url}/flows`)).text();
      assert.ok(!flows.includes('anna') && !flows.includes('a password'));
      // A node that searches elsewhere does not keep them.
      await editor.edit('firmware');
      await field('source').selectOption('folder');
      await editor.ok();
      await editor.deploy();
      await editor.edit('firmware');
      assert.deepEqual([await field('user').inputValue(), await field('password').inputValue()], ['', '']);
      await editor.cancel();
    });
  });
}
