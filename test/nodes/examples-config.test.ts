import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { functionOf } from './example-files';
import { Stage } from './examples-stage';
import { payload, state } from './scene';

const MASK = '•••';

describe('an example of configurations', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await Stage.open();
  });
  afterEach(() => stage.close());

  describe('5 - Move all devices to another Wi-Fi network', () => {
    const name = '5 - Move all devices to another Wi-Fi network';
    const password = 'c0rrect-h0rse';
    const env = { NEW_SSID: 'upstairs', NEW_PASSWORD: password };
    const quick = { 'move all': { soak: '1', reboot: '3' } };
    /** Options of devices that use the old network, and have the new one in reach. */
    const old = {
      anyNetwork: true,
      config: { wifi: { ssid: 'test', password: 'test', bssid: 'DE:AD:BE:EF:00:01', channel: 6 } },
    };
    const wifi = (device: { readonly file: string }): unknown => JSON.parse(device.file).wifi;
    const moved = { ssid: 'upstairs', password };
    const caught = (msg: { payload?: unknown }): boolean => typeof msg.payload === 'string';

    it('moves the canary first, and the others when it has stayed', async () => {
      const devices = [
        await stage.device('attic', old),
        await stage.device('my-light', old),
        await stage.device('cellar', old),
      ];
      const order: string[] = [];
      for (const device of devices) device.on('boot', () => order.push(device.id));
      await stage.play(name, { env, nodes: quick });

      stage.press('check');
      const checked = await stage.shown('summary').first();
      assert.match(String(payload(checked, 'text')), /^3 devices: /);
      assert.match(JSON.stringify(checked.payload), /"path":"wifi\.ssid"/);
      assert.deepEqual(order, []);

      stage.press('move');
      const canary = await stage.shown('result').first();
      assert.equal(payload(canary, 'device'), 'my-light');
      assert.deepEqual(
        devices.map(({ patches }) => patches.length),
        [0, 1, 0],
      );
      await stage.shown('summary').first(state('succeeded'));
      assert.deepEqual(order, ['my-light', 'attic', 'cellar']);
      for (const device of devices) assert.deepEqual(wifi(device), moved);
      assert.deepEqual(stage.shown('notify me').messages, []);
    });

    it('touches no other device when the canary does not come back, and says so', async () => {
      const lost = await stage.device('my-light');
      const other = await stage.device('attic', old);
      await stage.play(name, { env, nodes: quick });
      stage.press('move');
      const told = await stage.shown('notify me').first();
      assert.match(String(told.payload), /my-light.*no more devices are started|no more devices are started/);
      assert.equal(payload(await stage.shown('result').first(), 'error.code'), 'NOT_BACK');
      assert.deepEqual([lost.patches.length, other.patches.length], [1, 0]);
    });

    it('sends nothing without a name and a password, and shows the password nowhere', async () => {
      const device = await stage.device('my-light', old);
      await stage.play(name, { env: { NEW_SSID: 'upstairs' }, nodes: quick });
      stage.press('move');
      assert.match(String((await stage.shown('notify me').first(caught)).payload), /must be set/);
      assert.equal(device.patches.length, 0);
    });

    it('shows the password in no message and no log', async () => {
      const device = await stage.device('my-light', old);
      await stage.play(name, { env, nodes: quick });
      stage.press('check');
      await stage.shown('summary').first();
      stage.press('move');
      await stage.shown('summary').first(state('succeeded'));
      assert.deepEqual(wifi(device), moved);
      assert.ok(!stage.everything().includes(password));
    });
  });

  describe('6 - Back up and restore configurations', () => {
    const name = '6 - Back up and restore configurations';
    const settings = { greeting: { type: 'text' }, percentage: { type: 'long' }, token: { type: 'text' } } as const;
    const play = (nodes: Record<string, object> = {}): Promise<void> =>
      stage.play(name, { env: { BACKUP_FOLDER: stage.file('backups') }, nodes: { restore: { soak: '0' }, ...nodes } });
    const backup = async (id: string): Promise<{ device: string; config: Record<string, unknown> }> =>
      JSON.parse(await readFile(stage.file(`backups/${id}.json`), 'utf8'));
    const config = { device_stats_interval: 90, settings: { percentage: 20, token: 's3cret-t0ken' } };

    it('writes a file for each device, without secrets', async () => {
      await stage.device('my-light', { config, settings });
      await stage.device('hall-light');
      await play();
      stage.press('weekly');
      await stage.shown('saved').nth(2);
      assert.deepEqual((await readdir(stage.file('backups'))).sort(), ['hall-light.json', 'my-light.json']);
      const { device, config: saved } = await backup('my-light');
      assert.equal(device, 'my-light');
      assert.equal(saved['device_stats_interval'], 90);
      assert.deepEqual(saved['settings'], { percentage: 20, token: MASK });
      assert.doesNotMatch(JSON.stringify(saved), /s3cret/);
    });

    it('shows what would change, and brings it back: only what differs, and no secret', async () => {
      const device = await stage.device('my-light', { config, settings });
      await play();
      stage.press('weekly');
      await stage.shown('saved').first();
      const before = device.file;
      const changed = JSON.parse(before);
      device.file = JSON.stringify({
        ...changed,
        device_stats_interval: 30,
        settings: { token: 's3cret-t0ken', greeting: 'Hello' },
      });
      await device.restart();

      stage.press('check');
      const check = await stage.shown('summary').first();
      assert.match(JSON.stringify(payload(check, 'devices')), /"path":"settings\.greeting"/);
      assert.equal(device.patches.length, 0);

      stage.press('restore');
      await stage.shown('result').first(state('succeeded'));
      assert.deepEqual(
        device.patches.map((patch): unknown => JSON.parse(patch)),
        [{ device_stats_interval: 90, settings: { percentage: 20, greeting: null } }],
      );
      assert.deepEqual(JSON.parse(device.file), JSON.parse(before));

      stage.press('restore');
      await stage.shown('result').first(state('skipped'));
      assert.equal(device.patches.length, 1);
    });

    it('refuses a file of another device, a damaged one, and what could make the device unreachable', async () => {
      const device = await stage.device('my-light', { config, settings });
      await play();
      stage.press('weekly');
      await stage.shown('saved').first();
      const saved = await backup('my-light');
      const errors = stage.shown('error');
      const restore = async (content: string, count: number): Promise<string> => {
        await writeFile(stage.file('backups/my-light.json'), content);
        stage.press('restore');
        return String(payload({ payload: await errors.nth(count) }, 'error.message'));
      };
      assert.match(await restore(JSON.stringify({ ...saved, device: 'other' }), 1), /not a backup of this device/);
      assert.match(await restore('{"device":"my-light","config":', 2), /JSON|Unexpected end/);
      const moved = { ...saved, config: { ...saved.config, wifi: { ssid: 'elsewhere' } } };
      assert.match(await restore(JSON.stringify(moved), 3), /my-light: .*risk|reach|wifi/i);
      assert.equal(device.patches.length, 0);
    });

    it('tells where there is no file yet', async () => {
      await stage.device('my-light');
      await play();
      stage.press('restore');
      assert.match(String(payload({ payload: await stage.shown('error').first() }, 'error.message')), /ENOENT/);
    });

    it('brings back settings whose name every object has, too', () => {
      const differs = functionOf(name, 'build patch', 'msg');
      const patch = (now: string, then: string): unknown => {
        const [from, to]: unknown[] = [now, then].map((each) => JSON.parse(`{"settings":${each}}`));
        const kept = { device: 'my-light', config: to };
        return Reflect.get(Object(differs({ now: { device: 'my-light', config: from }, payload: kept })), 'payload');
      };
      const expected = (json: string): unknown => ({ settings: JSON.parse(json) });
      for (const key of ['__proto__', 'constructor', 'toString', 'colour']) {
        assert.deepEqual(patch(`{"${key}":"red"}`, '{}'), expected(`{"${key}":null}`), key);
        assert.deepEqual(patch('{}', `{"${key}":"red"}`), expected(`{"${key}":"red"}`), key);
        assert.deepEqual(patch('{"a":1}', `{"a":1,"${key}":{"b":1}}`), expected(`{"${key}":{"b":1}}`), key);
      }
    });

    it('never leaves its folder, whatever a device is called', () => {
      const env = { get: () => '/backups' };
      const write = functionOf(name, 'build file', 'msg', 'env', 'path');
      const read = functionOf(name, 'name file', 'msg', 'env', 'path');
      for (const device of ['..', '../x', '/etc/passwd', 'a\\b', 'c:d', 'nul\0', '.hidden', '%2e%2e']) {
        for (const made of [write, read]) {
          const filename = String(
            Reflect.get(Object(made({ payload: { device, config: {} } }, env, path)), 'filename'),
          );
          assert.equal(path.dirname(filename), '/backups', device);
          assert.match(path.basename(filename), /^[^\\:\0]+\.json$/);
        }
      }
    });
  });
});
