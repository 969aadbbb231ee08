/** The messages of the documentation, as real nodes with simulated devices receive and send them. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { NodeMessage } from 'node-red';
import { next, Scene } from './scene';
import { TestFlow } from './flow';
import { buildEsp8266Image } from '../support/images';
import { blocks, type Block } from '../docs/markdown';

const newest = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 60_000, seed: 3 });

const at = ({ page, line }: Block): string => `${page}:${line}`;
/** The actions of homie-ota that need an image. Without a payload, the documentation sets it to null. */
const withImage: readonly unknown[] = [undefined, 'update', 'check', 'offer'];
const about = (text: string): readonly Block[] => blocks.filter((block) => block.about === text);

/** Sends a message that must come before the one in the documentation, and waits for its summary. */
async function before(flow: TestFlow, message: object): Promise<void> {
  const first = flow.summary.messages.length;
  flow.send({ ...message, before: true });
  assert.ok(!isWrong((await flow.summary.nth(first + 1)).payload));
}

const isAnswer = (msg: NodeMessage): boolean => !('before' in msg);

/** Returns whether a payload reports a failure. */
const isWrong = (payload: unknown): boolean => {
  const { error, state } = Object(payload);
  return error !== undefined || ['rejected', 'failed', 'stopped', 'timed_out'].includes(String(state));
};

describe('a message in the documentation', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
    const config = { settings: { percentage: 20 } };
    for (const id of ['kitchen-light', 'garden-light', 'porch-light']) await scene.device(id, { config });
    await (await scene.device('old-lamp')).stop();
  });
  afterEach(async () => {
    await scene.close();
  });

  const message = (block: Block): Record<string, unknown> => {
    const parsed: unknown = JSON.parse(block.text);
    assert.ok(typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed));
    return { ...parsed };
  };
  const answered = ({ payload }: NodeMessage): void => {
    assert.ok(!isWrong(payload), JSON.stringify(payload));
    const { devices = [] } = Object(payload);
    assert.ok(Array.isArray(devices));
    for (const device of devices) assert.ok(!isWrong(device), JSON.stringify(device));
  };

  for (const block of about('message to homie-ota')) {
    it(`is taken by homie-ota (${at(block)})`, async () => {
      const msg = message(block);
      const flow = await scene.flow({ device: '*-light' });
      const { action } = msg;
      if (action === 'withdraw' || msg['payload'] === null) await before(flow, { payload: next, action: 'offer' });
      if (action === 'rollback') for (const image of [next, newest]) await before(flow, { payload: image });
      flow.send({ ...(withImage.includes(action) && { payload: next }), ...msg });
      // During the day, the job would wait for the night.
      const options = Object(msg['options']);
      const waits = options.window !== undefined;
      if (waits) {
        answered(await flow.progress.first());
        flow.send({ action: 'cancel' });
      }
      const summary = await flow.summary.first(isAnswer);
      answered(summary);
      for (const { payload } of flow.result.messages) assert.ok(!isWrong(payload), JSON.stringify(payload));
      const { device } = msg;
      if (action === undefined && !waits) assert.equal(flow.result.messages.length, 2, String(device));
      if (options.matchFirmware === true) assert.equal(devicesOf(summary).length, 4);
      if (action === 'check' && msg['payload'] === null) assert.equal(Object(devicesOf(summary)[0]).canRollBack, false);
      if (action === 'offer' || action === 'withdraw') {
        assert.equal(Object(summary.payload).offered, action === 'offer');
      }
      if (action === 'rollback') assert.equal(Object(summary.payload).devices[0].to.version, '1.1.0');
    });
  }

  for (const block of about('message to homie-config')) {
    it(`is taken by homie-config (${at(block)})`, async () => {
      const msg = message(block);
      const flow = await scene.config();
      flow.send(msg);
      if (msg['action'] === 'get') {
        const { payload } = await flow.result.nth(3);
        assert.ok(!isWrong(payload) && Object(payload).config !== undefined, JSON.stringify(payload));
        return;
      }
      const summary = await flow.summary.first();
      answered(summary);
      if (msg['action'] === undefined) assert.equal(Object(summary.payload).state, 'succeeded');
    });
  }

  for (const block of about('message to homie-devices')) {
    it(`is taken by homie-devices (${at(block)})`, async () => {
      const msg = message(block);
      const node = { type: 'homie-devices', device: '', state: '', firmware: '', outdated: false, events: false };
      const flow = await TestFlow.start(scene.broker, node);
      flow.send(Object(msg['options']).outdated === true ? { ...msg, payload: next } : msg);
      const { payload } = await flow.result.first();
      if (msg['action'] === 'report') {
        assert.match(String(payload), /Device `kitchen-light`\n\n- State: `ready`/);
        return;
      }
      assert.ok(Array.isArray(payload) && payload.length > 0);
      for (const device of payload) assert.ok(!isWrong({ error: device.error }), JSON.stringify(device));
    });
  }

  for (const block of about('message to homie-firmware')) {
    it(`is taken by homie-firmware (${at(block)})`, async () => {
      const folder = mkdtempSync(path.join(tmpdir(), 'documented-'));
      try {
        const options = Object(message(block)['options']);
        mkdirSync(path.join(folder, options.folder));
        writeFileSync(path.join(folder, options.folder, 'a.bin'), next);
        const flow = await TestFlow.start(scene.broker, { type: 'homie-firmware', source: 'folder', folder });
        flow.send({ options: { ...options, folder: path.join(folder, options.folder) } });
        assert.equal((await flow.result.first())['filename'], 'a.bin');
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
});

describe('what comes from homie-ota, in the documentation', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
    await scene.device('kitchen-light');
    await scene.device('garden-pump', {
      image: buildEsp8266Image({ name: 'my-pump', version: '2.0.0', size: 50_000 }),
    });
  });
  afterEach(async () => {
    await scene.close();
  });

  /** Returns a payload as plain data, without values that change from run to run. */
  const lasting = (payload: unknown): unknown =>
    JSON.parse(JSON.stringify(payload), (key, value: unknown) =>
      ['job', 'startedAt', 'duration', 'checksum'].includes(key) ? typeof value : value,
    );

  for (const [kind, action] of [
    ['summary', 'update'],
    ['check', 'check'],
  ] as const) {
    it(`is what it sends (${kind})`, async () => {
      const [block, ...more] = about(`${kind} of homie-ota`);
      assert.ok(block !== undefined && more.length === 0);
      const flow = await scene.flow({ device: 'kitchen-light, garden-pump' });
      flow.send({ action, payload: next });
      const { payload } = await flow.summary.first();
      assert.deepEqual(lasting(payload), lasting(JSON.parse(block.text)));
    });
  }
});

function devicesOf({ payload }: NodeMessage): readonly unknown[] {
  const { devices } = Object(payload);
  assert.ok(Array.isArray(devices));
  return devices;
}
