/** The examples that find their firmware themselves: in a folder, and in releases. */
import assert from 'node:assert/strict';
import { mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { FileServer } from '../support/file-server';
import { buildEsp8266Image } from '../support/images';
import { githubRelease } from '../support/releases';
import { readExample } from './example-files';
import { Stage } from './examples-stage';
import { closedWindow, next, payload, running, state } from './scene';

const older = buildEsp8266Image({ name: 'my-light', version: '1.0.9', size: 60_000, seed: 4 });
const final = buildEsp8266Image({ name: 'my-light', version: 'final', size: 60_000, seed: 5 });
const plug = buildEsp8266Image({ name: 'my-plug', version: '1.0.0', size: 60_000, seed: 6 });
const nextPlug = buildEsp8266Image({ name: 'my-plug', version: '1.10.0', size: 60_000, seed: 7 });
const olderPlug = buildEsp8266Image({ name: 'my-plug', version: '1.9.0', size: 60_000, seed: 8 });

const text = (pattern: RegExp) => (msg: { payload?: unknown }) => pattern.test(String(payload(msg, 'text')));
const sent = (devices: readonly { readonly received: readonly unknown[] }[]): number[] =>
  devices.map(({ received }) => received.length);

describe('an example that finds firmware', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await Stage.open();
  });
  afterEach(() => stage.close());

  describe('2 - Nightly update of all devices', () => {
    const name = '2 - Nightly update of all devices';
    beforeEach(() => writeFile(stage.file('firmware.bin'), next));

    const play = (settings: object = {}): Promise<void> =>
      stage.play(name, { nodes: { 'update all': { soak: '0', window: '', ...settings } } });
    const notified = (pattern: RegExp) => stage.shown('notify me').first(text(pattern));

    it('is made of eight nodes without a function', () => {
      const nodes = readExample(name).filter(({ type }) => type !== 'tab' && type !== 'group');
      assert.equal(nodes.length, 8);
      assert.ok(!nodes.some(({ type }) => type === 'function'));
    });

    it('installs the highest version of each firmware on all devices that run it', async () => {
      await writeFile(stage.file('older.bin'), older);
      await writeFile(stage.file('plug-1.10.bin'), nextPlug);
      await writeFile(stage.file('plug-1.9.bin'), olderPlug);
      await writeFile(stage.file('notes.txt'), 'not for devices');
      const lights = [await stage.device('a'), await stage.device('b')];
      const socket = await stage.device('c', { image: plug });
      await play();
      stage.press('every night at 1:00');
      await Promise.all([...lights, socket].map((device) => stage.updated(device.id)));
      for (const light of lights) assert.deepEqual(light.image, next);
      assert.deepEqual(socket.image, nextPlug);
      assert.deepEqual(sent([...lights, socket]), [1, 1, 1]);
      assert.deepEqual(stage.shown('notify me').messages, []);
    });

    it('sends nothing by day, and says in a check what the night would bring', async () => {
      const lights = [await stage.device('a'), await stage.device('b')];
      await play({ window: closedWindow() });
      stage.press('every night at 1:00');
      await stage.waiting('a', 'window');
      stage.press('check');
      await notified(/^2 devices: 2 update\. There is no way back/);
      assert.deepEqual(sent(lights), [0, 0]);
    });

    it('refuses a firmware whose highest version cannot be determined, and updates the others all the same', async () => {
      await writeFile(stage.file('final.bin'), final);
      await writeFile(stage.file('plug.bin'), nextPlug);
      const light = await stage.device('a');
      const socket = await stage.device('c', { image: plug });
      await play();
      stage.press('every night at 1:00');
      const told = await notified(/^Found my-plug 1\.10\.0 in .*; refused: 2\.$/);
      assert.deepEqual(
        [0, 1].map((index) => payload(told, `refused.${index}.error.code`)),
        ['VERSION_UNCLEAR', 'VERSION_UNCLEAR'],
      );
      await stage.updated('c');
      assert.deepEqual(sent([light, socket]), [0, 1]);
    });

    it('refuses two images of one version and time, unless they are the same', async () => {
      await writeFile(stage.file('twin.bin'), buildEsp8266Image({ name: 'my-light', version: '1.1.0', seed: 9 }));
      for (const file of ['firmware.bin', 'twin.bin']) await utimes(stage.file(file), 1_700_000_000, 1_700_000_000);
      const light = await stage.device('a');
      await play();
      stage.press('every night at 1:00');
      assert.equal(payload(await notified(/refused: 2/), 'refused.0.error.code'), 'VERSION_UNCLEAR');
      assert.deepEqual(sent([light]), [0]);
      await writeFile(stage.file('twin.bin'), next);
      stage.press('every night at 1:00');
      await stage.updated('a');
      assert.deepEqual(light.image, next);
    });

    it('reports what is not firmware, ignores what no device runs, and updates the others', async () => {
      await writeFile(stage.file('page.bin'), '<!DOCTYPE html><html></html>');
      await writeFile(stage.file('nobody-runs-it.bin'), nextPlug);
      await mkdir(stage.file('folder.bin'));
      await symlink(stage.file('firmware.bin'), stage.file('link.bin'));
      const light = await stage.device('a');
      await play();
      stage.press('every night at 1:00');
      await stage.updated('a');
      const { messages } = stage.shown('notify me');
      assert.equal(messages.length, 1);
      const [told = {}] = messages;
      assert.match(String(payload(told, 'text')), /^Found my-light 1\.1\.0, my-plug 1\.10\.0 in .*; refused: \d\.$/);
      assert.ok(JSON.stringify(payload(told, 'refused')).includes('FIRMWARE_IS_HTML'));
      assert.deepEqual(light.image, next);
    });

    it('reports a folder that is empty, or that is not there', async () => {
      await rm(stage.file('firmware.bin'));
      await play();
      stage.press('every night at 1:00');
      const empty = await stage.shown('notify me').first();
      assert.equal(payload(empty, 'counts.found'), 0);
      await rm(stage.folder, { recursive: true });
      stage.press('every night at 1:00');
      const gone = await stage.shown('notify me').nth(2);
      assert.match(String(payload(gone, 'error.code')), /^SOURCE_|^FOLDER_/);
    });

    it('notifies when an update failed, starts no other device night after night, and continues after a retry', async () => {
      const bad = await stage.device('a', { misbehavior: { comesBackWith: running } });
      const good = await stage.device('b');
      await play();
      stage.press('every night at 1:00');
      await notified(/A canary device failed after its update, /);
      assert.deepEqual(sent([bad, good]), [1, 0]);
      stage.press('every night at 1:00');
      await stage.shown('notify me').nth(2);
      assert.deepEqual(sent([bad, good]), [1, 0]);

      bad.misbehavior = {};
      stage.send('homie-ota', 'update all', { action: 'retry' });
      await Promise.all([stage.updated('a'), stage.updated('b')]);
      assert.deepEqual([bad.image, good.image], [next, next]);
    });

    it('starts nothing outside of its window', async () => {
      const light = await stage.device('a');
      await play({ window: closedWindow(), expires: '1' });
      stage.press('every night at 1:00');
      const told = await stage.shown('notify me').first(state('timed_out'));
      assert.equal(payload(told, 'devices.0.error.code'), 'WINDOW_CLOSED');
      assert.deepEqual(sent([light]), [0]);
    });
  });

  describe('Firmware from GitHub releases', () => {
    const name = 'Firmware from GitHub releases';
    const token = 'correct-horse-battery';
    let server: FileServer;
    beforeEach(async () => {
      server = await FileServer.start();
    });
    afterEach(() => server.close());

    const release = (tag: string, published: string, image: Buffer): object => {
      server.file(`/files/${tag}.bin`, image);
      const asset = { name: `light-${tag}.bin`, size: image.length, page: `${server.origin}/files/${tag}.bin` };
      return githubRelease({ tag, published, assets: [asset] });
    };

    it('offers the newest release, lists the devices that have an update, and updates them when asked', async () => {
      server.json('/repos/owner/name/releases', [
        release('v1.1.0', '2026-11-01T10:00:00Z', next),
        release('v1.0.9', '2026-10-01T10:00:00Z', older),
      ]);
      const lights = [await stage.device('attic-light'), await stage.device('cellar-light')];
      const current = await stage.device('hall-light', { image: next });
      const nodes = { 'find firmware': { api: server.origin }, 'update all': { soak: '0' } };
      await stage.play(name, { nodes, credentials: { 'find firmware': { token } } });

      stage.press('every day');
      await stage.shown('on offer').first(text(/^my-light 1\.1\.0 is on offer for 3 known devices\.$/));
      assert.ok(
        server
          .requests('/repos/owner/name/releases')
          .every(({ headers }) => headers.authorization === `Bearer ${token}`),
      );
      stage.press('list updates');
      const { payload: list } = await stage.shown('updates').first();
      assert.deepEqual(list, [
        { device: 'attic-light', installed: '1.0.0', offered: '1.1.0' },
        { device: 'cellar-light', installed: '1.0.0', offered: '1.1.0' },
      ]);
      assert.deepEqual(sent([...lights, current]), [0, 0, 0]);

      stage.press('update');
      await stage.shown('summary').first(text(/^3 devices: .*2 updated \(attic-light, cellar-light\)/));
      for (const light of lights) assert.deepEqual(light.image, next);
      stage.press('list updates');
      assert.deepEqual((await stage.shown('updates').nth(2)).payload, []);
      assert.deepEqual(sent([...lights, current]), [1, 1, 0]);
      assert.ok(!stage.everything().includes(token));
    });

    it('says why the releases cannot be read, and offers nothing', async () => {
      await stage.device('attic-light');
      server.status('/repos/owner/name/releases', 401);
      await stage.play(name, {
        nodes: { 'find firmware': { api: server.origin } },
        credentials: { 'find firmware': { token } },
      });
      stage.press('every day');
      const told = await stage.shown('report').first();
      assert.match(String(payload(told, 'error.hint')), /token/i);
      assert.deepEqual(stage.shown('on offer').messages, []);
      assert.ok(!stage.everything().includes(token));
    });
  });
});
