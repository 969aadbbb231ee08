/**
 * A flow that version 0.1.0 has made: each of its nodes with the usual settings, and with others in every field. See
 * test/fixtures/flows-0.1.0.json.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import helper, { type FlowNode } from 'node-red-node-test-helper';
import { configDefaults, readConfigSettings } from '../../src/config/settings';
import { readQuery, everyDevice } from '../../src/devices/query';
import { otaDefaults, readOtaSettings } from '../../src/ota/settings';
import { readRolloutSettings, rolloutDefaults } from '../../src/rollout/settings';
import { migrate, SETTINGS_VERSION } from '../../src/settings/migrations';
import { Inbox, stopFlow, TestFlow } from './flow';
import { next, payload, Scene, untilHeard } from './scene';

const old: readonly FlowNode[] = JSON.parse(readFileSync(path.join(__dirname, '../fixtures/flows-0.1.0.json'), 'utf8'));

/** Returns the properties of a node of the flow as the node reads them. */
function migrated(id: string): Readonly<Record<string, unknown>> {
  const node = old.find((each) => each.id === id);
  const properties = node && migrate(node.type, node);
  assert.ok(properties !== undefined);
  return properties;
}

const seconds = 1000;
const days = 24 * 3600 * seconds;
const changedRollout = {
  concurrency: 4,
  canary: 2,
  soak: 7 * seconds,
  spacing: 1.5 * seconds,
  maxFailures: 3,
  order: 'id',
  exclude: ['cellar-*'],
  window: [
    { from: 60, to: 300 },
    { from: 1350, to: 1380 },
  ],
  expires: 600 * seconds,
  keep: 2 * days,
  continuous: true,
  persist: false,
};
const deadlines = { sending: 11 * seconds, reboot: 14 * seconds, ready: 15 * seconds };
const changedOta = {
  ...deadlines,
  force: true,
  allowDowngrade: true,
  allowIncompatible: true,
  encoding: 'base64',
  attempts: 3,
  recoverReboot: false,
  clearRetained: false,
  accepted: 12 * seconds,
  stall: 13 * seconds,
};
const changedConfig = {
  ...deadlines,
  allowRisky: true,
  split: true,
  force: true,
  clearOld: true,
  segment: 1460,
  secretBytes: 40,
  secretNames: ['password', 'pin'],
  received: 16 * seconds,
};

describe('the settings in a flow of version 0.1.0', () => {
  it('keep their meaning in this version', () => {
    assert.deepEqual(readOtaSettings(otaDefaults, migrated('ota-usual')), otaDefaults);
    assert.deepEqual(readConfigSettings(configDefaults, migrated('config-usual')), configDefaults);
    for (const id of ['ota-usual', 'config-usual'])
      assert.deepEqual(readRolloutSettings(rolloutDefaults, migrated(id)), rolloutDefaults, id);
    assert.deepEqual(readQuery(everyDevice, migrated('devices-usual')), everyDevice);

    assert.deepEqual(readOtaSettings(otaDefaults, migrated('ota-changed')), changedOta);
    assert.deepEqual(readConfigSettings(configDefaults, migrated('config-changed')), changedConfig);
    for (const id of ['ota-changed', 'config-changed'])
      assert.deepEqual(readRolloutSettings(rolloutDefaults, migrated(id)), changedRollout, id);
    assert.deepEqual(readQuery(everyDevice, migrated('devices-changed')), {
      device: ['kitchen-light', 'porch-*'],
      state: ['ready', 'lost'],
      firmware: ['my-light'],
      outdated: true,
    });
  });

  it('get the version of this package', () => {
    for (const { id } of old.filter((node) => node.type.startsWith('homie-'))) {
      assert.equal(migrated(id)['settingsVersion'], SETTINGS_VERSION);
    }
  });

  it('are read again as they are once they have that version', () => {
    const node = migrated('ota-usual');
    assert.deepEqual(migrate('homie-ota', node), node);
  });

  it('are not read if a newer version has made them, or nobody can say which', () => {
    for (const settingsVersion of [SETTINGS_VERSION + 1, '3', 0, -1, 1.5, 'x', '${NAME}', {}])
      assert.equal(migrate('homie-ota', { settingsVersion }), undefined, JSON.stringify(settingsVersion));
    for (const settingsVersion of [undefined, null, '', 1, '1', 2, '2'])
      assert.ok(migrate('homie-ota', { settingsVersion }), String(settingsVersion));
  });
});

