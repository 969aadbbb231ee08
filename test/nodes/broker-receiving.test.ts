import assert from 'node:assert/strict';
import mqtt from 'mqtt';
import { startAedes } from '../support/aedes';
import { startPace } from '../support/pace';
import { stopFlow, TestFlow } from './flow';

const devicesNode = { type: 'homie-devices', device: '', state: '', firmware: '', outdated: false, events: false };

describe('A broker that is long in sending what it has retained', () => {
  const ends: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    await stopFlow();
    for (const end of ends.splice(0).toReversed()) await end();
  });

  it('is shown to do so below the nodes, and by the test of the dialog', async () => {
    const broker = await startAedes();
    const device = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
    const pace = await startPace(broker.port, 1, 100);
    ends.push(
      () => broker.close(),
      () => device.endAsync(),
      () => pace.close(),
    );
    for (let i = 0; i < 75; i++) {
      for (const topic of ['$name', '$state']) {
        await device.publishAsync(`homie/device-${i}/${topic}`, 'ready', { qos: 1, retain: true });
      }
    }
    const settings = { host: '127.0.0.1', port: String(pace.port), baseTopic: 'homie/', protocolVersion: '4' };
    const flow = await TestFlow.start(settings, devicesNode);
    const answer = flow.test(settings);
    const status = await flow.showed('receiving devices');
    assert.deepEqual(status, { ...status, fill: 'yellow', shape: 'ring' });
    const { receiving, searched, devices }: { receiving?: unknown; searched?: unknown; devices?: unknown } =
      await answer;
    assert.deepEqual([receiving, searched], [true, false]);
    assert.ok(Number(devices) > 0);
    await flow.showed('75/75');
  });
});
