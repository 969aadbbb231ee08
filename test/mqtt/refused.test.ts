import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer as createWebServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import type { HomieError } from '../../src/errors';
import { Connection, type ConnectionOptions } from '../../src/mqtt/connection';
import { startAedes } from '../support/aedes';
import { CertificateAuthority, opensslAvailable } from '../support/certificates';
import { describeIf } from '../support/describe-if';
import { HANG_LIMIT } from '../support/limits';
import { mosquittoAvailable, startMosquitto, type Mosquitto } from '../support/mosquitto';
import { freePort, startListening } from '../support/ports';
import { connected, disconnected } from '../support/statuses';

/** Why the first attempt failed. */
async function reason(options: Partial<ConnectionOptions> & { url: string }): Promise<HomieError> {
  const connection = new Connection({ protocolVersion: 'auto', connectTimeout: HANG_LIMIT, ...options });
  const failed = disconnected(connection);
  connection.connect();
  const error = await failed;
  await connection.close();
  return error;
}

/** Succeeds when the connection is made. */
async function works(options: Partial<ConnectionOptions> & { url: string }): Promise<void> {
  const connection = new Connection({ protocolVersion: 'auto', ...options });
  connection.connect();
  await connected(connection);
  await connection.close();
}

describe('A connection that cannot be made says why', () => {
  it('when nothing listens', async () => {
    const error = await reason({ url: `mqtt://127.0.0.1:${await freePort()}` });
    assert.equal(error.code, 'BROKER_UNREACHABLE');
    assert.match(error.message, /nothing is listening there/);
  });

  it('when there is no such host', async () => {
    const error = await reason({ url: 'mqtt://broker.invalid' });
    assert.equal(error.code, 'BROKER_UNREACHABLE');
  });

  for (const [scheme, hint] of [
    ['mqtt', /may require TLS/],
    ['mqtts', /port uses TLS/],
    ['ws', /may require TLS/],
  ] as const) {
    it(`when ${scheme} gets no answer`, async () => {
      const server = createServer();
      server.on('connection', (socket) => socket.unref());
      const error = await reason({ url: `${scheme}://127.0.0.1:${await startListening(server)}`, connectTimeout: 200 });
      server.close();
      assert.equal(error.code, 'BROKER_UNREACHABLE');
      assert.match(error.message, /did not respond in time/);
      assert.match(error.hint, hint);
    });
  }

  for (const [scheme, code, message] of [
    ['mqtt', 'BROKER_PROTOCOL', /does not respond like an MQTT broker/],
    ['mqtts', 'BROKER_TLS', /does not speak TLS/],
    ['ws', 'BROKER_PROTOCOL', /HTTP 200/],
  ] as const) {
    it(`when ${scheme} meets a web server`, async () => {
      const server = createWebServer((_, response) => response.end('hello'));
      const error = await reason({ url: `${scheme}://127.0.0.1:${await startListening(server)}` });
      server.close();
      server.closeAllConnections();
      assert.equal(error.code, code);
      assert.match(error.message, message);
    });
  }

  it('when the broker speaks MQTT 3.1.1 only and 5 is fixed', async () => {
    const broker = await startAedes();
    const error = await reason({ url: broker.url, protocolVersion: 5 });
    await broker.close();
    assert.equal(error.code, 'BROKER_PROTOCOL');
    assert.match(error.message, /version/);
  });

  it('when a certificate of its own cannot be read', async () => {
    const error = await reason({ url: 'mqtts://127.0.0.1:1', tls: { cert: 'none', key: 'none' } });
    assert.equal(error.code, 'BROKER_TLS');
    assert.match(error.message, /cannot be read/);
  });
});

