/**
 * A flow that version 0.1.0 has made: each of its nodes with the usual settings, and with others in every field. See
 * test/fixtures/flows-0.1.0.json.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import helper, { type FlowNode } from 'node-red-node-test-helper';
import type { NodeMessage } from 'node-red';
import { readSettings as readConfig, defaultSettings as usualConfig } from '../../src/config/settings';
import { readQuery, everyDevice } from '../../src/devices/query';
import { readSettings as readOta, defaultSettings as usualOta } from '../../src/ota/settings';
import { readSettings as readRollout, defaultSettings as usualRollout } from '../../src/rollout/settings';
import { migrate, SETTINGS_VERSION } from '../../src/settings/migrations';
import { isImage } from '../simulator/transfers';
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
  it('mean what they meant', () => {
    assert.deepEqual(readOta(usualOta, migrated('ota-usual')), usualOta);
    assert.deepEqual(readConfig(usualConfig, migrated('config-usual')), usualConfig);
    for (const id of ['ota-usual', 'config-usual'])
      assert.deepEqual(readRollout(usualRollout, migrated(id)), usualRollout, id);
    assert.deepEqual(readQuery(everyDevice, migrated('devices-usual')), everyDevice);

    assert.deepEqual(readOta(usualOta, migrated('ota-changed')), changedOta);
    assert.deepEqual(readConfig(usualConfig, migrated('config-changed')), changedConfig);
    for (const id of ['ota-changed', 'config-changed'])
      assert.deepEqual(readRollout(usualRollout, migrated(id)), changedRollout, id);
    assert.deepEqual(readQuery(everyDevice, migrated('devices-changed')), {
      device: ['kitchen-light', 'porch-*'],
      state: ['ready', 'lost'],
      firmware: ['my-light'],
      outdated: true,
    });
  });

  it('get the version of this package, and messages in the old form', () => {
    for (const { id, type } of old.filter((node) => node.type.startsWith('homie-'))) {
      assert.equal(migrated(id)['settingsVersion'], SETTINGS_VERSION);
      assert.equal(migrated(id)['oldMessages'], type === 'homie-broker' ? undefined : true, id);
    }
  });

  it('are read again as they are once they have that version', () => {
    const node = { ...migrated('ota-usual'), oldMessages: false };
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

  it('updates a device, with settings from its message, and each output sends what it sent', async () => {
    const [result, progress, summary] = [1, 2, 3].map((number) => output('ota-usual', number));
    assert.ok(result && progress && summary);
    const asked = { topic: 'lights', device: 'my-light', canary: 0, soak: 0, checksum: undefined };
    send('ota-usual', { ...asked, payload: next, action: 'update' });
    const ended = await result.first();
    assert.equal(payload(ended, 'state'), 'succeeded');
    assert.deepEqual([ended['topic'], ended['action'], ended['canary']], ['lights', 'update', 0]);
    assert.equal(payload(await progress.first(), 'device'), 'my-light');
    assert.deepEqual(payload(await summary.first(), 'counts'), { succeeded: 1 });
    send('ota-usual', { action: 'status', device: 'my-light' });
    const status = await summary.first((msg) => msg['action'] === 'status');
    assert.equal(payload(status, 'last.my-light.0.state'), 'succeeded');
  });

  it('reads what makes an update more careful from the message', async () => {
    const summary = output('ota-usual', 3);
    send('ota-usual', { payload: next, device: '*-light', exclude: 'kitchen-*, my-light' });
    assert.deepEqual(payload(await summary.first(), 'counts'), { skipped: 2 });
    send('ota-usual', { payload: next, device: 'my-light', window: 'at night', again: true });
    const refused = await summary.first((msg) => msg['again'] === true);
    assert.equal(payload(refused, 'error.code'), 'INVALID_SETTING');
  });

  it('refuses an update without a payload, whatever is on offer', async () => {
    flow.send({ payload: next, action: 'offer' });
    await flow.summary.first();
    const result = output('ota-usual', 1);
    send('ota-usual', { device: 'my-light' });
    assert.equal(payload(await result.first(), 'error.code'), 'PAYLOAD_TYPE');
    assert.match(String(payload(await result.first(), 'error.hint')), /Messages as in version 0\.1\.0/);
    const [summary] = [output('ota-usual', 3)];
    send('ota-usual', { action: 'check', device: 'my-light' });
    assert.equal(payload(await summary.first(), 'error.code'), 'PAYLOAD_TYPE');
  });

  it('changes and reads a configuration', async () => {
    const result = output('config-usual', 1);
    send('config-usual', { payload: { device_stats_interval: 2 }, device: 'my-light', canary: 0 });
    assert.equal(payload(await result.first(), 'state'), 'succeeded');
    send('config-usual', { action: 'get', device: 'my-light' });
    const read = await result.first((msg) => msg['action'] === 'get');
    assert.equal(payload(read, 'config.device_stats_interval'), 2);
  });

  it('lists devices with the names of then, and gets no events that it does not know', async () => {
    flow.send({ payload: next, action: 'offer' });
    await flow.summary.first();
    const devices = output('devices-usual', 1);
    send('devices-usual', { state: 'ready', firmware: 'my-light' });
    const { payload: list } = await devices.first();
    assert.ok(Array.isArray(list) && list.length === 2);
    const { installed_version: installed, latest_version: latest, state } = list[0].update;
    assert.deepEqual([installed, latest, state], ['1.0.0', '1.1.0', 'available']);
    send('devices-usual', { state: 'lost' });
    assert.deepEqual((await devices.nth(2)).payload, []);

    const events = output('devices-changed', 2);
    const results = output('ota-usual', 1);
    send('ota-usual', { payload: next, device: 'kitchen-light', canary: 0 });
    await results.first();
    const named = (msg: NodeMessage): unknown => payload(msg, 'event');
    await events.first((msg) => named(msg) === 'firmware');
    assert.deepEqual(
      events.messages.filter((msg) => ['update_available', 'updated'].includes(String(named(msg)))),
      [],
    );
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
    assert.deepEqual(device.received.filter(isImage), []);
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
