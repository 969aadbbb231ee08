import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mock } from 'node:test';
import { createServer, Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { Connection, type ConnectionOptions } from '../../src/mqtt/connection';
import { startAedes } from '../support/aedes';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { describeIf } from '../support/describe-if';
import { HANG_LIMIT } from '../support/limits';
import { mosquittoAvailable, startMosquitto } from '../support/mosquitto';
import { freePort, startListening } from '../support/ports';
import { startProxy, type Proxy } from '../support/proxy';
import { connected, disconnected } from '../support/statuses';
import { untilTrue } from '../support/until-true';

const reconnect = { min: 10, max: 50 };

describeWithBrokers('A connection', (start) => {
  let broker: TestBroker;
  let proxy: Proxy;
  const open: Connection[] = [];

  before(async () => {
    broker = await start();
  });
  beforeEach(async () => {
    proxy = await startProxy(broker.port);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((connection) => connection.close()));
    await proxy.close();
  });
  after(() => broker?.stop());

  /** A connection through the proxy, with the messages that it gets. */
  async function connect(options: Partial<ConnectionOptions> = {}): Promise<Connection & { messages: string[] }> {
    const url = `mqtt://127.0.0.1:${proxy.port}`;
    const connection = new Connection({ url, protocolVersion: 'auto', reconnect, ...options });
    open.push(connection);
    const messages: string[] = [];
    connection.on('message', (topic, payload, retained) =>
      messages.push(`${topic} ${payload.toString()}${retained ? ' (retained)' : ''}`),
    );
    connection.connect();
    await connected(connection);
    return Object.assign(connection, { messages });
  }

  it('brings messages, and tells the retained from the live ones', async () => {
    const writer = await connect();
    await writer.publish('a/1', 'before', { qos: 1, retain: true, timeout: HANG_LIMIT });
    const reader = await connect();
    const first = once(reader, 'message');
    await reader.subscribe(['a/+']);
    await first;
    const second = once(reader, 'message');
    await writer.publish('a/1', Buffer.from('after'), { qos: 1, retain: true, timeout: HANG_LIMIT });
    await second;
    assert.deepEqual(reader.messages, ['a/1 before (retained)', 'a/1 after']);
  });

  it('brings no more what is not subscribed any more', async () => {
    const reader = await connect();
    await reader.subscribe(['b/1', 'b/2']);
    await reader.unsubscribe(['b/1']);
    const message = once(reader, 'message');
    await reader.publish('b/1', 'x', { qos: 1, timeout: HANG_LIMIT });
    await reader.publish('b/2', 'y', { qos: 0, timeout: HANG_LIMIT });
    await message;
    assert.deepEqual(reader.messages, ['b/2 y']);
  });

  it('comes back when it is cut, and renews its subscriptions', async () => {
    const reader = await connect();
    await reader.subscribe(['c/+']);
    const before = proxy.connections;
    const lost = disconnected(reader);
    proxy.cut();
    assert.equal((await lost).code, 'BROKER_UNREACHABLE');
    await once(reader, 'subscribed');
    const message = once(reader, 'message');
    await reader.publish('c/1', 'x', { qos: 1, timeout: HANG_LIMIT });
    await message;
    assert.deepEqual(reader.messages, ['c/1 x']);
    assert.equal(proxy.connections, before + 1);
  });

  it('sends nothing that is published while it is away, neither then nor later', async () => {
    const writer = await connect();
    await writer.subscribe(['d/+']);
    const lost = disconnected(writer);
    proxy.cut();
    await lost;
    for (const qos of [0, 1] as const) {
      await assert.rejects(writer.publish('d/1', 'lost', { qos, timeout: HANG_LIMIT }), { code: 'NOT_CONNECTED' });
    }
    await once(writer, 'subscribed');
    const message = once(writer, 'message');
    await writer.publish('d/1', 'sent', { qos: 1, timeout: HANG_LIMIT });
    await message;
    assert.deepEqual(writer.messages, ['d/1 sent']);
  });

  it('gives up a publish that is not acknowledged in time', async () => {
    const writer = await connect();
    proxy.mute();
    await assert.rejects(writer.publish('e/1', 'x', { qos: 1, timeout: 50 }), { code: 'PUBLISH_TIMEOUT' });
  });

  it('cuts itself when it gives up a publish, and what waited behind that one was not sent', async () => {
    const writer = await connect();
    await writer.subscribe(['e/+']);
    proxy.stall();
    const lost = disconnected(writer);
    const first = writer.publish('e/1', Buffer.alloc(300_000), { qos: 1, timeout: 100 });
    const second = writer.publish('e/2', 'second', { qos: 1, timeout: 50 });
    await Promise.all([
      assert.rejects(first, { code: 'PUBLISH_TIMEOUT' }),
      assert.rejects(second, { code: 'NOT_CONNECTED' }),
      lost,
    ]);
    await once(writer, 'subscribed');
    const message = once(writer, 'message');
    await writer.publish('e/3', 'third', { qos: 1, timeout: HANG_LIMIT });
    await message;
    assert.deepEqual(writer.messages, ['e/3 third']);
  });

  it('has two publishes under way on a quick link, and no more', async () => {
    const writer = await connect();
    const reader = await connect({ url: `mqtt://127.0.0.1:${broker.port}` });
    await reader.subscribe(['j/+']);
    const publish = (text: string): Promise<unknown> => writer.publish('j/1', text, { qos: 1, timeout: HANG_LIMIT });
    // On a busy machine, the broker may acknowledge too slowly for a quick link.
    for (let took = Infinity; took > 20;) {
      const startedAt = performance.now();
      await publish('before');
      took = performance.now() - startedAt;
    }
    proxy.mute();
    const lost = Promise.all([
      assert.rejects(publish('first'), { code: 'CONNECTION_LOST' }),
      assert.rejects(publish('second'), { code: 'CONNECTION_LOST' }),
      assert.rejects(publish('third'), { code: 'NOT_CONNECTED' }),
    ]);
    await untilTrue(reader, 'message', () => reader.messages.at(-1) === 'j/1 second');
    proxy.cut();
    await lost;
    await once(writer, 'subscribed');
    await publish('fourth');
    await untilTrue(reader, 'message', () => reader.messages.at(-1) === 'j/1 fourth');
    assert.deepEqual(reader.messages.slice(-4), ['j/1 before', 'j/1 first', 'j/1 second', 'j/1 fourth']);
  });

  it('leaves no deadline running when a publish is settled before an earlier one', async () => {
    const writer = await connect();
    // Until the link counts as fast, nothing goes out before the acknowledgement of an earlier publish.
    for (let startedAt = 0, isFast = false; !isFast; isFast = performance.now() - startedAt < 100) {
      startedAt = performance.now();
      await writer.publish('l/1', Buffer.alloc(200_000), { qos: 1, timeout: HANG_LIMIT });
    }
    // No other timer of the process has this duration; those of earlier tests and of the broker come and go.
    const timeout = 59_999;
    const [running, started] = [new Set<unknown>(), mock.method(globalThis, 'setTimeout')];
    const cleared = mock.method(globalThis, 'clearTimeout');
    const settled: string[] = [];
    try {
      proxy.stall();
      const first = writer.publish('l/1', Buffer.alloc(200_000), { qos: 1, timeout });
      const acknowledged = first.then(() => settled.push('acknowledged'));
      await writer.publish('l/2', 'second', { qos: 0, timeout }).then(() => settled.push('written'));
      proxy.flow();
      await acknowledged;
    } finally {
      mock.restoreAll();
    }
    assert.deepEqual(settled, ['written', 'acknowledged']);
    for (const { arguments: given, result } of started.mock.calls) if (given[1] === timeout) running.add(result);
    assert.ok(running.size > 0);
    for (const { arguments: given } of cleared.mock.calls) running.delete(given[0]);
    assert.equal(running.size, 0);
  });

  it('begins the deadline of a publish when the one before it is acknowledged', async () => {
    const writer = await connect();
    const large = (): Promise<unknown> => writer.publish('k/1', Buffer.alloc(200_000), { qos: 1, timeout: HANG_LIMIT });
    await large();
    proxy.limit(200_000);
    await Promise.all([
      large(),
      writer.publish('k/2', 'second', { qos: 1, timeout: 300 }),
      writer.publish('k/3', 'third', { qos: 1, timeout: 300 }),
    ]);
  });

  it('sends what is published at the same time one by one, in order', async () => {
    const writer = await connect();
    await writer.subscribe(['g/+']);
    const numbers = Array.from({ length: 20 }, (_, i) => String(i));
    await Promise.all(numbers.map((text) => writer.publish('g/1', text, { qos: 1, timeout: HANG_LIMIT })));
    await untilTrue(writer, 'message', () => writer.messages.length >= numbers.length);
    assert.deepEqual(
      writer.messages,
      numbers.map((text) => `g/1 ${text}`),
    );
  });

  it('does not send what makes no sense any more when its turn comes', async () => {
    const writer = await connect();
    await writer.subscribe(['h/+']);
    let sensible = true;
    const options = { qos: 1, timeout: HANG_LIMIT } as const;
    const first = writer.publish('h/1', 'first', options);
    const second = writer.publish('h/1', 'second', { ...options, still: () => sensible });
    const third = writer.publish('h/1', 'third', options);
    sensible = false;
    await Promise.all([first, assert.rejects(second, { code: 'NOT_CONNECTED' }), third]);
    await untilTrue(writer, 'message', () => writer.messages.length >= 2);
    assert.deepEqual(writer.messages, ['h/1 first', 'h/1 third']);
  });

  it('notices a broker that does not answer any more', async () => {
    const connection = await connect({ keepalive: 1 });
    const lost = disconnected(connection);
    proxy.silence();
    const { code, message } = await lost;
    assert.equal(code, 'BROKER_UNREACHABLE');
    assert.match(message, /no longer responds/);
  });

  it('has an answer when all has come that the broker had sent before', async () => {
    const [writer, reader] = [await connect(), await connect()];
    await reader.subscribe(['i/+']);
    const numbers = Array.from({ length: 200 }, (_, i) => `i/1 ${i}`);
    await Promise.all(numbers.map((each) => writer.publish('i/1', each.slice(4), { qos: 1, timeout: HANG_LIMIT })));
    await Promise.all([reader.ping(), reader.ping()]);
    assert.deepEqual(reader.messages, numbers);
  });

  it('has no answer of a broker that does not answer any more, until the connection is lost', async () => {
    const connection = await connect({ keepalive: 1 });
    const lost = disconnected(connection);
    proxy.silence();
    // What was on its way already is read in the next turn.
    await setImmediate();
    await setImmediate();
    const before = performance.now();
    await assert.rejects(connection.ping(), { code: 'CONNECTION_LOST' });
    await lost;
    assert.ok(connection.heardAt <= before);
    await assert.rejects(connection.ping(), { code: 'NOT_CONNECTED' });
  });

  it('is closed in a second when the broker does not answer any more', async () => {
    const connection = await connect();
    proxy.stall();
    const begun = performance.now();
    await connection.close();
    assert.ok(performance.now() - begun < 2000);
    assert.equal(connection.status.state, 'disconnected');
  });

  it('rejects what is under way when it is closed', async () => {
    const writer = await connect();
    proxy.stall();
    const publish = writer.publish('f/1', 'x', { qos: 1, timeout: HANG_LIMIT });
    publish.catch(() => undefined);
    await setImmediate();
    await Promise.all([assert.rejects(publish, { code: 'CONNECTION_LOST' }), writer.close()]);
    await assert.rejects(writer.publish('f/1', 'x', { qos: 1, timeout: HANG_LIMIT }), { code: 'NOT_CONNECTED' });
  });
});

