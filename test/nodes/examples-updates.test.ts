import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { runInNewContext } from 'node:vm';
import { readExample } from './example-files';
import { Stage } from './examples-stage';
import { next, payload, running, state } from './scene';

const text = (pattern: RegExp) => (msg: { payload?: unknown }) => pattern.test(String(payload(msg, 'text')));

describe('an example of updates', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await Stage.open();
    await writeFile(stage.file('firmware.bin'), next);
  });
  afterEach(() => stage.close());

  describe('1 - Update one device', () => {
    it('tells what an update would do, and then does it', async () => {
      const device = await stage.device('my-light');
      await stage.play('1 - Update one device');
      stage.press('check');
      await stage.shown('summary').first(text(/^my-light: The device would be updated\. There is no way back/));
      assert.equal(device.received.length, 0);
      stage.press('update');
      await stage.shown('summary').first(state('succeeded'));
      assert.deepEqual(device.image, next);
    });

    it('shows why a file cannot be read, and what is wrong with one that is no firmware', async () => {
      await stage.device('my-light');
      await rm(stage.file('firmware.bin'));
      await stage.play('1 - Update one device');
      stage.press('update');
      const missing = /^my-light: The firmware could not be read: ENOENT: no such file or directory, open '.*'\.$/;
      assert.match(String(errorOf(await stage.shown('error').first())), missing);
      await stage.shown('summary').first(text(missing));
      await stage.showed('homie-ota', 'firmware not read');
      await writeFile(stage.file('firmware.bin'), '<!DOCTYPE html><html></html>');
      stage.press('update');
      await stage.shown('summary').first((msg) => payload(msg, 'error.code') === 'FIRMWARE_IS_HTML');
      await stage.shown('error').nth(2);
    });

    it('cancels what waits', async () => {
      await stage.play('1 - Update one device');
      stage.press('update');
      await stage.waiting('my-light', 'never_seen');
      stage.press('cancel');
      await stage.shown('summary').first(state('canceled'));
    });

    it('sends the firmware again after a failure, when it is asked to', async () => {
      const device = await stage.device('my-light', { freeSpace: 10_000 });
      await stage.play('1 - Update one device');
      stage.press('update');
      const noSpace = (msg: { payload?: unknown }): boolean =>
        payload(msg, 'devices.0.error.code') === 'NOT_ENOUGH_SPACE';
      await stage.shown('summary').first(noSpace);
      const sent = device.received.length;
      stage.press('retry');
      await stage.shown('summary').first(text(/^Retrying/));
      await stage.shown('summary').nth(2, (msg) => noSpace(msg) && !text(/^Retrying/)(msg));
      assert.ok(device.received.length > sent);
    });
  });

  describe('3 - Update when a build server says so', () => {
    const name = '3 - Update when a build server says so';
    const token = 'b91f0e5d7c3a4f68';
    const quick = { 'homie-ota': { soak: '0' } };
    const post = (body: Buffer | string, headers: Record<string, string> = {}, query = ''): Promise<Response> =>
      stage.request(`/firmware${query}`, {
        method: 'POST',
        body: new Uint8Array(Buffer.from(body)),
        headers: { 'content-type': 'application/octet-stream', ...headers },
      });
    const ask = (job: string): Promise<Response> =>
      stage.request(`/firmware/${job}`, { headers: { authorization: `Bearer ${token}` } });
    const authorized = { authorization: `Bearer ${token}` };

    it('answers at once with the job, tells how it goes on, and updates all that run the firmware', async () => {
      const slow = await stage.device('a', { flashDelay: 60 });
      const other = await stage.device('b', { flashDelay: 10 });
      await stage.play(name, { env: { BUILD_TOKEN: token }, nodes: quick });
      const answer = await post(next, authorized);
      const { job }: { job: string } = JSON.parse(await answer.text());
      assert.equal(answer.status, 202);
      assert.equal(answer.headers.get('location'), `/firmware/${job}`);
      assert.deepEqual(slow.image, running);

      const status = await ask(job);
      assert.equal(status.status, 200);
      assert.match(await status.text(), /"state":"(queued|running)"/);
      await stage.shown('summary').first(state('succeeded'));
      assert.match(await (await ask(job)).text(), /"state":"succeeded"/);
      assert.deepEqual([slow.image, other.image], [next, next]);
      assert.equal((await ask('no-such-job')).status, 404);
      assert.equal(stage.shown('summary').messages.length, 1);
    });

    it('takes one device by the address', async () => {
      const [a, b] = [await stage.device('a'), await stage.device('b')];
      await stage.play(name, { env: { BUILD_TOKEN: token }, nodes: quick });
      assert.equal((await post(next, authorized, '?device=b')).status, 202);
      await stage.shown('summary').first(state('succeeded'));
      assert.deepEqual([a.image, b.image], [running, next]);
    });

    it('refuses a request without the token, and never shows it', async () => {
      const device = await stage.device('a');
      await stage.play(name, { env: { BUILD_TOKEN: token }, nodes: quick });
      for (const authorization of [
        '',
        token,
        `Bearer ${token.slice(1)}`,
        `Bearer ${token} `.toUpperCase(),
        'Bearer ',
      ]) {
        const answer = await post(next, authorization === '' ? {} : { authorization });
        assert.equal(answer.status, 401, authorization);
        assert.doesNotMatch(await answer.text(), new RegExp(token));
      }
      assert.equal((await stage.request('/firmware/some-job')).status, 401);
      assert.equal(device.received.length, 0);
      await post(next, authorized);
      await stage.shown('summary').first(state('succeeded'));
      assert.ok(!stage.everything().includes(token));
    });

    it('tells a setting of Node-RED by which a large body is refused without being read', async () => {
      const device = await stage.device('a');
      const info = String(readExample(name).find(({ type }) => type === 'comment')?.['info']);
      const [, code = ''] = /^ {4}(httpNodeMiddleware:[^]*?^ {4}\}),$/m.exec(info) ?? [];
      const settings: unknown = runInNewContext(`({ ${code} })`);
      assert.ok(typeof settings === 'object' && settings !== null && 'httpNodeMiddleware' in settings);
      await stage.play(name, { env: { BUILD_TOKEN: token }, nodes: quick, settings });
      for (const header of [{ 'content-length': '400000000' }, { 'transfer-encoding': 'chunked' }]) {
        assert.equal(await stage.statusOfBegun('/firmware', header), 413, Object.keys(header).join());
      }
      assert.equal((await post(next)).status, 401);
      assert.equal((await post(next, authorized)).status, 202);
      await stage.shown('summary').first(state('succeeded'));
      assert.deepEqual(device.image, next);
      assert.equal((await ask('no-such-job')).status, 404);
    });

    it('refuses everybody where no token is set', async () => {
      const device = await stage.device('a');
      await stage.play(name, { nodes: quick });
      for (const authorization of ['Bearer ', 'Bearer undefined', `Bearer ${token}`]) {
        const answer = await post(next, { authorization });
        assert.equal(answer.status, 503, authorization);
        assert.match(await answer.text(), /BUILD_TOKEN is not set/);
      }
      assert.equal(device.received.length, 0);
    });

    it('refuses what is not a firmware, or is for nobody, with the reason', async () => {
      await stage.device('a');
      await stage.play(name, { env: { BUILD_TOKEN: token }, nodes: quick });
      for (const [body, code] of [
        ['<!DOCTYPE html><html></html>', 'FIRMWARE_IS_HTML'],
        ['', 'FIRMWARE_EMPTY'],
        [next.subarray(0, 50_000), 'FIRMWARE_TRUNCATED'],
      ] as const) {
        const answer = await post(body, authorized);
        assert.equal(answer.status, 422, code);
        assert.match(await answer.text(), new RegExp(code));
      }
    });
  });

  describe('7 - Update devices that sleep', () => {
    it('waits for devices that sleep, tells so, and updates them when they wake', async () => {
      const sensor = await stage.device('attic-sensor', { sleep: { awake: Infinity, asleep: Infinity } });
      const other = await stage.device('attic-light');
      const asleep = new Promise<void>((resolve) => {
        sensor.on('phase', (phase) => phase === 'asleep' && resolve());
      });
      await stage.play('7 - Update devices that sleep');
      sensor.prepareToSleep();
      await asleep;
      await stage.shown('device state').first(({ payload: said }) => said === 'attic-sensor is sleeping');

      stage.press('update');
      await stage.waiting('attic-sensor', 'offline');
      stage.press('status');
      await stage.shown('summary').first(text(/1 waiting|waiting/));
      assert.equal(sensor.received.length, 0);

      await sensor.wake();
      await stage.shown('result').first(state('succeeded'));
      assert.deepEqual([sensor.image, other.image], [next, running]);
      await stage.shown('device state').first(({ payload: said }) => said === 'attic-sensor is ready');
    });

    it('cancels the waiting', async () => {
      const sensor = await stage.device('attic-sensor');
      const gone = once(sensor, 'disconnected');
      await stage.play('7 - Update devices that sleep');
      sensor.prepareToSleep();
      await gone;
      await stage.shown('device state').first();
      stage.press('update');
      await stage.waiting('attic-sensor', 'offline');
      stage.press('cancel');
      await stage.shown('result').first(state('canceled'));
      assert.equal(sensor.received.length, 0);
    });
  });

  describe('8 - Handle errors', () => {
    it('lets Catch, Complete and Status each have its say', async () => {
      const device = await stage.device('my-light');
      await stage.play('8 - Handle errors');
      await stage.shown('status text').first((msg) => statusOf(msg) === 'connected');

      stage.press('not a firmware');
      assert.match(String(errorOf(await stage.shown('wrong file').first())), /^my-light|text/);
      stage.press('unknown device');
      assert.match(String(errorOf(await stage.shown('not reached: retry later').first())), /no-such-device/);
      stage.press('unknown action');
      assert.match(String(errorOf(await stage.shown('other error').first())), /"explode"/);
      assert.deepEqual(stage.shown('completed').messages, []);
      assert.equal(device.received.length, 0);

      stage.press('update');
      await stage.shown('completed').first();
      assert.deepEqual(device.image, next);
      await stage.shown('status text').first((msg) => statusOf(msg) === 'updated');
      const caught = ['wrong file', 'not reached: retry later', 'other error'].map(
        (each) => stage.shown(each).messages.length,
      );
      assert.deepEqual([...caught, stage.shown('completed').messages.length], [1, 1, 1, 1]);
    });
  });

  describe('9 - Enable OTA, update, disable it again', () => {
    const name = '9 - Enable OTA, update, disable it again';
    const off = { ota: { enabled: false } };
    const quick = { 'enable OTA': { soak: '0' }, update: { soak: '0' }, 'disable OTA': { soak: '0' } };
    const patches = (device: { readonly patches: readonly string[] }): unknown[] =>
      device.patches.map((patch): unknown => JSON.parse(patch));
    const [enabled, disabled] = [{ ota: { enabled: true } }, off];
    const isOn = (device: { readonly file: string }): unknown => JSON.parse(device.file).ota.enabled;

    it('does the three things in their order, and only then is done', async () => {
      const device = await stage.device('my-light', { config: off });
      await stage.play(name, { nodes: quick });
      stage.press('update');
      await stage.shown('done').first();
      assert.deepEqual(patches(device), [enabled, disabled]);
      assert.deepEqual([device.image, isOn(device), device.received.length], [next, false, 1]);
      assert.deepEqual(stage.shown('notify me').messages, []);
    });

    it('disables OTA again when the update failed, and says so', async () => {
      const device = await stage.device('my-light', { config: off, freeSpace: 10_000 });
      await stage.play(name, { nodes: quick });
      stage.press('update');
      const said = await stage.shown('notify me').first();
      assert.match(String(said.payload), /^OTA is off again, but: my-light/);
      assert.deepEqual([patches(device), isOn(device), device.image], [[enabled, disabled], false, running]);
    });

    it('says so when OTA may still be on', async () => {
      const device = await stage.device('my-light', { config: off });
      await stage.play(name, { nodes: { ...quick, 'disable OTA': { soak: '0', allowRisky: false } } });
      stage.press('update');
      assert.match(String((await stage.shown('notify me').first()).payload), /^OTA may still be on! my-light/);
      assert.equal(isOn(device), true);
    });

    it('touches nothing where the firmware is none, is not there, or runs already', async () => {
      const device = await stage.device('my-light', { config: off, image: next });
      await stage.play(name, { nodes: quick });
      const said = async (count: number): Promise<string> =>
        String((await stage.shown('notify me').nth(count)).payload);
      stage.press('update');
      assert.match(await said(1), /^Nothing was sent\. my-light: The device already runs this image\.$/);
      await writeFile(stage.file('firmware.bin'), 'no firmware');
      stage.press('update');
      assert.match(await said(2), /^Nothing was sent\. .*text/);
      await rm(stage.file('firmware.bin'));
      stage.press('update');
      assert.match(await said(3), /^Nothing was sent\. .*ENOENT/);
      assert.deepEqual([device.patches.length, device.received.length], [0, 0]);
    });
  });

  describe('Steer a rollout', () => {
    it('pauses, goes on, cancels, and tells of it', async () => {
      const [garden, hall] = [await stage.device('garden-light'), await stage.device('hall-light')];
      await stage.play('Steer a rollout', { nodes: { 'homie-ota': { canary: '0', order: 'id', spacing: '3600' } } });
      const summary = async (press: string, pattern: RegExp): Promise<void> => {
        stage.press(press);
        await stage.shown('summary').first(text(pattern));
      };
      await summary('check', /^2 devices: 2 update\. There is no way back/);
      await summary('pause', /^No job is in progress\.$/);
      stage.press('update');
      await stage.shown('result').first(state('succeeded'));
      await summary('pause', /^Paused: devices in progress finish/);
      stage.press('status');
      await stage.shown('summary').first(state('paused'));
      await summary('cancel one', /^There was nothing to cancel\.$/);
      await summary('resume', /^Resumed\.$/);
      await summary('cancel', /^Canceled: hall-light\.$/);
      await summary('retry', /^There was nothing to retry\.$/);
      await summary('history', /^2 results of 2 devices\. Latest: hall-light: canceled\.$/);
      assert.deepEqual([garden.image, hall.image], [next, running]);
    });
  });
});

/** Returns the error message in a message of a catch node. */
function errorOf(msg: object): unknown {
  return Reflect.get(Object(Reflect.get(msg, 'error')), 'message');
}

/** Returns the status text in a message of a status node. */
function statusOf(msg: object): unknown {
  return Reflect.get(Object(Reflect.get(msg, 'status')), 'text');
}
