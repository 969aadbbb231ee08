/**
 * Deploys a flow while a device is asked whether an update was cut off, at each moment that the parent names. A separate
 * process, because it might never end.
 */
import { setImmediate } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { resetLocks } from '../support/locks';
import { startProxy, type Proxy } from '../support/proxy';
import { buildEsp8266Image } from '../support/images';
import { stopFlow, TestFlow } from './flow';
import { connected, next, payload, running } from './scene';

/** The report to the parent. */
interface Deployed {
  /** Duration of the deploy. */
  readonly ms: number;
  /** Number of calls of `done`. */
  readonly dones: number;
  /** Number of images that were sent to the device that was asked. */
  readonly images: number;
}

interface Stage {
  readonly aedes: AedesBroker;
  readonly proxy: Proxy;
  readonly flow: TestFlow;
}

const other = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 90_000, seed: 5 });

/** Waits until the broker has received the question. */
async function asked({ aedes: { aedes } }: Stage): Promise<void> {
  await new Promise<void>((resolve) => {
    aedes.on('publish', ({ topic }) => {
      if (topic.includes('asked/$implementation/ota/firmware/')) resolve();
    });
  });
}

/** The moments of the deploy: each function brings the flow to one of them. */
const moments: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  async unacknowledged(stage) {
    stage.proxy.mute();
    const question = asked(stage);
    stage.flow.send({ payload: next, device: 'asked' });
    await question;
    stage.proxy.stall();
  },
  async unanswered(stage) {
    const question = asked(stage);
    stage.flow.send({ payload: next, device: 'asked' });
    await question;
  },
  async queued({ proxy, flow }) {
    proxy.limit(10_000);
    flow.send({ payload: other, device: 'first' });
    await flow.progress.first((msg) => payload(msg, 'phase') === 'sending');
    flow.send({ payload: next, device: 'asked' });
    while (flow.broker.locks.holder('asked') === undefined) await setImmediate();
  },
};

async function deploy(moment: string, type: 'full' | 'nodes'): Promise<Deployed> {
  const aedes = await startAedes();
  const proxy = await startProxy(aedes.port);
  const options = { url: aedes.url, image: running, uptime: 3600, misbehavior: { loseStatuses: () => true } };
  const devices = ['first', 'asked'].map((id) => new SimulatedDevice({ ...options, id }));
  for (const device of devices) await device.start();
  const client = await connectAsync(aedes.url);
  const status = 'homie/asked/$implementation/ota/status';
  await client.publishAsync(status, '206 4096/80000', { qos: 1, retain: true });
  await client.endAsync();

  const broker = { host: '127.0.0.1', port: String(proxy.port) };
  const flow = await TestFlow.start(broker, { canary: '0' });
  await flow.showed(connected);
  await flow.broker.settled();
  await moments[moment]?.({ aedes, proxy, flow });
  // The question is being sent, or waits to be sent.
  for (let turns = 0; turns < 100; turns++) await setImmediate();

  const begun = performance.now();
  await flow.deploy(broker, { canary: '0', name: 'changed' }, [], type);
  const ms = performance.now() - begun;
  const images = devices[1]?.images.length ?? Number.NaN;
  const dones = flow.dones.length;
  await stopFlow();
  for (const device of devices) await device.stop();
  await proxy.close();
  await aedes.close();
  resetLocks();
  return { ms, dones, images };
}

process.on('message', ([moment, type]: [string, 'full' | 'nodes']) => {
  void deploy(moment, type).then((deployed) => process.send?.(deployed));
});
