import assert from 'node:assert/strict';
import fc from 'fast-check';
import mqttPacket from 'mqtt-packet';
import { Connection } from '../../src/mqtt/connection';
import { PacketLimit } from '../../src/mqtt/packet-limit';
import { startAedes, type AedesBroker } from '../support/aedes';
import { freePort, mosquittoAvailable, startMosquitto } from '../support/mosquitto';
import { disconnected } from '../support/statuses';

/** A PUBLISH with QoS 0: the size after its fixed header is that of payload and topic, and 2. */
const publish = (topic: string, size: number): Buffer =>
  mqttPacket.generate({ cmd: 'publish', topic, payload: Buffer.alloc(size, 1), qos: 0, dup: false, retain: false });

describe('The limit of packets', () => {
  it('takes out the larger ones, and nothing else, wherever the stream is divided', () => {
    const packet = fc.record({
      topic: fc.stringMatching(/^[a-z/]{1,20}$/),
      size: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(97, 98, 99, 20_000, 3_000_000)),
    });
    fc.assert(
      fc.property(
        fc.array(packet, { maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 200_000 })),
        (packets, cuts) => {
          const limit = 100;
          const skipped: [string, number][] = [];
          const filter = new PacketLimit(limit, (topic, size) => skipped.push([topic, size]));
          const bytes = Buffer.concat(packets.map(({ topic, size }) => publish(topic, size)));
          const kept: Buffer[] = [];
          for (let at = 0; at < bytes.length;) {
            const end = at + (cuts.next().value ?? 1);
            kept.push(Buffer.from(filter.filter(bytes.subarray(at, end))));
            at = end;
          }
          const isLarge = ({ topic, size }: { topic: string; size: number }): boolean =>
            2 + topic.length + size > limit;
          const small = packets.filter((each) => !isLarge(each)).map(({ topic, size }) => publish(topic, size));
          assert.ok(Buffer.concat(kept).equals(Buffer.concat(small)));
          assert.deepEqual(
            skipped,
            packets.filter(isLarge).map(({ topic, size }) => [topic, 2 + topic.length + size]),
          );
        },
      ),
    );
  });

  it('takes apart a stream that comes byte by byte', () => {
    const packets: unknown[] = [];
    const parser = mqttPacket.parser();
    parser.on('packet', (packet) => packets.push(packet.cmd === 'publish' ? packet.topic : packet.cmd));
    const skipped: string[] = [];
    const filter = new PacketLimit(1000, (topic) => skipped.push(topic));
    const bytes = Buffer.concat([publish('a', 5), publish('large', 20_000), publish('b', 990), Buffer.from([0xd0, 0])]);
    for (const byte of bytes) parser.parse(filter.filter(Buffer.from([byte])));
    assert.deepEqual(packets, ['a', 'b', 'pingresp']);
    assert.deepEqual(skipped, ['large']);
  });

  it('lets a length that is none pass, to be refused', () => {
    const filter = new PacketLimit(1000, () => undefined);
    const bytes = Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01]);
    assert.deepEqual(filter.filter(bytes).subarray(0, 5), bytes.subarray(0, 5));
  });
});

describe('A retained message that is larger than any firmware, over MQTT 3.1.1', () => {
  const ends: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });

  const retain = (broker: AedesBroker, topic: string, payload: Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      const packet = { cmd: 'publish', topic, payload, qos: 0, retain: true, dup: false } as const;
      broker.aedes.publish(packet, (error) => (error ? reject(error) : resolve()));
    });

  it('is skipped with its topic, takes no memory, and shuts nobody out', async () => {
    const broker = await startAedes();
    ends.push(() => broker.close());
    const large = Buffer.alloc(200 * 1024 * 1024);
    await retain(broker, 'homie/lamp/$name', large);
    await retain(broker, 'homie/plug/$name', Buffer.from('Plug'));
    const connection = new Connection({ url: broker.url, protocolVersion: 4 });
    ends.push(() => connection.close());
    const skipped: [string, number][] = [];
    connection.on('skipped', (topic, size) => skipped.push([topic, size]));
    const heard = new Promise<string>((resolve) => {
      connection.on('message', (topic, payload) => resolve(`${topic} ${payload.subarray(0, 10).toString()}`));
    });
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers - before)), 5);
    ends.push(async () => clearInterval(timer));
    void connection.subscribe(['homie/+/$name', 'homie/+/$state']);
    connection.connect();
    await new Promise<void>((resolve) => connection.once('subscribed', () => resolve()));
    await connection.publish('homie/lamp/$state', 'ready', { qos: 1, timeout: 60_000 });
    await connection.ping();
    assert.equal(await heard, 'homie/plug/$name Plug');
    assert.deepEqual(skipped, [['homie/lamp/$name', large.length + 2 + 'homie/lamp/$name'.length]]);
    assert.equal(connection.status.state, 'connected');
    assert.ok(most < 100 * 1024 * 1024, `${most} bytes`);
  });

  it('ends a WebSocket connection with a sentence that says so', async function () {
    if (!mosquittoAvailable()) return this.skip();
    const port = await freePort();
    const config = [`listener ${port} 127.0.0.1`, 'protocol websockets', 'allow_anonymous true'];
    const broker = await startMosquitto({ config });
    ends.push(() => broker.stop());
    const url = `ws://127.0.0.1:${port}`;
    const writer = new Connection({ url: broker.url, protocolVersion: 4 });
    ends.push(() => writer.close());
    writer.connect();
    await new Promise<void>((resolve) => writer.once('subscribed', () => resolve()));
    await writer.publish('a', Buffer.alloc(70 * 1024 * 1024), { qos: 1, retain: true, timeout: 60_000 });
    const reader = new Connection({ url, protocolVersion: 4 });
    ends.push(() => reader.close());
    void reader.subscribe(['a']);
    reader.connect();
    await new Promise<void>((resolve) => reader.once('status', () => resolve()));
    const { code, message } = await disconnected(reader);
    assert.equal(code, 'BROKER_PROTOCOL');
    assert.match(message, /too large/);
  });
});
