import assert from 'node:assert/strict';
import fc from 'fast-check';
import mqttPacket from 'mqtt-packet';
import { Connection } from '../../src/mqtt/connection';
import { PacketLimit } from '../../src/mqtt/packet-limit';
import { startAedes, type AedesBroker } from '../support/aedes';
import { HANG_LIMIT } from '../support/limits';
import { mosquittoAvailable, startMosquitto } from '../support/mosquitto';
import { freePort } from '../support/ports';
import { disconnected } from '../support/statuses';

/** A PUBLISH with QoS 0: the size after its fixed header is that of payload and topic, and 2. */
const publish = (topic: string, size: number): Buffer =>
  mqttPacket.generate({ cmd: 'publish', topic, payload: Buffer.alloc(size, 1), qos: 0, dup: false, retain: false });

const remainingLength = (length: number): Buffer =>
  length < 128 ? Buffer.of(length) : Buffer.of((length % 128) | 0x80, Math.floor(length / 128));

interface Filtered {
  readonly kept: string;
  readonly skipped: readonly [topic: string, size: number][];
}

/** What a limit lets through of a stream that comes in parts of these lengths, over and over. */
function filtered(bytes: Buffer, cuts: readonly number[], limit: number): Filtered {
  const skipped: [string, number][] = [];
  const filter = new PacketLimit(limit, (topic, size) => skipped.push([topic, size]));
  const kept: Buffer[] = [];
  for (let [at, part] = [0, 0]; at < bytes.length; part += 1) {
    const end = at + (cuts[part % cuts.length] ?? 1);
    // A copy, since the bytes of a socket are reused.
    kept.push(Buffer.from(filter.filter(Buffer.from(bytes.subarray(at, end)))));
    at = end;
  }
  return { kept: Buffer.concat(kept).toString('hex'), skipped };
}

/** The same for a stream that is there as a whole, packet by packet (MQTT 5, section 2.1). */
function expected(bytes: Buffer, limit: number): Filtered {
  const kept: Buffer[] = [];
  const skipped: [string, number][] = [];
  for (let at = 0; at < bytes.length;) {
    const length = /^(?:[\u0080-\u00ff]{4}|[\u0080-\u00ff]{0,3}[\0-\u007f])/.exec(
      bytes.toString('latin1', at + 1, at + 5),
    )?.[0];
    // What is not complete is kept back.
    if (length === undefined) break;
    const isNone = length.charCodeAt(length.length - 1) >= 128;
    const digits = isNone ? [] : Array.from(length, (digit) => digit.charCodeAt(0) & 127);
    const size = digits.reduceRight((sum, digit) => sum * 128 + digit, 0);
    const begin = at + 1 + length.length;
    const body = bytes.subarray(begin, begin + size);
    if (size <= limit) kept.push(bytes.subarray(at, begin + size));
    else if ((bytes[at] ?? 0) >> 4 !== 3) skipped.push(['', size]);
    else if (body.length >= 2 && body.length >= 2 + body.readUInt16BE(0)) {
      skipped.push([body.toString('utf8', 2, 2 + body.readUInt16BE(0)), size]);
    }
    at = begin + size;
  }
  return { kept: Buffer.concat(kept).toString('hex'), skipped };
}

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

  it('does with any bytes the same wherever they are divided, and never throws', () => {
    const packet = fc
      .tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 300 }))
      .map(([type, body]) => Buffer.concat([Buffer.of(type), remainingLength(body.length), body]));
    const piece = fc.oneof(
      packet,
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff])),
    );
    const stream = fc.array(piece, { maxLength: 8 }).map((pieces) => Buffer.concat(pieces));
    const cut = fc.oneof(fc.constantFrom(1, 2, 3), fc.integer({ min: 1, max: 400 }));
    fc.assert(
      fc.property(stream, fc.array(cut, { minLength: 1 }), fc.nat(200), (bytes, cuts, limit) => {
        const divided = filtered(bytes, cuts, limit);
        assert.deepEqual(divided, filtered(bytes, [bytes.length + 1], limit));
        assert.deepEqual(divided, expected(bytes, limit));
      }),
      { numRuns: 1000 },
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
    await connection.publish('homie/lamp/$state', 'ready', { qos: 1, timeout: HANG_LIMIT });
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
    await writer.publish('a', Buffer.alloc(70 * 1024 * 1024), { qos: 1, retain: true, timeout: HANG_LIMIT });
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
