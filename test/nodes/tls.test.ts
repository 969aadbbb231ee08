import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readBrokerSettings } from '../../nodes/homie-broker/broker-settings';
import { HomieBroker } from '../../src/homie/broker';
import { opensslAvailable } from '../support/certificates';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable, startMosquitto, type Mosquitto } from '../support/mosquitto';
import { connected, disconnected } from '../support/statuses';

describeIf(mosquittoAvailable() && opensslAvailable())('The certificate of a broker', () => {
  let folder: string;
  let server: Mosquitto;

  before(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'self-signed-'));
    const [cert, key] = [path.join(folder, 'own.crt'), path.join(folder, 'own.key')];
    const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert];
    const whom = ['-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync('openssl', ['req', '-x509', ...made, ...whom], { stdio: 'pipe' });
    server = await startMosquitto({ tls: { ca: cert, cert, key } });
  });
  after(async () => {
    await server?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  /** Returns the broker of a homie-broker with these fields and this tls-config. */
  const brokerOf = (fields: object, tls?: object): HomieBroker =>
    new HomieBroker(
      readBrokerSettings({
        fields: { host: '127.0.0.1', port: String(server.port), usetls: true, ...fields },
        credentials: {},
        environment: () => undefined,
        typed: undefined,
        getTyped: () => undefined,
        getNode: () => ({ type: 'tls-config', addTLSOptions: (into: object) => Object.assign(into, tls) }),
      }),
    );

  it('that it has signed itself is refused, unless that is chosen in a tls-config', async () => {
    const refusing = [
      brokerOf({}),
      brokerOf({ host: server.url }),
      brokerOf({ host: server.url.replace('mqtts', 'wss') }),
      // A tls-config in which nothing was chosen.
      brokerOf({ tls: 'tls' }, { rejectUnauthorized: true }),
      brokerOf({ tls: 'tls' }, {}),
    ];
    for (const broker of refusing) {
      const failed = disconnected(broker);
      broker.start();
      const { code, message } = await failed;
      assert.equal(code, 'BROKER_TLS');
      assert.match(message, /self-signed/);
      await broker.close();
    }
    const trusting = brokerOf({ tls: 'tls' }, { rejectUnauthorized: false });
    trusting.start();
    await connected(trusting);
    await trusting.close();
  });
});
