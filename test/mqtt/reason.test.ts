import assert from 'node:assert/strict';
import { closedWithoutWord, explain, refusesVersion, type ConnectionEnd } from '../../src/mqtt/reason';

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
    [coded('EHOSTUNREACH'), 'BROKER_UNREACHABLE', /no way to this host/],
    [coded('ETIMEDOUT'), 'BROKER_UNREACHABLE', /does not answer/],
    [coded('EAI_AGAIN'), 'BROKER_UNREACHABLE', /looked up/],
    [coded('EACCES'), 'BROKER_UNREACHABLE', /EACCES/],
    [coded('HPE_INVALID_CONSTANT'), 'BROKER_PROTOCOL', /does not speak MQTT/],
    [coded(4), 'BROKER_REFUSED', /bad user name or password/],
    [coded(134), 'BROKER_REFUSED', /bad user name or password/],
    [coded(2), 'BROKER_REFUSED', /client id/],
    [coded(3), 'BROKER_UNREACHABLE', /not available/],
    [coded(199), 'BROKER_REFUSED', /reason code 199/],
    [new Error('Username is required to use password'), 'BROKER_SETTINGS', /user name/],
    [undefined, 'BROKER_TLS', /probably wants TLS/],
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
