import assert from 'node:assert/strict';
import { once } from 'node:events';
import fc from 'fast-check';
import { Connection } from '../../src/mqtt/connection';
import { subscribeError } from '../../src/mqtt/reason';
import { subscribePackets } from '../../src/mqtt/subscribe-packets';
import { dynamicSecurityAvailable, startRefusingMosquitto } from '../support/dynamic-security';
import { startAedes } from '../support/aedes';
import { HANG_LIMIT } from '../support/limits';
import { connected } from '../support/statuses';

const reconnect = { min: 10, max: 50 };

describe('A subscription that the broker refuses', () => {
  const ends: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });

  for (const [protocolVersion, code] of [
    [5, 135],
    [4, 128],
  ] as const) {
    it(`is told with its reason code, and the others are granted (version ${protocolVersion})`, async function () {
      if (!dynamicSecurityAvailable()) return this.skip();
      const broker = await startRefusingMosquitto(['homie/+/$state', 'homie/b/$mac']);
      ends.push(() => broker.stop());
      const connection = new Connection({ url: broker.url, protocolVersion, reconnect });
      ends.push(() => connection.close());
      void connection.subscribe(['homie/+/$state', 'homie/+/$name']);
      connection.connect();
      const [refused] = await once(connection, 'subscribed');
      assert.deepEqual([...refused], [['homie/+/$state', code]]);
      assert.deepEqual(
        [...(await connection.subscribe(['homie/a/$mac', 'homie/b/$mac', 'homie/c/$mac']))],
        [['homie/b/$mac', code]],
      );
      const message = once(connection, 'message');
      await connection.publish('homie/c/$mac', 'x', { qos: 1, timeout: HANG_LIMIT });
      assert.equal((await message)[0], 'homie/c/$mac');
    });
  }

  it('is told at each new connection', async () => {
    const broker = await startAedes();
    ends.push(() => broker.close());
    let isRefused = true;
    broker.aedes.authorizeSubscribe = (_client, subscription, done) => done(null, isRefused ? null : subscription);
    const connection = new Connection({ url: broker.url, protocolVersion: 4, reconnect });
    ends.push(() => connection.close());
    void connection.subscribe(['a/+']);
    connection.connect();
    const [first] = await once(connection, 'subscribed');
    assert.equal(first.size, 1);
    isRefused = false;
    const again = once(connection, 'subscribed');
    await connected(connection);
    for (const client of Object.values(Object(broker.aedes).clients ?? {})) Object(client).close();
    const [second] = await again;
    assert.equal(second.size, 0);
  });
});

describe('The error of a refused subscription', () => {
  it('names the topics and the ACL, or what else refused them', () => {
    const error = subscribeError(new Map([['homie/+/$state', 128]]));
    assert.equal(error.code, 'SUBSCRIBE_REFUSED');
    assert.match(error.message, /does not allow this user to subscribe to homie\/\+\/\$state\.$/);
    assert.match(error.hint, /ACL/);
    const many = subscribeError(new Map(['a', 'b', 'c', 'd', 'e'].map((filter) => [filter, 135])));
    assert.match(many.message, /a, b, c and 2 more/);
    assert.match(subscribeError(new Map([['a', 151]])).message, /quota/);
    assert.match(subscribeError(new Map([['a', 162]])).message, /wildcards/);
    assert.match(subscribeError(new Map([['a', 131]])).message, /reason code 131/);
  });
});

describe('SUBSCRIBE packets', () => {
  it('have each filter once, in order, those with a wildcard alone, and as many others as can be', () => {
    const filter = fc.oneof(fc.string(), fc.constantFrom('a/+', '#', '+/$state', 'a', 'b/c', ''));
    const run = fc.integer({ min: 1, max: 700 }).map((count) => Array.from({ length: count }, (_, at) => `x/${at}`));
    fc.assert(
      fc.property(fc.array(fc.oneof({ arbitrary: filter.map((each) => [each]), weight: 9 }, run)), (lists) => {
        const filters = lists.flat();
        const packets = subscribePackets(filters);
        assert.deepEqual(packets.flat(), filters);
        const isWild = (each: string): boolean => /[+#]/.test(each);
        for (const [at, packet] of packets.entries()) {
          assert.ok(packet.length >= 1 && packet.length <= 300);
          assert.ok(packet.length === 1 || !packet.some(isWild), packet.join(' '));
          const next = packets[at + 1]?.[0];
          assert.ok(next === undefined || packet.length === 300 || packet.some(isWild) || isWild(next));
        }
      }),
    );
  });

  it('have one filter with a wildcard each, and many without', () => {
    assert.deepEqual(subscribePackets(['a/+', 'b', 'c', 'd/#', 'e']), [['a/+'], ['b', 'c'], ['d/#'], ['e']]);
    const exact = Array.from({ length: 700 }, (_none, index) => `a/${index}`);
    const packets = subscribePackets(exact);
    assert.deepEqual(packets.flat(), exact);
    assert.deepEqual(
      packets.map(({ length }) => length),
      [300, 300, 100],
    );
  });
});
