import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { NodeMessage } from 'node-red';
import { md5 } from '../../src/firmware/checksum';
import { buildEsp8266Image } from '../support/images';
import { LockProcess } from '../support/lock-process';
import { stopFlow, type TestFlow } from './flow';
import { next, payload, running, Scene, state } from './scene';

const newest = buildEsp8266Image({ name: 'my-light', version: '1.2.0', seed: 3 });
const plug = buildEsp8266Image({ name: 'my-plug', version: '2.1.0', seed: 4 });

/** A second node of the flow, which answers into the same inboxes. */
const other = { id: 'other', type: 'homie-ota', z: 'flow', x: 0, y: 0, broker: 'broker', deviceType: 'all' };

describe('the firmware on offer in a user directory', () => {
  let scene: Scene;
  let userDir: string;
  let folder: string;

  beforeEach(async () => {
    scene = await Scene.open();
    userDir = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-user-'));
    folder = path.join(userDir, 'homie-ota');
  });
  afterEach(async () => {
    await scene.close();
    await rm(userDir, { recursive: true, force: true });
  });

  const start = (settings: object = {}): Promise<TestFlow> =>
    scene.flow(
      { deviceType: 'all', ...settings },
      { userDir, more: [{ ...other, wires: [['result'], ['progress'], ['summary']] }] },
    );
  const restart = async (): Promise<TestFlow> => {
    await stopFlow();
    return start();
  };
  let asked = 0;
  /** Sends a message to a node, and returns its last summary. */
  const ask = async (flow: TestFlow, message: object, { summaries = 1, node = 'ota' } = {}): Promise<NodeMessage> => {
    const id = (asked += 1);
    flow.sendTo(node, { ...message, asked: id });
    return flow.summary.nth(summaries, (msg) => msg['asked'] === id);
  };
  const images = (): Promise<string[]> => readdir(path.join(folder, 'firmware'));
  const fileOf = async (image: Buffer): Promise<string> => `${await md5(image)}.bin`;

  it('is sent after a restart, and so is the image that was verified before it', async () => {
    const device = await scene.device('light');
    const flow = await start();
    await ask(flow, { payload: next, device: 'light' });
    await ask(flow, { payload: newest, action: 'offer' });

    const again = await restart();
    await ask(again, {});
    assert.equal(device.checksum, await md5(newest));

    const last = await restart();
    const back = await ask(last, { action: 'rollback', device: 'light' });
    assert.match(String(payload(back, 'text')), /^light: updated from my-light 1\.2\.0 to 1\.1\.0/);
    const held = await ask(await restart(), {});
    assert.match(String(payload(held, 'text')), /^light: held back\. The device was rolled back from this image\./);
    assert.equal(device.checksum, await md5(next));
  });

  it('is one image, without leftovers, when two nodes offer at once', async () => {
    const flow = await start();
    for (const [one, two, left] of [
      [next, next, next],
      [newest, next, newest],
      [next, newest, newest],
      [newest, newest, newest],
    ] as const) {
      await Promise.all([
        ask(flow, { payload: one, action: 'offer' }),
        ask(flow, { payload: two, action: 'offer' }, { node: 'other' }),
      ]);
      assert.deepEqual(await images(), [await fileOf(left)]);
      await ask(flow, { action: 'withdraw', payload: left }, { node: 'other' });
      const none = await ask(flow, { action: 'withdraw', payload: left });
      assert.equal(payload(none, 'error.message'), 'No image is on offer, so none can be withdrawn.');
      assert.deepEqual(await images(), []);
    }
  });

  for (const how of ['damaged', 'missing'] as const) {
    it(`is one clear error for the devices of an image whose file is ${how}, and the others are updated`, async () => {
      const light = await scene.device('light');
      const outlet = await scene.device('outlet', { image: buildEsp8266Image({ name: 'my-plug', version: '2.0.0' }) });
      const before = await start();
      for (const image of [next, plug]) await ask(before, { payload: image, action: 'offer' });
      await stopFlow();
      const file = path.join(folder, 'firmware', await fileOf(next));
      await (how === 'damaged' ? writeFile(file, running) : rm(file));

      const flow = await start({ device: 'light,outlet', deviceType: 'str' });
      const checked = await ask(flow, { action: 'check' });
      assert.deepEqual(payload(checked, 'counts'), { nothing_on_offer: 1, update: 1 });
      assert.match(String(payload(checked, 'devices.0.reason')), /Send the firmware again\.$/);
      await ask(flow, {}, { summaries: 2 });
      const refused = await flow.summary.first(state('rejected'));
      assert.deepEqual(
        [payload(refused, 'devices.0.device'), payload(refused, 'devices.0.error.code')],
        ['light', 'FIRMWARE_NOT_KEPT'],
      );
      assert.equal(outlet.checksum, await md5(plug));
      assert.equal(light.received.length, 0);
      assert.deepEqual(flow.dones.map(({ code }) => code).filter(Boolean), ['FIRMWARE_NOT_KEPT']);

      await ask(flow, { payload: next, action: 'offer' });
      await ask(flow, { device: 'light' });
      assert.equal(light.checksum, await md5(next));
    });
  }

  it('cannot be changed while another process uses the directory', async () => {
    const before = await start();
    await ask(before, { payload: next, action: 'offer' });
    await stopFlow();
    const library = path.join(folder, 'library.jsonl');
    const kept = await readFile(library, 'utf8');
    const process = new LockProcess(folder, { beat: 100, look: 20, silence: 600_000, trust: 300_000 });
    try {
      assert.equal((await process.told('decided')).isOwner, true);
      const flow = await start();
      for (const action of ['offer', 'withdraw']) {
        const refused = await ask(flow, { payload: newest, action });
        assert.deepEqual(
          [payload(refused, 'state'), payload(refused, 'error.code')],
          ['rejected', 'USER_DIR_IN_USE'],
          action,
        );
      }
      assert.deepEqual([await readFile(library, 'utf8'), await images()], [kept, [await fileOf(next)]]);
    } finally {
      await process.end('SIGKILL');
    }
  });
});
