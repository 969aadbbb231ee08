/** The settings of a message are read from msg.options, and from nowhere else. */
import assert from 'node:assert/strict';
import { readOptions } from '../../nodes/shared/request';
import { HomieError } from '../../src/errors';
import { caughtCode, next, payload, Scene } from './scene';
import { TestFlow } from './flow';

/** Properties that other nodes may have left in a message. None of them is a valid setting. */
const foreign = {
  state: 'ON',
  firmware: 7,
  outdated: 'perhaps',
  matchFirmware: 'no',
  force: 'ON',
  order: 4711,
  window: { open: true },
  ready: 'yes',
  keep: -1,
  attempts: 'many',
  expires: 'never',
  exclude: 7,
  split: 'here',
  segment: 100,
  secretNames: 7,
};
const devicesNode = { type: 'homie-devices', device: '', state: '', firmware: '', outdated: false, events: false };

describe('the settings in a message', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  it('are not read from its other properties by homie-ota, which keeps those', async () => {
    await scene.device('my-light');
    const flow = await scene.flow();
    flow.send({ ...foreign, payload: next });
    const result = await flow.result.first();
    assert.equal(payload(result, 'state'), 'succeeded');
    assert.deepEqual({ ...result, ...foreign }, result);
  });

  it('are not read from its other properties by homie-config', async () => {
    await scene.device('my-light');
    const flow = await scene.config();
    flow.send({ ...foreign, payload: { device_stats_interval: 2 } });
    assert.equal(payload(await flow.result.first(), 'state'), 'succeeded');
  });

  it('are not read from its other properties by homie-devices', async () => {
    await scene.device('my-light');
    const flow = await TestFlow.start(scene.broker, devicesNode);
    flow.send(foreign);
    const { payload: devices } = await flow.result.first();
    assert.ok(Array.isArray(devices));
    assert.equal(devices.length, 1);
  });

  it('are refused by the name of an unknown one, with the nearest known one, for each device that is named', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.flow();
    flow.send({ payload: next, options: { atempts: 3 } });
    assert.equal(caughtCode(await flow.caught.first()), 'UNKNOWN_SETTING');
    const result = await flow.result.first();
    assert.deepEqual([payload(result, 'device'), payload(result, 'state')], ['my-light', 'rejected']);
    assert.match(String(payload(result, 'error.message')), /"atempts"/);
    assert.equal(payload(result, 'error.hint'), 'Use "attempts" instead.');
    assert.deepEqual(device.received, []);
  });

  it('do not keep a message from steering jobs', async () => {
    const flow = await scene.flow({ device: 'late' });
    flow.send({ payload: next, topic: 'update' });
    await flow.progress.first((msg) => payload(msg, 'state') === 'waiting');
    flow.send({ action: 'cancel', options: 'of another node' });
    assert.equal(payload(await flow.result.first(), 'state'), 'canceled');
  });
});

describe('msg.options', () => {
  const names = ['force', 'attempts', 'exclude'];
  const problemOf = (value: unknown): HomieError => {
    const read = readOptions(value, names);
    assert.ok(read instanceof HomieError);
    return read;
  };

  it('may be left out', () => {
    for (const value of [undefined, null, {}]) assert.deepEqual(readOptions(value, names), {});
  });

  it('is an object of settings, also one without a prototype', () => {
    assert.deepEqual(readOptions({ force: true, attempts: '3' }, names), { force: true, attempts: '3' });
    assert.deepEqual(readOptions(Object.assign(Object.create(null), { force: true }), names), { force: true });
  });

  it('is nothing but a plain object', () => {
    for (const value of [
      '',
      '{"force":true}',
      7,
      true,
      [],
      [{ force: true }],
      new Map([['force', true]]),
      new Date(),
    ]) {
      assert.deepEqual(
        [problemOf(value).code, problemOf(value).message],
        ['INVALID_SETTING', 'msg.options must be an object.'],
      );
    }
  });

  it('is refused where reading it fails', () => {
    const fail = (): never => {
      throw new Error('do not touch');
    };
    const hostile = [
      Object.defineProperty({}, 'force', { get: fail, enumerable: true }),
      new Proxy({}, { ownKeys: fail }),
      new Proxy({}, { getPrototypeOf: fail }),
    ];
    for (const value of hostile) assert.equal(problemOf(value).code, 'INVALID_SETTING');
  });

  it('is read for its own enumerable properties only', () => {
    assert.equal(problemOf(Object.create({ force: true })).code, 'INVALID_SETTING');
    assert.deepEqual(readOptions(Object.defineProperty({}, 'force', { value: true }), names), {});
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const value: unknown = JSON.parse(`{"${name}":{"force":true}}`);
      assert.equal(problemOf(value).code, 'UNKNOWN_SETTING', name);
    }
  });

  it('does not hold what stands beside it in a message', () => {
    for (const name of ['payload', 'device', 'action', 'job', 'checksum']) {
      assert.equal(problemOf({ [name]: 'x' }).hint, `Set msg.${name} instead.`);
    }
  });

  it('is told of without a guess where no setting is similar', () => {
    assert.match(problemOf({ zzz: 1 }).hint, /listed in the help/);
    assert.ok(problemOf({ ['z'.repeat(5000)]: 1 }).message.length < 200);
  });
});
