import assert from 'node:assert/strict';
import { connectAsync } from 'mqtt';
import { flightOf, judgeFlight } from '../../src/ota/flight';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { Lab, next, patient, raw, running } from './lab';

describeWithBrokers('an update that is judged after a restart of this process', (start) => {
  let broker: TestBroker;
  before(async () => (broker = await start()));
  after(() => broker?.stop());

  it('ends although a retained firmware makes the device answer at every connect', async () => {
    const lab = await Lab.open(broker.url, { misbehaviour: { noStatistics: true } });
    const retained = await connectAsync(broker.url);
    try {
      const { id } = lab.device;
      const known = lab.broker.registry.get(id);
      assert.ok(known);
      const firmware = await raw(next);
      const old = await raw(running);
      lab.device.on('status', () => setImmediate(() => lab.device.dropConnection()));
      await retained.publishAsync(`homie/${id}/$implementation/ota/firmware/${old.info.md5}`, running, {
        qos: 1,
        retain: true,
      });
      lab.broker.locks.acquire(id, 'test');
      const end = await judgeFlight({
        broker: lab.broker,
        device: id,
        job: 'test',
        firmware,
        flight: flightOf(known),
        settings: { ...patient, accepted: 300, stall: 300, reboot: 300, ready: 300 },
        abandon: new AbortController().signal,
        report: () => undefined,
      });
      assert.equal(end.kind === 'ended' && end.outcome.state, 'failed');
      assert.ok(lab.device.image.equals(running));
    } finally {
      await retained.endAsync();
      await lab.close();
    }
  });
});
