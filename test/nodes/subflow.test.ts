/** A subflow template that gets its devices, its window and its other settings from environment variables. */
import assert from 'node:assert/strict';
import type { FlowNode } from 'node-red-node-test-helper';
import { caughtCode, closedWindow, configNode, next, payload, Scene, state } from './scene';
import { TestFlow } from './flow';

const place = { x: 0, y: 0 };

/** The text fields of the node in the subflow. */
const template = {
  device: '${DEVICE}',
  deviceType: 'str',
  window: '${WINDOW}',
  attempts: '${ATTEMPTS}',
  exclude: 'guest-*, ${EXCLUDE}',
  concurrency: '${CONCURRENCY}',
  canary: '${CANARY}',
};

const usual = {
  DEVICE: '*-light',
  WINDOW: '00:00-24:00',
  ATTEMPTS: '2',
  EXCLUDE: 'porch-*',
  CONCURRENCY: '4',
  CANARY: '0',
};

function variables(values: Readonly<Record<string, string>>): object[] {
  return Object.entries(values).map(([name, value]) => ({ name, type: 'str', value }));
}

/** Returns a subflow with one node, and instances of it by id, whose outputs are wired to those of the flow. */
function subflow(node: object, instances: Readonly<Record<string, Readonly<Record<string, string>>>>): FlowNode[] {
  const port = (index: number): object => ({ ...place, wires: [{ id: 'inner', port: index }] });
  const outer: FlowNode = { id: 'template', type: 'subflow' };
  const inner: FlowNode = { id: 'inner', type: 'homie-ota', settingsVersion: 2, ...node };
  return [
    {
      ...outer,
      name: 'Update',
      env: variables(usual),
      in: [{ ...place, wires: [{ id: 'inner' }] }],
      out: [port(0), port(1), port(2)],
    },
    { ...inner, z: 'template', broker: 'broker', ...place, wires: [[], [], []] },
    ...Object.entries(instances).map(([id, values]) => ({
      id,
      type: 'subflow:template',
      z: 'flow',
      ...place,
      env: variables(values),
      wires: [['result'], ['progress'], ['summary']],
    })),
  ];
}

describe('a subflow', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  const start = (...more: FlowNode[]): Promise<TestFlow> => scene.flow({}, { more });

  it('sets device, exclude and attempts of homie-ota by environment variables, differently in each instance', async () => {
    const drops = { misbehavior: { crashAt: 20_000, times: 9 } };
    const devices = await Promise.all([
      scene.device('kitchen-light', drops),
      scene.device('porch-light'),
      scene.device('guest-light'),
      scene.device('pump', drops),
    ]);
    const flow = await start(
      ...subflow(template, { once: { ATTEMPTS: '1' }, thrice: { DEVICE: 'pump', ATTEMPTS: '3' } }),
    );
    flow.sendTo('once', { payload: next });
    const summary = await flow.summary.first();
    assert.deepEqual(payload(summary, 'counts'), { failed: 1, skipped: 2 });
    flow.sendTo('thrice', { payload: next });
    assert.deepEqual(payload(await flow.summary.nth(2), 'counts'), { failed: 1 });
    const transfers = devices.map(({ images }) => images.length);
    assert.deepEqual(transfers, [1, 0, 0, 3]);
  });

  it('sets the window of homie-ota by an environment variable', async () => {
    const device = await scene.device('kitchen-light');
    const flow = await start(...subflow(template, { instance: { WINDOW: closedWindow() } }));
    flow.sendTo('instance', { payload: next });
    const waiting = await flow.progress.first(state('waiting'));
    assert.deepEqual([waiting['device'], payload(waiting, 'reason')], [device.id, 'window']);
    assert.deepEqual(device.received, []);
  });

  it('sets device and exclude of homie-config by environment variables', async () => {
    const [changed, excluded] = [await scene.device('kitchen-light'), await scene.device('porch-light')];
    const flow = await start(...subflow({ ...configNode, ...template, attempts: '' }, { instance: {} }));
    flow.sendTo('instance', { payload: { name: 'Kitchen' } });
    assert.deepEqual(payload(await flow.summary.first(), 'counts'), { succeeded: 1, skipped: 1 });
    assert.equal(changed.patches.length, 1);
    assert.deepEqual(excluded.patches, []);
  });

  for (const name of ['exclude', 'device', 'window'] as const) {
    it(`sends nothing while a variable in ${name} is not set, and names the field`, async () => {
      const device = await scene.device('kitchen-light');
      const node = { device: 'kitchen-light', [name]: name === 'device' ? 'kitchen-${NOT_SET}' : '${NOT_SET}' };
      const flow = await TestFlow.start(scene.broker, node);
      flow.send({ payload: next });
      const caught = await flow.caught.first();
      assert.equal(caughtCode(caught), 'INVALID_SETTING');
      assert.match(
        String(Reflect.get(Object(caught['error']), 'message')),
        new RegExp(`${name} contains an environment variable that is not set`),
      );
      assert.ok(state('rejected')(await flow.summary.first()));
      assert.deepEqual(device.received, []);
    });
  }
});