describe('A connection that the broker ends says why', () => {
  for (const [code, expected, message] of [
    [139, 'BROKER_UNREACHABLE', /shutting down/],
    [142, 'BROKER_REFUSED', /same client ID/],
    [0, 'BROKER_UNREACHABLE', /was lost/],
  ] as const) {
    it(`over MQTT 5, by the reason code ${code} of its DISCONNECT`, async () => {
      const server = createServer((socket) => {
        const connack = Buffer.from([0x20, 3, 0, 0, 0]);
        const disconnect = Buffer.from([0xe0, 2, code, 0]);
        socket.once('data', () => socket.end(Buffer.concat([connack, disconnect])));
      });
      const error = await reason({ url: `mqtt://127.0.0.1:${await startListening(server)}`, protocolVersion: 5 });
      server.close();
      assert.equal(error.code, expected);
      assert.match(error.message, message);
    });
  }
});

/** A broker that answers the first packet with these bytes, and then ends the connection, or does this with each further one. */
async function answering(
  first: readonly number[],
  further?: (socket: Socket, bytes: Buffer) => void,
): Promise<{ url: string; close: () => void }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      if (further === undefined) return socket.end(Buffer.from(first));
      socket.on('data', (bytes: Buffer) => further(socket, bytes));
      return socket.write(Buffer.from(first));
    });
  });
  const port = await startListening(server);
  return { url: `mqtt://127.0.0.1:${port}`, close: () => server.close() };
}

const connack5 = [0x20, 3, 0, 0, 0];
const connack4 = [0x20, 2, 0, 0];

