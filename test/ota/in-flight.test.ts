import assert from 'node:assert/strict';
import { connectAsync } from 'mqtt';
import { once } from 'node:events';
import type { Device } from '../../src/homie/device';
import { acknowledgedFlight, flightOf, judgeImageInFlight } from '../../src/ota/in-flight';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { buildEsp8266Image } from '../support/images';
import { untilTrue } from '../support/until-true';
import { codeOf, Lab, next, patient, raw, running, serving } from './lab';

describeWithBrokers('an update that is judged after a restart of this process', (start) => {
  let broker: TestBroker;
  before(async () => (broker = await start()));
  after(() => broker?.stop());

  it('ends although a retained firmware makes the device answer at every connect', async () => {
    const lab = await Lab.open(broker.url, { misbehavior: { noStatistics: true } });
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
      const end = await judgeImageInFlight({
        ...serving(lab.broker, id),
        firmware,
        flight: flightOf(known),
        settings: { ...patient, accepted: 300, stall: 300, reboot: 300, ready: 300 },
      });
      assert.equal(end.kind === 'ended' && end.outcome.state, 'failed');
      assert.ok(lab.device.image.equals(running));
    } finally {
      await retained.endAsync();
      await lab.close();
    }
  });

  it('does not take a restart for the one into the image that happened before the broker had the image', async () => {
    const lab = await Lab.open(broker.url, { misbehavior: { notIdle: true } });
    const before = await connectAsync(broker.url);
    try {
      const { id } = lab.device;
      const deviceNow = (): Device => lab.broker.registry.get(id) ?? assert.fail();
      const image = await raw(next);
      const begun = flightOf(deviceNow());
      const ready = once(lab.device, 'ready');
      await lab.device.restart();
      await ready;
      await untilTrue(
        lab.broker.registry,
        'event',
        () => (deviceNow().uptime?.at ?? 0) > (deviceNow().connectedAt ?? Infinity),
      );
      await before.publishAsync(`homie/${id}/$implementation/ota/firmware/${image.info.md5}`, image.image, { qos: 1 });
      const flight = acknowledgedFlight(begun, deviceNow());
      lab.broker.locks.acquire(id, 'test');
      const end = await judgeImageInFlight({
        ...serving(lab.broker, id),
        firmware: image,
        flight,
        settings: { ...patient, accepted: 300, stall: 300, reboot: 1_000, ready: 1_000 },
      });
      assert.match(end.kind === 'ended' ? codeOf(end.outcome) : '', /^(?:NOT_REBOOTED|REBOOT_UNPROVEN)$/);
      assert.equal(lab.device.hasToBoot, true);
    } finally {
      await before.endAsync();
      await lab.close();
    }
  });

  it('frees a device that receives in silence until its MQTT client gives up', async () => {
    const lab = await Lab.open(broker.url, { keepalive: 1, flashDelay: 250, segment: 536 });
    const before = await connectAsync(broker.url);
    try {
      const { id } = lab.device;
      const known = lab.broker.registry.get(id);
      assert.ok(known);
      const large = await raw(buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 64_000, seed: 2 }));
      const flight = flightOf(known);
      const accepted = once(lab.device, 'status');
      await before.publishAsync(`homie/${id}/$implementation/ota/firmware/${large.info.md5}`, large.image, { qos: 1 });
      await accepted;
      lab.broker.locks.acquire(id, 'test');
      const end = await judgeImageInFlight({
        ...serving(lab.broker, id),
        firmware: large,
        flight,
        settings: { ...patient, accepted: 300, stall: 300 },
      });
      assert.deepEqual(end, { kind: 'again' });
    } finally {
      await before.endAsync();
      await lab.close();
    }
  });
});