describe('a flow of version 0.1.0', () => {
  let scene: Scene;
  let flow: TestFlow;

  beforeEach(async () => {
    scene = await Scene.open();
    const devices = await Promise.all(['my-light', 'kitchen-light'].map((id) => scene.device(id)));
    const own = { ...scene.broker, protocolVersion: '4' };
    const nodes = old
      .filter(({ id }) => id !== 'flow')
      .map((node) => ({ ...node, ...(node.id === 'broker-usual' && own), settingsVersion: undefined }));
    const credentials = { 'broker-changed': { user: 'user', password: 'made-up' } };
    flow = await TestFlow.start(scene.broker, { canary: '0', broker: 'broker-usual' }, { more: nodes, credentials });
    await untilHeard(flow.broker, devices);
  });
  afterEach(() => scene.close());

  const send = (id: string, msg: object): void => flow.sendTo(id, msg);
  const output = (id: string, number: number): Inbox => new Inbox(helper.getNode(`${id}-${number}`));

  it('starts all of its nodes', () => {
    for (const { id } of old.filter(({ type }) => type.startsWith('homie-'))) assert.ok(helper.getNode(id), id);
    assert.doesNotMatch(flow.log(), /INVALID_SETTING|newer version/);
  });

  it('updates a device, and each output sends what it sent', async () => {
    const [result, progress, summary] = [1, 2, 3].map((number) => output('ota-usual', number));
    assert.ok(result && progress && summary);
    send('ota-usual', { topic: 'lights', device: 'my-light', options: { canary: 0 }, payload: next, action: 'update' });
    assert.equal(payload(await result.first(), 'state'), 'succeeded');
    assert.equal(payload(await progress.first(), 'device'), 'my-light');
    assert.deepEqual(payload(await summary.first(), 'counts'), { succeeded: 1 });
    assert.doesNotMatch(flow.log(), /Version 0\.1\.0 read/);
  });

  it('warns once of a message with a setting where it is no longer read', async () => {
    const summary = output('ota-usual', 3);
    for (const turn of [1, 2]) {
      send('ota-usual', { payload: next, device: 'my-light', window: '01:00-05:00', turn });
      await summary.first((msg) => msg['turn'] === turn);
    }
    assert.equal(flow.log().match(/Version 0\.1\.0 read the setting window from msg\.window/g)?.length, 1);
    flow.send({ payload: next, device: 'my-light', window: '01:00-05:00' });
    await flow.summary.first();
    assert.equal(flow.log().match(/Version 0\.1\.0 read/g)?.length, 1, 'a node of this version does not warn');
  });

  it('changes and reads a configuration', async () => {
    const result = output('config-usual', 1);
    send('config-usual', { payload: { device_stats_interval: 2 }, device: 'my-light' });
    assert.equal(payload(await result.first(), 'state'), 'succeeded');
    send('config-usual', { action: 'get', device: 'my-light' });
    assert.equal(payload(await result.nth(2), 'config.device_stats_interval'), 2);
  });

  it('lists devices', async () => {
    const devices = output('devices-usual', 1);
    send('devices-usual', {});
    const { payload: list } = await devices.first();
    assert.ok(Array.isArray(list) && list.length === 2);
  });
});

describe('a node that a newer version of the package has made', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(() => scene.close());

  it('sends nothing, and says what to do', async () => {
    const device = await scene.device('my-light');
    const flow = await TestFlow.start(scene.broker, { settingsVersion: SETTINGS_VERSION + 1 });
    await flow.showedError('SETTINGS_NEWER');
    flow.send({ payload: next });
    const result = await flow.result.first();
    assert.equal(payload(result, 'error.code'), 'SETTINGS_NEWER');
    assert.match(flow.log(), /newer version of the package/);
    assert.deepEqual(device.images, []);
    await stopFlow();
  });

  for (const [type, answer] of [
    ['homie-config', { payload: { name: 'x' }, device: 'my-light' }],
    ['homie-devices', {}],
    ['homie-firmware', {}],
  ] as const) {
    it(`refuses messages as ${type}`, async () => {
      const flow = await TestFlow.start(scene.broker, { type, settingsVersion: SETTINGS_VERSION + 1 });
      flow.send(answer);
      const { error } = await flow.caught.first();
      assert.equal(Reflect.get(Object(error), 'code'), 'SETTINGS_NEWER');
    });
  }

  it('does not connect as homie-broker', async () => {
    const flow = await TestFlow.start({ ...scene.broker, settingsVersion: SETTINGS_VERSION + 1 });
    flow.send({ payload: next });
    assert.equal(payload(await flow.result.first(), 'error.code'), 'SETTINGS_NEWER');
  });
});