describe('A connection says of a broker no more than was seen:', () => {
  /** Codes that have nothing to do with user name and password (MQTT 5, sections 3.2.2.2 and 3.14.2.1). */
  const others = [
    128, 129, 130, 131, 136, 137, 138, 139, 140, 142, 149, 150, 151, 152, 155, 156, 157, 159, 160, 161, 162, 199,
  ];
  for (const code of others) {
    it(`no user name and password at reason code ${code}`, async () => {
      for (const [version, bytes] of [
        [5, [0x20, 3, 0, code, 0]],
        [5, [...connack5, 0xe0, 2, code, 0]],
      ] as const) {
        const broker = await answering(bytes);
        const { message, hint } = await reason({ url: broker.url, protocolVersion: version });
        broker.close();
        assert.doesNotMatch(`${message} ${hint}`, /password|host and port/, `${message} ${hint}`);
      }
    });
  }

  it('the other server that it names', async () => {
    const name = Buffer.from('other.example:1883');
    const properties = [0x1c, 0, name.length, ...name];
    for (const code of [156, 157]) {
      for (const bytes of [
        [0x20, properties.length + 3, 0, code, properties.length, ...properties],
        [...connack5, 0xe0, properties.length + 2, code, properties.length, ...properties],
      ]) {
        const broker = await answering(bytes);
        const { code: given, message, hint } = await reason({ url: broker.url, protocolVersion: 5 });
        broker.close();
        assert.equal(given, 'BROKER_REFUSED');
        assert.match(message, /another server|moved/);
        assert.match(hint, /other\.example:1883/);
      }
    }
  });

  it('that it may not speak MQTT 5 where it closes at a CONNECT of 5, which is fixed', async () => {
    const broker = await answering([]);
    const { code, message, hint } = await reason({ url: broker.url, protocolVersion: 5 });
    broker.close();
    assert.equal(code, 'BROKER_PROTOCOL');
    assert.match(message, /closed the connection without responding\.$/);
    assert.match(hint, /3\.1\.1/);
  });

  it('that it closed at a subscription where it did, and not that host or port are wrong', async () => {
    for (const [version, connack] of [
      [4, connack4],
      [5, connack5],
    ] as const) {
      const broker = await answering(connack, (socket) => socket.destroy());
      const connection = new Connection({ url: broker.url, protocolVersion: version });
      const failed = disconnected(connection);
      void connection.subscribe(['homie/+/$state']);
      connection.connect();
      const { code, message, hint } = await failed;
      await connection.close();
      broker.close();
      assert.equal(code, 'BROKER_REFUSED');
      assert.match(message, /closed the connection before it acknowledged a subscription/);
      assert.match(hint, /ACL/);
    }
  });

  it('that the network or the broker failed where it closes an idle connection, and not that host or port are wrong', async () => {
    const broker = await answering(connack4, (socket) => socket.destroy());
    const connection = new Connection({ url: broker.url, protocolVersion: 4 });
    connection.connect();
    await connected(connection);
    const failed = disconnected(connection);
    await connection.publish('x', 'y', { qos: 0, timeout: HANG_LIMIT });
    const { code, message, hint } = await failed;
    await connection.close();
    broker.close();
    assert.equal(code, 'BROKER_UNREACHABLE');
    assert.match(message, /was lost/);
    assert.doesNotMatch(hint, /port/);
  });

  for (const scheme of ['mqtt', 'ws']) {
    it(`TLS where the port answers ${scheme} with a TLS alert`, async () => {
      for (const alert of [
        [0x15, 3, 1, 0, 2, 2, 0x46],
        [0x15, 3, 3, 0, 2, 2, 0x16],
      ]) {
        const broker = await answering(alert);
        const error = await reason({ url: broker.url.replace('mqtt', scheme) });
        broker.close();
        assert.equal(error.code, 'BROKER_TLS', error.message);
        assert.match(error.message, /answered with TLS/);
        assert.match(error.hint, /^Switch TLS on/);
      }
    });
  }

  it('what it lacks by its CONNACK', async () => {
    // Maximum QoS 0, no retained messages, no wildcards (MQTT 5, section 3.2.2.3).
    const properties = [0x24, 0, 0x25, 0, 0x28, 0];
    const broker = await answering(
      [0x20, 3 + properties.length, 0, 0, properties.length, ...properties],
      () => undefined,
    );
    const connection = new Connection({ url: broker.url, protocolVersion: 5 });
    connection.connect();
    const status = await connected(connection);
    assert.deepEqual(status.lacks, ['retained', 'wildcards', 'qos1']);
    await assert.rejects(connection.publish('x', 'y', { qos: 1, timeout: HANG_LIMIT }), {
      code: 'PUBLISH_REFUSED',
      message: /QoS 1.*nothing was sent/,
    });
    await connection.close();
    broker.close();
  });

  it('the reason code with which it ends the connection at a publish', async () => {
    for (const [code, text] of [
      [151, /quota .*151/],
      [135, /not authorized .*135/],
      [155, /QoS .*155/],
    ] as const) {
      const broker = await answering(connack5, (socket, bytes) => {
        if ((bytes[0] ?? 0) >> 4 === 3) socket.end(Buffer.from([0xe0, 2, code, 0]));
      });
      const connection = new Connection({ url: broker.url, protocolVersion: 5 });
      connection.connect();
      await connected(connection);
      await assert.rejects(connection.publish('x', 'y', { qos: 1, timeout: HANG_LIMIT }), (error: HomieError) => {
        assert.equal(error.code, 'CONNECTION_LOST');
        assert.ok(error.cause instanceof Error);
        assert.match(error.cause.message, text);
        return true;
      });
      await connection.close();
      broker.close();
    }
  });
});

