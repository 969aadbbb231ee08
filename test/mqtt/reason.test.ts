import assert from 'node:assert/strict';
import fc from 'fast-check';
import mqttPacket from 'mqtt-packet';
import { HomieError } from '../../src/errors';
import { packetSize, pubackCode, publishError } from '../../src/mqtt/publish-packet';
import {
  closedWithoutWord,
  explain,
  isTlsAlert,
  refusesVersion,
  subscribeError,
  type ConnectionEnd,
} from '../../src/mqtt/reason';
import { anyText } from '../support/any-text';

/** A connection that ended before it was accepted. */
function end(error: unknown, rest: Partial<ConnectionEnd> = {}): ConnectionEnd {
  return {
    error,
    opened: false,
    secure: false,
    websocket: false,
    protocolVersion: 4,
    subscribing: false,
    tlsAlert: false,
    url: 'mqtt://broker:1883',
    ...rest,
  };
}

function coded(code: string | number, message = 'something'): Error {
  return Object.assign(new Error(message), { code });
}

describe('The reason of a connection that ended', () => {
  for (const [error, code, message] of [
    [coded('EHOSTUNREACH'), 'BROKER_UNREACHABLE', /no route to this host/],
    [coded('ETIMEDOUT'), 'BROKER_UNREACHABLE', /does not respond/],
    [coded('EAI_AGAIN'), 'BROKER_UNREACHABLE', /could not be resolved/],
    [coded('EACCES'), 'BROKER_UNREACHABLE', /EACCES/],
    [coded('HPE_INVALID_CONSTANT'), 'BROKER_PROTOCOL', /does not respond like an MQTT broker/],
    [coded(4), 'BROKER_REFUSED', /bad username or password/],
    [coded(134), 'BROKER_REFUSED', /bad username or password/],
    [coded(2), 'BROKER_REFUSED', /client ID/],
    [coded(3), 'BROKER_UNREACHABLE', /not available/],
    [coded(199), 'BROKER_REFUSED', /reason code 199/],
    [new Error('Username is required to use password'), 'BROKER_SETTINGS', /username/],
    [undefined, 'BROKER_TLS', /probably requires TLS/],
  ] as const) {
    it(`is ${code} after ${String(error)} ${String(error !== undefined && 'code' in error ? error.code : '')}`, () => {
      const reason = explain(end(error));
      assert.equal(reason.code, code);
      assert.match(reason.message, message);
    });
  }

  it('is TLS where a certificate was refused for a reason without words', () => {
    const reason = explain(end(coded('CRL_HAS_EXPIRED'), { secure: true, url: 'mqtts://broker' }));
    assert.equal(reason.code, 'BROKER_TLS');
    assert.match(reason.message, /CRL_HAS_EXPIRED/);
  });

  for (const [code, key] of [
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'BROKER_TLS.clientCertificate'],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'BROKER_TLS.clientCertificate'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'BROKER_TLS.clientCertificate'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'BROKER_TLS.notOnPort'],
    ['EPROTO', 'BROKER_TLS.notOnPort'],
    ['ERR_OSSL_PEM_NO_START_LINE', 'BROKER_TLS.unreadable'],
    ['ERR_SSL_INTERNAL_ERROR', 'BROKER_TLS.failed'],
    ['CERT_HAS_EXPIRED', 'BROKER_TLS.expired'],
  ] as const) {
    it(`is ${key} after ${code}`, () => assert.equal(explain(end(coded(code), { secure: true })).key, key));
  }

  it('is that the broker was lost once the connection stood', () => {
    for (const error of [undefined, coded('ECONNRESET'), coded('ETIMEDOUT')]) {
      const reason = explain(end(error, { opened: true }));
      assert.equal(reason.code, 'BROKER_UNREACHABLE');
      assert.match(reason.message, /was lost/);
    }
  });

  it('tells a refusal of the version from others', () => {
    for (const code of [1, 132]) assert.equal(refusesVersion(end(coded(code))), true);
    for (const code of [4, 5, 134, 'ECONNREFUSED']) {
      assert.equal(refusesVersion(end(coded(code))), false);
      assert.equal(closedWithoutWord(end(coded(code))), false);
    }
    assert.equal(closedWithoutWord(end(undefined)), true);
    assert.equal(closedWithoutWord(end(coded('ECONNRESET'))), true);
    assert.equal(closedWithoutWord(end(undefined, { opened: true })), false);
  });
});