describe('A connection', () => {
  it('keeps trying while nobody listens, and says so', async () => {
    const port = await freePort();
    const connection = new Connection({ url: `mqtt://127.0.0.1:${port}`, protocolVersion: 'auto', reconnect });
    connection.connect();
    assert.equal(connection.status.state, 'connecting');
    for (let attempt = 0; attempt < 3; attempt++) {
      assert.equal((await disconnected(connection)).code, 'BROKER_UNREACHABLE');
    }
    const broker = await startAedes(port);
    await connected(connection);
    await connection.close();
    await broker.close();
  });

  it('waits longer from attempt to attempt, up to a limit', async () => {
    const port = await freePort();
    const connection = new Connection({
      url: `mqtt://127.0.0.1:${port}`,
      protocolVersion: 5,
      reconnect: { min: 40, max: 160 },
    });
    const start = performance.now();
    connection.connect();
    let least = 0;
    // A quarter of each pause is random. Counted from the start, since a busy machine may report an attempt late.
    for (const pause of [0, 30, 60, 120, 120]) {
      await disconnected(connection);
      least += pause;
      const elapsed = performance.now() - start;
      assert.ok(elapsed >= least, `${elapsed} ms instead of at least ${least} ms`);
    }
    await connection.close();
  });

  it('refuses a URL that is none of a broker', () => {
    for (const url of ['', 'localhost', 'http://localhost', 'mqtt://', 'mqtt://user:%@localhost']) {
      assert.throws(() => new Connection({ url, protocolVersion: 5 }), { code: 'BROKER_SETTINGS' }, url);
    }
  });

  it('refuses a keep-alive that is none', () => {
    for (const keepalive of [Number.NaN, -1, 0.5, 65_536]) {
      assert.throws(() => new Connection({ url: 'mqtt://localhost', protocolVersion: 5, keepalive }), {
        code: 'BROKER_SETTINGS',
      });
    }
  });
});

