import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Connection } from '../../src/mqtt/connection';
import { describeIf } from '../support/describe-if';
import { HANG_LIMIT } from '../support/limits';
import { mosquittoAvailable, startMosquitto, type Mosquitto, type MosquittoOptions } from '../support/mosquitto';
import { startProxy, type Proxy } from '../support/proxy';
import { connected } from '../support/statuses';

const payload = Buffer.alloc(50_000);

describeIf(mosquittoAvailable())('A publish', () => {
  const stops: (() => Promise<void>)[] = [];
  let broker: Mosquitto;
  let proxy: Proxy;

  afterEach(async () => {
    for (const stop of stops.splice(0).toReversed()) await stop();
  });

  async function connectTo(options: MosquittoOptions, protocolVersion: 4 | 5): Promise<Connection> {
    broker = await startMosquitto(options);
    proxy = await startProxy(broker.port);
    const url = `mqtt://127.0.0.1:${proxy.port}`;
    const connection = new Connection({ url, protocolVersion, reconnect: { min: 10, max: 50 } });
    stops.push(
      () => broker.stop(),
      () => proxy.close(),
      () => connection.close(),
    );
    connection.connect();
    await connected(connection);
    return connection;
  }

  it('that the ACL denies is PUBLISH_DENIED over MQTT 5', async () => {
    const connection = await connectTo({ acl: ['topic read #', 'topic write allowed/#'] }, 5);
    const options = { qos: 1, timeout: HANG_LIMIT } as const;
    await assert.rejects(connection.publish('denied/x', payload, options), { code: 'PUBLISH_DENIED' });
    await connection.publish('allowed/x', payload, options);
  });

  it('that the ACL denies looks like any other over MQTT 3.1.1', async () => {
    const connection = await connectTo({ acl: ['topic read #'] }, 4);
    assert.deepEqual(await connection.publish('denied/x', payload, { qos: 1, timeout: HANG_LIMIT }), {
      noSubscribers: false,
    });
  });

  it('beyond message_size_limit is PACKET_TOO_LARGE over MQTT 5', async () => {
    const connection = await connectTo({ config: ['message_size_limit 20000'] }, 5);
    const publish = connection.publish('x', payload, { qos: 1, timeout: HANG_LIMIT });
    await assert.rejects(publish, { code: 'PACKET_TOO_LARGE' });
    await connected(connection);
    await connection.publish('x', 'small', { qos: 1, timeout: HANG_LIMIT });
  });

  it('beyond max_packet_size is PACKET_TOO_LARGE over MQTT 5, and nothing is sent', async () => {
    const connection = await connectTo({ config: ['max_packet_size 20000'] }, 5);
    assert.deepEqual(connection.status, { state: 'connected', protocolVersion: 5, maximumPacketSize: 20_000 });
    const before = proxy.received;
    for (const qos of [0, 1] as const) {
      await assert.rejects(connection.publish('x', payload, { qos, timeout: HANG_LIMIT }), {
        code: 'PACKET_TOO_LARGE',
        message: /at most 20000 bytes/,
      });
    }
    assert.equal(proxy.received, before);
    assert.equal(proxy.connections, 1);
  });

  it('of exactly max_packet_size is taken over MQTT 5, one byte more is not', async () => {
    const connection = await connectTo({ config: ['max_packet_size 20000'] }, 5);
    // Fixed header 1 + 3, topic 2 + 1, packet id 2, properties 1.
    const fits = Buffer.alloc(20_000 - 10);
    await connection.publish('x', fits, { qos: 1, timeout: HANG_LIMIT });
    await assert.rejects(connection.publish('x', Buffer.alloc(fits.length + 1), { qos: 1, timeout: HANG_LIMIT }), {
      code: 'PACKET_TOO_LARGE',
    });
    assert.equal(proxy.connections, 1);
  });

  it('beyond max_packet_size is CONNECTION_LOST over MQTT 3.1.1, and is not tried again', async () => {
    const connection = await connectTo({ config: ['max_packet_size 20000'] }, 4);
    const back = once(connection, 'subscribed');
    const publish = connection.publish('x', payload, { qos: 1, timeout: HANG_LIMIT });
    await assert.rejects(publish, { code: 'CONNECTION_LOST' });
    await back;
    await connection.publish('x', 'small', { qos: 1, timeout: HANG_LIMIT });
    assert.equal(proxy.connections, 2);
  });

  it('that nobody subscribes to is told over MQTT 5', async () => {
    const connection = await connectTo({}, 5);
    const options = { qos: 1, timeout: HANG_LIMIT } as const;
    assert.deepEqual(await connection.publish('x', payload, options), { noSubscribers: true });
    await connection.subscribe(['x']);
    assert.deepEqual(await connection.publish('x', payload, options), { noSubscribers: false });
    assert.deepEqual(await connection.publish('y', payload, options), { noSubscribers: true });
  });

  it('on a slow link is not cut off by the keepalive', async () => {
    const connection = await connectTo({}, 5);
    await connection.close();
    const url = `mqtt://127.0.0.1:${proxy.port}`;
    const hasty = new Connection({ url, protocolVersion: 5, keepalive: 1 });
    stops.push(() => hasty.close());
    hasty.connect();
    await connected(hasty);
    const before = proxy.connections;
    proxy.limit(150_000);
    const begun = performance.now();
    await hasty.publish('x', Buffer.alloc(600_000), { qos: 1, timeout: HANG_LIMIT });
    assert.ok(performance.now() - begun > 2000, 'it was slow');
    assert.equal(hasty.status.state, 'connected');
    assert.equal(proxy.connections, before);
  });
});
