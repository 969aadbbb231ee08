import assert from 'node:assert/strict';
import { authorizationOf, shownAddress } from '../../src/sources/settings';

describe('the credentials for a source', () => {
  it('are a token, or a user name and a password', () => {
    assert.equal(authorizationOf('', '', 'secret'), 'Bearer secret');
    assert.equal(authorizationOf('me', 'pass', ''), `Basic ${Buffer.from('me:pass').toString('base64')}`);
    assert.equal(authorizationOf('me', '', ''), `Basic ${Buffer.from('me:').toString('base64')}`);
    assert.equal(authorizationOf('', 'pass', ''), `Basic ${Buffer.from(':pass').toString('base64')}`);
    assert.equal(authorizationOf('', '', ''), undefined);
  });

  it('are not both', () => {
    for (const [user, password] of [
      ['me', ''],
      ['', 'pass'],
    ] as const) {
      assert.throws(() => authorizationOf(user, password, 'secret'), { key: 'SOURCE_SETTINGS.credentials' });
    }
  });

  it('are refused if the token cannot be part of a header', () => {
    for (const token of ['two words', 'line\n', 'clé', '\u007f']) {
      assert.throws(() => authorizationOf('', '', token), { key: 'SOURCE_SETTINGS.token' });
    }
  });
});

describe('the shown address of a source', () => {
  for (const [address, shown] of [
    ['https://me:pass@example.org/a.bin', 'https://example.org/a.bin'],
    ['https://example.org/a.bin?token=x', 'https://example.org/a.bin'],
    ['https://example.org/a.bin#part', 'https://example.org/a.bin'],
    ['https://example.org/a@b?c@d', 'https://example.org/a@b'],
    ['https://example.org', 'https://example.org'],
  ] as const) {
    it(`is ${shown} for ${address}`, () => assert.equal(shownAddress(address), shown));
  }
});
