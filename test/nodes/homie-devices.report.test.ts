import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { freePort } from '../support/ports';
import { TestFlow } from './flow';
import { caughtCode, configNode, payload, Scene, untilHeard } from './scene';

const secret = 'pl4nted-secret';

const devicesNode = { type: 'homie-devices', device: '', state: '', firmware: '', outdated: false, events: false };

function textOf(msg: NodeMessage): string {
  assert.equal(typeof msg.payload, 'string');
  return String(msg.payload);
}

describe('homie-devices with the action report', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  const start = (settings: object = {}, more?: Parameters<typeof TestFlow.start>[2]): Promise<TestFlow> =>
    TestFlow.start(scene.broker, { ...devicesNode, ...settings }, more);

  it('answers with the device and its failed job, without a value of the configuration or the patch', async () => {
    const config = { name: secret, settings: { percentage: 42, apiToken: secret, [secret]: true } };
    const device = await scene.device('report-lamp', { config, misbehavior: { forgets: 'settings' } });
    const changer = {
      id: 'changer',
      broker: 'broker',
      canary: '0',
      secretNames: 'secret',
      ...configNode,
      wires: [[], [], ['summary']],
    };
    const flow = await start({ state: 'lost' }, { more: [changer] });
    await flow.showed('1/1');
    await untilHeard(flow.broker, [device]);
    flow.sendTo('changer', {
      device: 'report-lamp',
      payload: { settings: { [secret]: `${secret}2`, percentage: 43 } },
    });
    assert.equal(payload(await flow.summary.first(), 'state'), 'failed');
    flow.send({ action: 'report', device: 'report-lamp', topic: 'kept', options: { state: 'lost' } });
    const answer = await flow.result.first();
    assert.deepEqual([answer['topic'], answer['device'], 'action' in answer], ['kept', 'report-lamp', false]);
    const text = textOf(answer);
    for (const line of [
      `- Node.js: \`${process.version}\``,
      '- State: `connected`',
      '- MQTT version: `3.1.1`',
      '- Devices: `1`, `1 ready`',
      '#### Device `report-lamp`',
      '- State: `ready`, `live`',
      `- Firmware: \`my-light\`, \`1.0.0\`, \`MD5 ${device.checksum}\``,
      '- Change: `configuration`',
      '- Paths: `settings.•••`',
      '- `report-lamp`: `failed`',
      '  - Error: `VALUE_LOST`, `verifying`',
    ]) {
      assert.ok(text.split('\n').includes(line), `${line} in\n${text}`);
    }
    assert.match(text, /- Settings that are not the default \(times in ms\): .*`secretNames: 1 in the list`/);
    for (const hidden of [secret, '127.0.0.1', device.mac, '43']) {
      assert.ok(
        !text.replaceAll(/MD5 \w+|\d{4}-\S+Z|[\d.]+ s\b|\S+:\d+`/g, '').includes(hidden),
        `${hidden} in\n${text}`,
      );
    }
  });

  it('answers with the broker and its last jobs if the message names no device, whatever the node lists', async () => {
    await scene.device('report-other');
    const flow = await start({ device: 'none' });
    await flow.showed('1/1');
    for (const [index, device] of [undefined, null, ''].entries()) {
      flow.send({ action: 'report', device });
      const text = textOf(await flow.result.nth(index + 1));
      assert.match(text, /#### Broker\n/);
      assert.doesNotMatch(text, /#### (Device|Job|History)/);
    }
    await flow.done(3);
    assert.deepEqual(flow.dones, [{ code: undefined }, { code: undefined }, { code: undefined }]);
  });

  it('says why there is no connection, and not to which address', async () => {
    const port = String(await freePort());
    const flow = await TestFlow.start({ host: '127.0.0.1', port }, devicesNode);
    await flow.showedError('BROKER_UNREACHABLE');
    flow.send({ action: 'report' });
    const text = textOf(await flow.result.first());
    assert.ok(text.includes(`- Address: \`mqtt://•••:${port}\`\n- State: \`disconnected\`\n`), text);
    assert.match(
      text,
      /- Last failed connection: `BROKER_UNREACHABLE`, `20\S+Z`\n {2}- Message: `.*•••.*`\n {2}- Hint: `.+`\n/,
    );
    assert.ok(!text.includes('127.0.0.1'));
  });

  for (const [title, device, code] of [
    ['a device that nobody has seen', 'report-none', 'DEVICE_UNKNOWN'],
    ['a pattern', 'report-*', 'INVALID_DEVICE_ID'],
    ['an empty list of devices', [], 'NO_DEVICE'],
  ] as const) {
    it(`refuses ${title}, and answers nothing`, async () => {
      const flow = await start();
      await flow.showed('0/0');
      flow.send({ action: 'report', device });
      assert.equal(caughtCode(await flow.caught.first()), code);
      await flow.showedError(code);
      assert.equal(flow.result.messages.length, 0);
    });
  }
});
