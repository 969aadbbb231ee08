import assert from 'node:assert/strict';
import { on } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { SimulatedDevice } from '../simulator/device';
import { buildEsp8266Image } from '../support/images';
import { Stage } from './examples-stage';
import { next, payload, running, state } from './scene';

const leaking = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 60_000, seed: 3 });
const FREE_MEMORY = '$stats/freeheap';

const text = (pattern: RegExp) => (msg: { payload?: unknown }) => pattern.test(String(payload(msg, 'text')));

describe('the example Health check after the canary', () => {
  const name = 'Health check after the canary';
  let stage: Stage;
  let devices: SimulatedDevice[];

  beforeEach(async () => {
    stage = await Stage.open();
    devices = [await stage.device('a'), await stage.device('b'), await stage.device('c')];
  });
  afterEach(() => stage.close());

  const play = (settings: object): Promise<void> =>
    stage.play(name, { env: { BASE_TOPIC: stage.baseTopic }, nodes: { 'update all': { order: 'id', ...settings } } });
  const update = async (image: Buffer): Promise<void> => {
    await writeFile(stage.file('firmware.bin'), image);
    stage.press('update');
  };
  /** Updates all devices to an image that stays well, so that there is a way back to it. */
  const prepare = async (): Promise<void> => {
    await play({ soak: '0' });
    await update(next);
    await stage.shown('summary').first(text(/^3 devices: 3 updated/));
  };
  const images = (): Buffer[] => devices.map(({ image }) => image);

  /** Waits until a device reports that it has been up for some seconds: else a restart cannot be told from a reconnect. */
  const hasRun = async (device: SimulatedDevice | undefined, seconds: number): Promise<void> => {
    assert.ok(device !== undefined);
    for await (const [topic, value] of on(device, 'publish')) {
      if (topic === '$stats/uptime' && Number(value) >= seconds) return;
    }
  };

  it('rolls back a canary that is not well, to the proof that the old image runs, and touches no other device', async () => {
    await prepare();
    const watched = stage.subscribed('a', FREE_MEMORY);
    stage.send('homie-ota', 'update all', { payload: leaking, options: { soak: 86_400 } });
    await watched;
    assert.deepEqual(images(), [leaking, next, next]);
    await hasRun(devices[0], 2);
    // Not of the canary.
    stage.publish('b', FREE_MEMORY, '4000');
    // Well.
    stage.publish('a', FREE_MEMORY, '20000');
    stage.publish('a', FREE_MEMORY, '4000');

    const back = await stage.shown('rolled back').first();
    assert.match(String(payload(back, 'text')), /^a: updated from my-light 1\.2\.0 to 1\.1\.0/);
    assert.equal(payload(back, 'devices.0.reboot'), 'proven');
    await stage.shown('summary').first(text(/^Paused: /));
    const stopped = await stage.shown('summary').first(state('stopped'));
    assert.equal(payload(stopped, 'error.code'), 'CANARY_UNSTABLE');
    assert.deepEqual(images(), [next, next, next]);
    assert.deepEqual(
      devices.map(({ received }) => received.length),
      [3, 1, 1],
    );
    assert.equal(stage.shown('rolled back').messages.length, 1);
  });

  it('lets the rollout go on when the canary stays well', async () => {
    await play({ soak: '1' });
    await update(next);
    await stage.shown('summary').first(text(/^3 devices: 3 updated/));
    assert.deepEqual(images(), [next, next, next]);
    assert.deepEqual(stage.shown('rolled back').messages, []);
  });

  it('keeps the rollout paused, and says why, where there is no way back', async () => {
    await play({ soak: '86400' });
    const watched = stage.subscribed('a', FREE_MEMORY);
    await update(leaking);
    await watched;
    stage.publish('a', FREE_MEMORY, '4000');
    const back = await stage.shown('rolled back').first();
    assert.equal(payload(back, 'devices.0.error.code'), 'NOTHING_TO_GO_BACK_TO');
    await stage.shown('summary').first(text(/^Paused: /));
    stage.send('homie-ota', 'update all', { action: 'status' });
    await stage.shown('summary').first(state('paused'));
    assert.deepEqual(images(), [leaking, running, running]);
  });
});