describeIf(mosquittoAvailable() && opensslAvailable())('A connection that mosquitto refuses says why', () => {
  let ca: CertificateAuthority;
  let other: CertificateAuthority;
  const brokers: Mosquitto[] = [];
  let plain: Mosquitto;
  let secure: Mosquitto;
  const user = { username: 'homie', password: 'correct horse' };

  async function start(options: Parameters<typeof startMosquitto>[0]): Promise<Mosquitto> {
    const broker = await startMosquitto(options);
    brokers.push(broker);
    return broker;
  }

  before(async () => {
    ca = new CertificateAuthority();
    other = new CertificateAuthority();
    plain = await start({ password: user });
    secure = await start({ tls: { ca: ca.ca, ...ca.issue('IP:127.0.0.1') } });
  });
  after(async () => {
    await Promise.all(brokers.map((broker) => broker.stop()));
    ca?.remove();
    other?.remove();
  });

  for (const protocolVersion of [5, 4, 'auto'] as const) {
    it(`when the password is wrong, without telling it (version ${protocolVersion})`, async () => {
      for (const credentials of [
        { ...user, password: 'wrong horse' },
        { username: 'nobody', password: 'wrong horse' },
        {},
      ]) {
        const error = await reason({ url: plain.url, protocolVersion, ...credentials });
        assert.equal(error.code, 'BROKER_REFUSED');
        assert.match(error.message, /bad username or password/);
        assert.doesNotMatch(JSON.stringify(error) + error.message + String(error.cause), /horse/);
      }
      await works({ url: plain.url, protocolVersion, ...user });
    });
  }

  it('without telling the credentials that stand in a URL', async () => {
    const error = await reason({ url: `mqtt://homie:secret@127.0.0.1:${await freePort()}` });
    assert.doesNotMatch(error.message, /secret|homie/);
    await works({ url: plain.url.replace('//', '//homie:correct%20horse@') });
  });

  for (const scheme of ['mqtts', 'wss']) {
    it(`when the CA of its certificate is not known (${scheme})`, async () => {
      const url = secure.url.replace('mqtts', scheme);
      for (const tls of [{}, { ca: other.pem }]) {
        const error = await reason({ url, tls });
        assert.equal(error.code, 'BROKER_TLS');
        assert.match(error.message, /certificate authority is unknown/);
      }
    });
  }

  it('unless the certificate is not to be checked', async () => {
    await works({ url: secure.url, tls: { ca: ca.pem } });
    await works({ url: secure.url, tls: { rejectUnauthorized: false } });
  });

  it('when its certificate is for another host', async () => {
    const broker = await start({ tls: { ca: ca.ca, ...ca.issue('DNS:elsewhere.example') } });
    const error = await reason({ url: broker.url, tls: { ca: ca.pem } });
    assert.equal(error.code, 'BROKER_TLS');
    assert.match(error.message, /another host name/);
    await works({ url: broker.url, tls: { ca: ca.pem, servername: 'elsewhere.example' } });
  });

  it('when its certificate has expired', async () => {
    const broker = await start({ tls: { ca: ca.ca, ...ca.issue('IP:127.0.0.1', -1) } });
    const error = await reason({ url: broker.url, tls: { ca: ca.pem } });
    assert.equal(error.code, 'BROKER_TLS');
    assert.match(error.message, /expired/);
  });

  it('when it wants a client certificate', async () => {
    const tls = { ca: ca.ca, ...ca.issue('IP:127.0.0.1'), requireCertificate: true };
    const broker = await start({ tls });
    const stranger = read(other.issue('DNS:client'));
    for (const own of [{}, stranger]) {
      const error = await reason({ url: broker.url, tls: { ca: ca.pem, ...own } });
      assert.equal(error.code, 'BROKER_TLS');
      assert.match(error.message, /client certificate/);
    }
    await works({ url: broker.url, tls: { ca: ca.pem, ...read(ca.issue('DNS:client')) } });
  });

  for (const protocolVersion of [5, 4, 'auto'] as const) {
    it(`when a plain client meets a TLS port (version ${protocolVersion})`, async () => {
      const error = await reason({ url: secure.url.replace('mqtts', 'mqtt'), protocolVersion });
      // A broker that does not speak MQTT 5 may close at a CONNECT of 5, too.
      assert.equal(error.code, protocolVersion === 5 ? 'BROKER_PROTOCOL' : 'BROKER_TLS');
      assert.match(`${error.message} ${error.hint}`, /(wants|requires) TLS/);
    });
  }

  it('when a TLS client meets a plain port', async () => {
    const error = await reason({ url: plain.url.replace('mqtt', 'mqtts') });
    assert.equal(error.code, 'BROKER_TLS');
    assert.match(error.hint, /port uses TLS/);
  });
});

function read({ cert, key }: { cert: string; key: string }): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key) };
}
