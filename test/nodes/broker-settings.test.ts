import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readBrokerSettings } from '../../nodes/homie-broker/broker-settings';
import { HomieError, type ErrorCode } from '../../src/errors';
import { shownUrl } from '../../src/mqtt/options';
import { explain } from '../../src/mqtt/reason';
import type { BrokerOptions } from '../../src/homie/broker';

interface Given {
  credentials?: { user?: unknown; password?: unknown };
  environment?: Record<string, unknown>;
  nodes?: Record<string, unknown>;
}

function read(
  fields: Record<string, unknown>,
  { credentials = {}, environment = {}, nodes = {} }: Given = {},
): BrokerOptions {
  return readBrokerSettings({
    fields: { host: 'localhost', ...fields },
    typed: { host: 'localhost', ...fields },
    credentials,
    environment: (name) => environment[name],
    getNode: (id) => nodes[id],
    getTyped: () => ({}),
  });
}

function refused(fields: Record<string, unknown>, code: ErrorCode, message: RegExp, given?: Given): void {
  assert.throws(
    () => read(fields, given),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    },
  );
}

describe('the settings of homie-broker', () => {
  it('are complete when only a host is given', () => {
    assert.deepEqual(read({}), {
      url: 'mqtt://localhost:1883',
      protocolVersion: 'auto',
      keepalive: 60,
      baseTopic: 'homie/',
    });
  });

  it('take host, port, protocol, client id, keep-alive, credentials and base topic', () => {
    assert.deepEqual(
      read(
        { host: ' broker.lan ', port: '1884', protocolVersion: '5', clientid: 'me', keepalive: '15', baseTopic: 'a/b' },
        { credentials: { user: 'anna', password: ' secret ' } },
      ),
      {
        url: 'mqtt://broker.lan:1884',
        protocolVersion: 5,
        clientId: 'me',
        keepalive: 15,
        username: 'anna',
        password: ' secret ',
        baseTopic: 'a/b/',
      },
    );
  });

  it('put an IPv6 address into brackets', () => {
    assert.equal(read({ host: 'fe80::1' }).url, 'mqtt://[fe80::1]:1883');
    assert.equal(read({ host: '[::1]', port: '1885' }).url, 'mqtt://[::1]:1885');
  });

  it('take a URL as it is', () => {
    assert.equal(read({ host: 'ws://broker:9001/mqtt', port: '1883' }).url, 'ws://broker:9001/mqtt');
    assert.equal(read({ host: 'wss://broker/mqtt?token=1' }).url, 'wss://broker/mqtt?token=1');
  });

  it('encrypt when TLS is on, at the usual port unless another is given', () => {
    assert.equal(read({ usetls: true }).url, 'mqtts://localhost:8883');
    assert.equal(read({ usetls: true, port: '8884' }).url, 'mqtts://localhost:8884');
    assert.equal(read({ usetls: false, port: '' }).url, 'mqtt://localhost:1883');
  });

  it('put in environment variables, also as a part of a text', () => {
    const environment = { HOST: 'broker', SITE: 'home', PORT: 1999 };
    const settings = read({ host: '${HOST}.lan', port: '${PORT}', baseTopic: 'homie/${SITE}' }, { environment });
    assert.equal(settings.url, 'mqtt://broker.lan:1999');
    assert.equal(settings.baseTopic, 'homie/home/');
  });

  it('say which field holds an environment variable that is not set', () => {
    refused({ baseTopic: 'homie/${SITE}/' }, 'BROKER_SETTINGS', /field Base topic .*homie\/\$\{SITE\}.* not set/);
    refused({}, 'BROKER_SETTINGS', /field Password .* not set/, { credentials: { password: '${SECRET}' } });
  });

  it('leave a password as it is that only looks like a variable', () => {
    assert.equal(read({}, { credentials: { user: 'a', password: 'a${b}c' } }).password, 'a${b}c');
  });

  it('refuse what cannot be an address', () => {
    refused({ host: '  ' }, 'BROKER_SETTINGS', /no server/);
    refused({ host: 'a b' }, 'BROKER_SETTINGS', /not a host name/);
    refused({ host: 'http://broker' }, 'BROKER_SETTINGS', /must start with mqtt/);
    refused({ host: 'broker/path?' }, 'BROKER_SETTINGS', /not a host name/);
  });

  it('refuse credentials in a URL, and do not repeat them', () => {
    assert.throws(
      () => read({ host: 'mqtt://anna:secret@broker' }),
      (error: HomieError) => /in their own fields/.test(error.hint) && !/secret/.test(`${error.message} ${error.hint}`),
    );
  });

  it('refuse a URL without TLS while TLS is on, also one from an environment variable', () => {
    const environment = { ADDRESS: 'mqtt://broker:1883' };
    for (const host of ['mqtt://broker:1883', 'ws://broker', 'MQTT://broker', '${ADDRESS}']) {
      refused({ host, usetls: true }, 'BROKER_SETTINGS', /TLS is on, but the URL .* does not use TLS/, { environment });
      assert.ok(read({ host, usetls: false }, { environment }).url);
    }
    for (const host of ['mqtts://broker', 'wss://broker/mqtt']) assert.equal(read({ host, usetls: true }).url, host);
  });

  it('refuse an mqtt-broker node that has TLS on and a URL without it', () => {
    const node = (brokerurl: string): object => ({ id: 'core', usetls: true, brokerurl, options: {} });
    const fields = { connection: 'mqtt-broker', mqttBroker: 'core' };
    refused(fields, 'BROKER_SETTINGS', /TLS is on, but the URL .* does not use TLS/, {
      nodes: { core: node('tcp://broker:1883') },
    });
    assert.equal(read(fields, { nodes: { core: node('ssl://broker:8883') } }).url, 'mqtts://broker:8883');
  });

  it('refuse numbers that make no sense', () => {
    refused({ port: '0' }, 'BROKER_SETTINGS', /port must be a whole number from 1 to 65535/);
    refused({ port: 'mqtt' }, 'BROKER_SETTINGS', /port/);
    refused({ keepalive: '-1' }, 'BROKER_SETTINGS', /keep-alive/);
    refused({ protocolVersion: '3' }, 'BROKER_SETTINGS', /protocol/);
  });

  it('refuse a base topic that holds wildcards', () => {
    refused({ baseTopic: 'homie/+/' }, 'INVALID_BASE_TOPIC', /homie/);
  });

  it('read TLS from a tls-config node', () => {
    const node = {
      valid: true,
      addTLSOptions(options: Record<string, unknown>) {
        Object.assign(options, {
          ca: Buffer.from('ca'),
          servername: 'broker',
          rejectUnauthorized: true,
          ALPNProtocols: ['mqtt'],
        });
      },
    };
    assert.deepEqual(read({ usetls: true, tls: 'tls' }, { nodes: { tls: node } }).tls, {
      ca: Buffer.from('ca'),
      servername: 'broker',
      rejectUnauthorized: true,
      alpnProtocols: ['mqtt'],
    });
  });

  it('say what is wrong with a tls-config node', () => {
    refused({ usetls: true, tls: 'gone' }, 'BROKER_SETTINGS', /missing, disabled/);
    const invalid = { valid: false, addTLSOptions: () => ({}) };
    refused({ usetls: true, tls: 'tls' }, 'BROKER_SETTINGS', /cannot be used/, { nodes: { tls: invalid } });
  });

  it('leave a tls-config node alone when TLS is off', () => {
    assert.equal(read({ usetls: false, tls: 'gone' }).url, 'mqtt://localhost:1883');
  });
});