describe('Whatever ends a connection or refuses a message', () => {
  const url = 'mqtt://broker:1883';
  const code = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(
      'ECONNRESET',
      'EPROTO',
      'ENOTFOUND',
      'EAI_AGAIN',
      'ERR_SSL_WRONG_VERSION_NUMBER',
      'ERR_OSSL_X',
      'EX',
    ),
    fc.constantFrom('__proto__', 'constructor'),
    fc.constantFrom('CERT_HAS_EXPIRED', 'HPE_X', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'),
    fc.constantFrom(-1, 1e9, undefined, null, {}),
    anyText(),
  );
  const sentence = fc.oneof(
    fc.constantFrom('Keepalive timeout', 'connack timeout', 'Unexpected server response: 404', ''),
    anyText(),
  );
  const error = fc.oneof(
    fc.tuple(sentence, code).map(([message, each]) => Object.assign(new Error(message), { code: each })),
    fc
      .uint8Array()
      .map((rawPacket) =>
        Object.assign(new Error('Parse Error'), { code: 'HPE_X', rawPacket: Buffer.from(rawPacket) }),
      ),
    sentence.map((message) => new Error(message)),
    fc.anything(),
  );
  const ending = fc.record(
    {
      error,
      disconnect: fc.integer({ min: 0, max: 255 }),
      server: anyText({ maxLength: 1000 }),
      opened: fc.boolean(),
      protocolVersion: fc.constantFrom(4 as const, 5 as const),
      subscribing: fc.boolean(),
      tlsAlert: fc.boolean(),
      secure: fc.boolean(),
      websocket: fc.boolean(),
      url: fc.constant(url),
    },
    { requiredKeys: ['opened', 'protocolVersion', 'subscribing', 'tlsAlert', 'secure', 'websocket', 'url'] },
  );

  /** A sentence and a step, of one line each, without what disturbs a log or a page. */
  const isPlain = (given: unknown): void => {
    assert.ok(given instanceof HomieError);
    for (const text of [given.message, given.hint]) {
      assert.match(text, /^[A-Z“"]|^mqtt:/);
      assert.doesNotMatch(text, /undefined|\[object|function|NaN|[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202A-\u202E]/u);
      assert.ok(text.length <= 2000);
    }
    assert.match(given.message, /\.$/);
  };

  it('gives a plain sentence and what to do about it', () => {
    fc.assert(
      fc.property(ending, fc.boolean(), (each, before) => {
        isPlain(explain(each, before));
        assert.equal(typeof closedWithoutWord(each), 'boolean');
        assert.equal(typeof refusesVersion(each), 'boolean');
      }),
      { numRuns: 1000 },
    );
    const refused = fc.array(fc.tuple(fc.string({ maxLength: 20 }), fc.integer({ min: 128, max: 255 })), {
      minLength: 1,
    });
    fc.assert(fc.property(refused, (entries) => isPlain(subscribeError(new Map(entries)))));
    fc.assert(fc.property(fc.anything(), (each) => isPlain(publishError(each))));
  });

  it('is read from any bytes without an error', () => {
    const puback = fc.tuple(fc.nat(65_535), fc.integer({ min: 0, max: 255 })).map(([id, reason]) => ({
      id,
      reason,
      bytes: Buffer.of(0x40, 3, id >> 8, id & 255, reason),
    }));
    fc.assert(
      fc.property(
        fc.uint8Array(),
        puback,
        fc.uint8Array({ maxLength: 9 }),
        (bytes, { id, reason, bytes: packet }, more) => {
          const read = pubackCode(Buffer.concat([bytes, more]), id);
          assert.ok(read === undefined || (read >= 0 && read <= 255));
          assert.equal(pubackCode(Buffer.concat([packet, more]), id), reason);
          assert.equal(typeof isTlsAlert(Buffer.from(bytes)), 'boolean');
        },
      ),
    );
  });

  it('is foreseen by a size that is that of the packet', () => {
    const length = fc.oneof(fc.nat(300), fc.constantFrom(16_370, 16_380, 16_390, 2_097_100, 2_097_140));
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        length,
        fc.constantFrom(0 as const, 1 as const),
        fc.boolean(),
        (topic, size, qos, isV5) => {
          const payload = Buffer.alloc(size);
          const head = { cmd: 'publish', topic, payload, qos, dup: false, retain: false } as const;
          const packet = mqttPacket.generate(
            { ...head, ...(qos === 1 && { messageId: 7 }) },
            { protocolVersion: isV5 ? 5 : 4 },
          );
          assert.equal(packetSize(topic, size, qos, isV5 ? 5 : 4), packet.length);
        },
      ),
    );
  });
});
