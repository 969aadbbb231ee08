import assert from 'node:assert/strict';
import { md5 } from '../../src/firmware/checksum';
import { reachedUptime } from '../../src/homie/uptime';
import { DeviceObserver } from '../../src/homie/device-observer';
import { abortStaleUpdate } from '../../src/ota/recovery';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { startProxy, type Proxy } from '../support/proxy';
import { Lab, large, patient } from './lab';

/** Bytes of the question whether an update was cut off. */
const QUESTION = 4096;

describeWithBrokers('a device in the middle of an update that was cut off', (start) => {
  let server: TestBroker;
  let proxy: Proxy;
  let lab: Lab;

  before(async () => (server = await start()));
  after(() => server?.stop());
  /**
   * The device has lost its connection in the middle of a transfer, and reconnected. We are connected through a proxy.
   */
  beforeEach(async () => {
    proxy = await startProxy(server.port);
    lab = await Lab.open(
      server.url,
      { misbehavior: { dropAt: 30_000 } },
      { url: `mqtt://127.0.0.1:${proxy.port}`, reconnect: { min: 20, max: 20 } },
    );
    await lab.cutOff(large);
    assert.equal(lab.device.isUpdating, true);
  });
  afterEach(async () => {
    await lab.close();
    await proxy.close();
  });

  /** Asks the device as the job that holds its lock. */
  const ask = async (ready: number): Promise<unknown> => {
    const { broker, device } = lab;
    const known = broker.registry.get(device.id);
    assert.ok(known !== undefined);
    broker.locks.acquire(device.id, 'test');
    const abandon = new AbortController().signal;
    const watch = broker.watch(device.id);
    const before = reachedUptime(known, performance.now());
    const observer = new DeviceObserver({ broker, watch, signal: abandon, before });
    try {
      const settings = { ...patient, ready };
      return await abortStaleUpdate({
        broker,
        device: device.id,
        job: 'test',
        md5: await md5(large),
        settings,
        observer,
        abandon,
      });
    } finally {
      watch.close();
      broker.locks.release(device.id, 'test');
    }
  };
  /** Returns the number of questions of which at least a part reached the device. */
  const questions = (): number => lab.device.received.filter(({ total }) => total === QUESTION).length;

  it('is asked again when our own connection is lost together with the question', async () => {
    const { connections } = proxy;
    proxy.cutAfter(1_000);
    // Shorter than the pause after a question that was not sent: the lost connection extends the deadline.
    assert.equal(await ask(400), 'idle');
    assert.equal(lab.device.isUpdating, false);
    assert.equal(questions(), 1);
    assert.equal(proxy.connections, connections + 1);
  });
});
