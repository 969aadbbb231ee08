import assert from 'node:assert/strict';
import { HomieBroker } from '../../src/homie/broker';
import { Sight } from '../../src/homie/sight';

describe('What is seen of a device', () => {
  it('is a connect that only retained messages tell of, until all subscriptions of a new connection stand', async () => {
    const broker = new HomieBroker({ url: 'mqtt://127.0.0.1:1', protocolVersion: 5, baseTopic: 'homie/' });
    const watch = broker.watch('lamp');
    const sight = new Sight({ broker, watch, signal: new AbortController().signal });
    const receive = (attribute: string, value: string, retained: boolean): void =>
      broker.registry.receive(`homie/lamp/${attribute}`, Buffer.from(value), retained);
    broker.registry.tellConnection({ value: 'lost', heardAt: performance.now() });
    broker.registry.tellConnection({ value: 'restored' });
    receive('$implementation/ota/status', '200', false);
    while ((await sight.next(0)) !== undefined);
    // It was flashed; the reboot lies between this subscription and the next one.
    sight.received();
    receive('$state', 'ready', true);
    receive('$fw/checksum', '0123456789abcdef0123456789abcdef', true);
    while ((await sight.next(0)) !== undefined);
    const { live, checksum, readyAt } = sight.advertisement ?? {};
    assert.equal(live, false);
    assert.equal(checksum, '0123456789abcdef0123456789abcdef');
    assert.ok(readyAt !== undefined);
    watch.close();
  });

  describe('when the will of its connection before comes late', () => {
    const checksum = '0123456789abcdef0123456789abcdef';

    /** What is seen of a device that publishes this, topic by topic. */
    const seen = async (...messages: readonly (readonly [attribute: string, value: string])[]) => {
      const broker = new HomieBroker({ url: 'mqtt://127.0.0.1:1', protocolVersion: 5, baseTopic: 'homie/' });
      const watch = broker.watch('lamp');
      const sight = new Sight({ broker, watch, signal: new AbortController().signal });
      broker.registry.receive('homie/lamp/$state', Buffer.from('ready'), false);
      while ((await sight.next(0)) !== undefined);
      sight.received();
      for (const [attribute, value] of messages) {
        broker.registry.receive(`homie/lamp/${attribute}`, Buffer.from(value), false);
      }
      while ((await sight.next(0)) !== undefined);
      watch.close();
      return sight;
    };

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
