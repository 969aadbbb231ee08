import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { HomieBroker } from '../../src/homie/broker';
import { DeviceObserver } from '../../src/homie/device-observer';
import { describeWithBrokers } from '../support/brokers';
import { startProxy } from '../support/proxy';

describe('What is seen of a device', () => {
  it('is a connect that only retained messages tell of, until all subscriptions of a new connection stand', async () => {
    const broker = new HomieBroker({ url: 'mqtt://127.0.0.1:1', protocolVersion: 5, baseTopic: 'homie/' });
    const watch = broker.watch('lamp');
    const observer = new DeviceObserver({ broker, watch, signal: new AbortController().signal });
    const receive = (attribute: string, value: string, retained: boolean): void =>
      broker.registry.receive(`homie/lamp/${attribute}`, Buffer.from(value), retained);
    broker.registry.tellConnection({ value: 'lost', heardAt: performance.now() });
    broker.registry.tellConnection({ value: 'restored' });
    receive('$implementation/ota/status', '200', false);
    while ((await observer.next(0)) !== undefined);
    // It was flashed; the reboot lies between this subscription and the next one.
    observer.received();
    receive('$state', 'ready', true);
    receive('$fw/checksum', '0123456789abcdef0123456789abcdef', true);
    while ((await observer.next(0)) !== undefined);
    const { live, checksum, readyAt } = observer.advertisement ?? {};
    assert.equal(live, false);
    assert.equal(checksum, '0123456789abcdef0123456789abcdef');
    assert.ok(readyAt !== undefined);
    watch.close();
  });

  it('passes a deadline although a message of the device arrives in each round trip', async () => {
    const broker = new HomieBroker({ url: 'mqtt://127.0.0.1:1', protocolVersion: 5, baseTopic: 'homie/' });
    const watch = broker.watch('lamp');
    const observer = new DeviceObserver({ broker, watch, signal: new AbortController().signal });
    let pings = 0;
    broker.heard = async () => {
      pings += 1;
      broker.registry.receive('homie/lamp/$stats/signal', Buffer.from('50'), false);
    };
    const until = observer.clock();
    const event = await observer.next(until);
    assert.equal(event?.attribute, 'signal');
    assert.equal(await observer.next(until), undefined);
    assert.equal(pings, 1);
    watch.close();
  });

  const checksum = '0123456789abcdef0123456789abcdef';

  /** What is seen of a device that publishes this, topic by topic. */
  const seen = async (...messages: readonly (readonly [attribute: string, value: string])[]) => {
    const broker = new HomieBroker({ url: 'mqtt://127.0.0.1:1', protocolVersion: 5, baseTopic: 'homie/' });
    const watch = broker.watch('lamp');
    const observer = new DeviceObserver({ broker, watch, signal: new AbortController().signal });
    broker.registry.receive('homie/lamp/$state', Buffer.from('ready'), false);
    while ((await observer.next(0)) !== undefined);
    observer.received();
    for (const [attribute, value] of messages) {
      broker.registry.receive(`homie/lamp/${attribute}`, Buffer.from(value), false);
    }
    while ((await observer.next(0)) !== undefined);
    watch.close();
    return observer;
  };

  it('is a reboot where the device had told, after what was published, that it had been up for longer', async () => {
    const observer = await seen(
      ['$stats/uptime', '3601'],
      ['$state', 'init'],
      ['$state', 'ready'],
      ['$stats/uptime', '2'],
    );
    assert.equal(observer.reboot(observer.advertisement?.uptime), 'shown');
  });

  it('is no reboot by an uptime of the same connection, or of one that is only known to be another', async () => {
    const up = ['$stats/uptime', '3601'] as const;
    const once = await seen(up, ['$state', 'init'], ['$state', 'ready'], ['$stats/uptime', '3602']);
    assert.equal(once.reboot(once.advertisement?.uptime), 'refuted');
    const booted = await seen(['$state', 'init'], ['$state', 'ready'], ['$stats/uptime', '5'], ['$stats/uptime', '4']);
    assert.notEqual(booted.reboot({ value: 4, at: performance.now() }), 'shown');
  });

  describe('when the will of its connection before comes late', () => {
    it('is one connect, which ends when the device is ready', async () => {
      const { advertisement, gone } = await seen(
        ['$state', 'init'],
        ['$state', 'lost'],
        ['$fw/checksum', checksum],
        ['$state', 'ready'],
        ['$stats/uptime', '0'],
      );
      assert.equal(gone, false);
      assert.deepEqual(
        [advertisement?.live, advertisement?.checksum, advertisement?.uptime?.value],
        [true, checksum, 0],
      );
      assert.ok(advertisement?.readyAt !== undefined);
    });

    it('is nothing until the device is ready, since it may be gone', async () => {
      const { advertisement, gone } = await seen(['$state', 'init'], ['$state', 'lost'], ['$fw/checksum', checksum]);
      assert.deepEqual([advertisement, gone], [undefined, true]);
    });

    it('is another connect when the device connects again', async () => {
      const { advertisement } = await seen(
        ['$state', 'init'],
        ['$fw/checksum', checksum],
        ['$state', 'lost'],
        ['$state', 'init'],
        ['$state', 'ready'],
      );
      assert.equal(advertisement?.checksum, undefined);
      assert.ok(advertisement?.readyAt !== undefined);
    });
  });
});

describeWithBrokers(
  'What is not seen of a device in time, on a connection that is dead without our knowing it,',
  (start) => {
    for (const [what, text, expected] of [
      ['is seen late where it was published', '200', '200'],
      ['is said to be missing only when the broker has answered', undefined, undefined],
    ] as const) {
      it(what, async () => {
        const server = await start();
        const proxy = await startProxy(server.port);
        const broker = new HomieBroker({
          url: `mqtt://127.0.0.1:${proxy.port}`,
          protocolVersion: 'auto',
          baseTopic: 'homie/',
        });
        broker.start();
        await broker.settled();
        const device = await connectAsync(server.url, { protocolVersion: 4, reconnectPeriod: 0 });
        const watch = broker.watch('lamp');
        const observer = new DeviceObserver({ broker, watch, signal: new AbortController().signal });
        proxy.stall();
        const deadline = 300;
        let isTold = false;
        const told = observer.next(performance.now() + deadline).then((event) => {
          isTold = true;
          return event;
        });
        if (text !== undefined) await device.publishAsync('homie/lamp/$implementation/ota/status', text, { qos: 1 });
        await delay(3 * deadline);
        assert.equal(isTold, false);
        proxy.flow();
        assert.equal((await told)?.value, expected);
        watch.close();
        await device.endAsync();
        await broker.close();
        await proxy.close();
        await server.stop();
      });
    }
  },
);