/** The version that a connection speaks with a broker. */
async function versionWith(url: string, protocolVersion: ConnectionOptions['protocolVersion']): Promise<4 | 5> {
  const connection = new Connection({ url, protocolVersion, reconnect });
  connection.connect();
  const status = await connected(connection);
  await connection.close();
  return status.protocolVersion;
}

describe('A publish that is given up', () => {
  it('resets the connection, so that the rest of it is not sent from the socket either', async () => {
    const server = createServer();
    const port = await startListening(server);
    const writer = new Connection({ url: `mqtt://127.0.0.1:${port}`, protocolVersion: 4 });
    writer.connect();
    const [socket] = await once(server, 'connection');
    assert.ok(socket instanceof Socket);
    await once(socket, 'data');
    socket.pause();
    socket.write(Buffer.from([0x20, 2, 0, 0]));
    await connected(writer);

    let received = 0;
    socket.on('data', (bytes: Buffer) => (received += bytes.length));
    socket.on('error', () => undefined);
    socket.pause();
    const publish = writer.publish('x', Buffer.alloc(20_000_000), { qos: 1, timeout: 100 });
    await assert.rejects(publish, { code: 'PUBLISH_TIMEOUT' });
    // Not `once` of node:events, which rejects for the reset that is expected here.
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.resume();
    await closed;
    // What had reached the other side. The socket of the sender takes some millions more on Linux.
    assert.ok(received < 1_000_000, `${received} bytes`);
    await writer.close();
    server.close();
  });
});