describe('The value of an environment variable', () => {
  // A single word, which a URL does not encode.
  const secret = 'zq4711zq';
  const value = fc.constantFrom(
    secret,
    `mqtt://${secret}`,
    `wss://h/${secret}`,
    `mqtt://${secret}@h`,
    `${secret}:1`,
    `[${secret}`,
    `a b${secret}`,

    `${secret}+`,
    `$${secret}`,
    `http://${secret}`,
    `1883${secret}`,
    `${secret}/`,
    secret.repeat(30),
    `\0${secret}`,
    `${secret}\n`,
    '',
    '1883',
    '5',
    'true',
    'mqtts',
    'localhost',
    'mqtt-broker',
  );
  const names = ['A', 'B', 'C'] as const;
  const piece = fc.constantFrom(
    '${A}',
    '${B}',
    '${C}',
    '${UNSET}',
    '$(A)',
    '${',
    '}',
    'mqtt://',
    'ws://',
    'x://',
    'host',
    'me:pw@',
    ':',
    '/',
    '@',
    '?',
    '#',
    '+',
    '[',
    ']',
    '1883',
    ' ',
  );
  const typed = fc.oneof(
    fc.constantFrom('', '${A}', '${B}', '$(C)', 'host', '1883', '5'),
    fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join('')),
  );
  const seldom = fc.oneof({ arbitrary: fc.constant(''), weight: 6 }, { arbitrary: typed, weight: 1 });
  const host = fc.tuple(
    fc.constantFrom('', 'mqtt://', 'wss://', 'me:pw@'),
    fc.constantFrom('host', '${A}', '${B}.lan'),
    fc.constantFrom('', ':1', '/${C}'),
  );
  const fields = fc.record({
    host: fc.oneof(
      typed,
      host.map((parts) => parts.join('')),
    ),
    port: seldom,
    baseTopic: seldom,
    usetls: fc.constantFrom('', '', 'true', '${A}'),
    clientid: seldom,
    keepalive: seldom,
    protocolVersion: seldom,
    connection: fc.constantFrom('', '', 'mqtt-broker', '${A}'),
    mqttBroker: fc.constant('core'),
  });
  const core = fc.record({ url: typed, broker: typed, port: typed });

  it('is in no error, and in nothing that is shown of the settings, whatever was typed', () => {
    const counts = { refused: 0, taken: 0 };
    fc.assert(
      fc.property(
        fields,
        core,
        fc.record({ A: value, B: value, C: value }),
        fc.constantFrom('typed', 'deployed', 'unknown'),
        (given, node, values, how) => {
          const environment: Record<string, string> = values;
          /** Replaces environment variables as Node-RED does when it deploys a node. */
          const deployed = (text: string): string => {
            const whole = /^(?:\$\{([^{}]+)\}|\$\(([^()]+)\))$/.exec(text);
            return environment[whole?.[1] ?? whole?.[2] ?? ''] ?? text;
          };
          const put = (text: string): string =>
            names.reduce((all, name) => all.replaceAll(`\${${name}}`, environment[name] ?? ''), text);
          const shown = how === 'unknown' ? undefined : given;
          const real =
            how === 'typed'
              ? given
              : Object.fromEntries(Object.entries(given).map(([name, text]) => [name, deployed(text)]));
          const [url, server, port] = [node.url, node.broker, node.port].map(deployed);
          const brokerUrl = url || (server?.includes('://') ? server : `mqtt://${server}:${port}`);
          const texts: string[] = [];
          try {
            const settings = readBrokerSettings({
              fields: real,
              typed: shown,
              credentials: {},
              environment: (name) => environment[name],
              getNode: () => ({ brokerurl: put(brokerUrl), options: {}, usetls: true }),
              getTyped: () => (shown === undefined ? undefined : node),
            });
            counts.taken += 1;
            const named = settings.shownUrl ?? shownUrl(settings.url);
            texts.push(named, settings.shownBaseTopic ?? settings.baseTopic);
            const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${settings.url}`), { code: 'ENOTFOUND' });
            const end = {
              opened: false,
              protocolVersion: 5,
              subscribing: false,
              tlsAlert: false,
              secure: false,
              websocket: false,
            } as const;
            for (const each of [explain({ ...end, url: named, error }), explain({ ...end, url: named })])
              texts.push(each.message, each.hint);
          } catch (error) {
            assert.ok(error instanceof HomieError);
            assert.equal(error.cause, undefined);
            counts.refused += 1;
            texts.push(error.message, error.hint);
          }
          for (const text of texts) assert.ok(!text.toLowerCase().includes(secret), text);
        },
      ),
      { numRuns: 1000 },
    );
    assert.ok(counts.refused > 100 && counts.taken > 100, JSON.stringify(counts));
  });
});
