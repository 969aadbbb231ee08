/** Messages of one of our nodes go directly into another. */
import assert from 'node:assert/strict';
import type { FlowNode } from 'node-red-node-test-helper';
import { caughtCode, configNode, next, payload, running, Scene } from './scene';
import type { TestFlow } from './flow';
import { md5 } from '../support/md5';

const place = { z: 'flow', x: 0, y: 0 };

/** Returns a homie-ota whose results, progress and summaries go to these nodes. */
function updater(...wires: string[][]): FlowNode {
  const settings = { canary: '0', device: 'my-light, other-light', deviceType: 'str' };
  return { id: 'updater', type: 'homie-ota', broker: 'broker', ...settings, ...place, wires };
}

describe('what comes out of a node', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
    for (const id of ['my-light', 'other-light']) {
      await scene.device(id, { image: running, config: { settings: { percentage: 42 } } });
    }
  });
  afterEach(async () => {
    await scene.close();
  });

  /** Starts a homie-config without its own device, with a homie-ota in front of it. */
  const start = (...more: FlowNode[]): Promise<TestFlow> => scene.flow({ ...configNode, device: '' }, { more });
  const checksum = md5(next);
  const update = { payload: next, checksum, device: 'my-light', options: { attempts: 1 }, asked: 'now' };

  it('of homie-ota lets homie-config read the device, once a change node says so', async () => {
    const rules = [{ t: 'set', p: 'action', pt: 'msg', to: 'get', tot: 'str' }];
    const change = { id: 'change', type: 'change', rules, ...place, wires: [['ota']] };
    const flow = await start(updater(['change'], [], []), change);
    flow.sendTo('updater', { ...update, device: '*-light' });
    await flow.result.nth(2);
    const told = flow.result.messages.map((msg) => [msg['device'], msg['topic'], payload(msg, 'config.settings')]);
    assert.deepEqual(new Set(told), new Set(['my-light', 'other-light'].map((id) => [id, id, { percentage: 42 }])));
    assert.equal(flow.result.messages[0]?.['asked'], 'now');
    assert.equal(flow.dones.length, 2);
  });

  for (const [kind, wires] of Object.entries({
    result: [['ota'], [], []],
    progress: [[], ['ota'], []],
    summary: [[], [], ['ota']],
  })) {
    it(`of homie-ota is no patch (${kind}): homie-config sends nothing, and says what to do`, async () => {
      const device = await scene.device('third-light', { config: { name: 'Third' } });
      const flow = await start(updater(...wires));
      flow.sendTo('updater', { ...update, device: device.id });
      const caught = await flow.caught.first();
      assert.equal(caughtCode(caught), 'PATCH_TYPE');
      const { message, hint } = Object(payload(await flow.summary.first(), 'error'));
      assert.match(message, /an answer from a Homie node/);
      assert.match(hint, /msg\.action/);
      assert.deepEqual(device.patches, []);
    });
  }

  it('of homie-config is no patch either, nor what homie-devices lists and tells', async () => {
    const device = await scene.device('third-light');
    const flow = await start();
    const answers: object[] = [
      { device: 'third-light', config: { name: 'x' }, stripped: [], state: undefined },
      { device: 'third-light', error: { code: 'CONFIG_UNKNOWN' } },
      { counts: { set: 1 }, devices: [], text: 'x' },
      { counts: { succeeded: 1 }, entries: [], text: 'x' },
      { id: 'third-light', name: 'x', state: 'ready', uptime: undefined },
      { device: 'third-light', event: 'config' },
      { event: 'inventory', count: 0, counts: {} },
    ];
    for (const [index, answer] of [...answers, JSON.stringify(answers[0])].entries()) {
      flow.send({ payload: answer, device: 'third-light' });
      const result = await flow.result.nth(index + 1);
      assert.deepEqual(
        [payload(result, 'state'), payload(result, 'error.code')],
        ['rejected', 'PATCH_TYPE'],
        String(index),
      );
      assert.match(String(payload(result, 'error.message')), /an answer from a Homie node/);
    }
    assert.deepEqual(device.patches, []);
  });

  it('of homie-ota lets homie-config change the device, once a change node gives it a patch', async () => {
    const rules = [{ t: 'set', p: 'payload', pt: 'msg', to: '{"settings":{"percentage":7}}', tot: 'json' }];
    const change = { id: 'change', type: 'change', rules, ...place, wires: [['ota']] };
    const flow = await start(updater(['change'], [], []), change);
    flow.sendTo('updater', update);
    const result = await flow.result.first();
    assert.deepEqual([result['device'], payload(result, 'state')], ['my-light', 'succeeded']);
  });
});