describeIf(mosquittoAvailable())('The version of MQTT', () => {
  it('is 5 where the broker speaks it, unless 3.1.1 is asked for', async () => {
    const broker = await startMosquitto();
    assert.equal(await versionWith(broker.url, 'auto'), 5);
    assert.equal(await versionWith(broker.url, 5), 5);
    assert.equal(await versionWith(broker.url, 4), 4);
    await broker.stop();
  });

  it('is 3.1.1 where the broker refuses 5', async () => {
    const broker = await startAedes();
    assert.equal(await versionWith(broker.url, 'auto'), 4);
    await broker.close();
  });

  it('is 3.1.1 where the broker closes the connection at a CONNECT of 5', async () => {
    const aedes = await startAedes();
    const proxy = await startProxy(aedes.port, { closeAt: (first) => first[8] === 5 });
    assert.equal(await versionWith(`mqtt://127.0.0.1:${proxy.port}`, 'auto'), 4);
    await proxy.close();
    await aedes.close();
  });

  it('is 5 again at the next connection, where one was cut during the first CONNECT', async () => {
    const broker = await startMosquitto();
    let isFirst = true;
    const proxy = await startProxy(broker.port, { closeAt: () => isFirst && !(isFirst = false) });
    const connection = new Connection({ url: `mqtt://127.0.0.1:${proxy.port}`, protocolVersion: 'auto', reconnect });
    connection.connect();
    assert.equal((await connected(connection)).protocolVersion, 4);
    for (let time = 1; time <= 2; time++) {
      const lost = disconnected(connection);
      proxy.cut();
      await lost;
      assert.equal((await connected(connection)).protocolVersion, 5);
    }
    await connection.close();
    await proxy.close();
    await broker.stop();
  });

  it('is 3.1.1 at each connection where the broker closes each at a CONNECT of 5', async () => {
    const aedes = await startAedes();
    const proxy = await startProxy(aedes.port, { closeAt: (first) => first[8] === 5 });
    const connection = new Connection({ url: `mqtt://127.0.0.1:${proxy.port}`, protocolVersion: 'auto', reconnect });
    connection.connect();
    await connected(connection);
    const lost = disconnected(connection);
    proxy.cut();
    await lost;
    assert.equal((await connected(connection)).protocolVersion, 4);
    assert.equal(proxy.connections, 4);
    await connection.close();
    await proxy.close();
    await aedes.close();
  });

  it('is not lowered because of a wrong password', async () => {
    const broker = await startMosquitto({ password: { username: 'homie', password: 'right' } });
    const proxy = await startProxy(broker.port);
    const url = `mqtt://homie:wrong@127.0.0.1:${proxy.port}`;
    const connection = new Connection({ url, protocolVersion: 'auto', reconnect });
    connection.connect();
    for (let attempt = 1; attempt <= 3; attempt++) {
      assert.equal((await disconnected(connection)).code, 'BROKER_REFUSED');
      assert.equal(proxy.connections, attempt);
    }
    await connection.close();
    await proxy.close();
    await broker.stop();
  });

  it('follows when the broker is replaced by one that speaks another', async () => {
    const port = await freePort();
    const old = await startMosquitto({ port });
    const connection = new Connection({ url: old.url, protocolVersion: 'auto', reconnect });
    connection.connect();
    assert.equal((await connected(connection)).protocolVersion, 5);
    const lost = disconnected(connection);
    await old.stop();
    await lost;
    const aedes = await startAedes(port);
    assert.equal((await connected(connection)).protocolVersion, 4);
    await connection.close();
    await aedes.close();
  });
});
