import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { clientOptions, sendsPlainPassword } from '../../src/mqtt/options';

const sends = (url: string, password = 'secret'): boolean =>
  sendsPlainPassword({ url, protocolVersion: 'auto', password });

/** As they stand in a URL. */
const own = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .map(({ address, family }) => (family === 'IPv6' ? `[${address.toUpperCase()}]` : address));

describe('A password without TLS', () => {
  it('is reported if the broker is on another machine', () => {
    for (const host of ['broker.lan', '198.51.100.77', '[2001:db8::77]', 'localhost.example']) {
      assert.equal(sends(`mqtt://${host}`), true, host);
      assert.equal(sends(`ws://${host}:9001/mqtt`), true, host);
      assert.equal(sends(`mqtts://${host}`), false, host);
      assert.equal(sends(`mqtt://${host}`, ''), false, host);
    }
  });

  it('is not told where it stays on the machine, whichever of its addresses is used', () => {
    for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '[::1]', ...own]) {
      assert.equal(sends(`mqtt://${host}:1883`), false, host);
      assert.equal(sends(`ws://${host}/mqtt`), false, host);
    }
  });
});

describe('The certificate of a broker', () => {
  it('is checked wherever TLS is spoken', () => {
    for (const url of ['mqtts://broker.example', 'wss://broker.example/mqtt']) {
      for (const tls of [undefined, {}, { servername: 'x' }]) {
        const options = clientOptions({ url, protocolVersion: 5, ...(tls && { tls }) }, 5, 'id');
        assert.equal(options.rejectUnauthorized, true);
      }
    }
  });
});
