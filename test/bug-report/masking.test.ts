import assert from 'node:assert/strict';
import { maskError, maskMacs } from '../../src/bug-report/masking';
import { isErrorCode, type ErrorKey } from '../../src/texts/text';
import { errors, variants } from '../../src/texts/en-US.json';

const PLANTED = 'pl4nted';

/** The values that a bug report never shows. */
const secrets = ['address', 'expected', 'field', 'file', 'filename', 'folder', 'got', 'host', 'pattern', 'patterns'];
secrets.push('reason', 'server', 'source', 'url', 'value');

const parts = ['text', 'hint', 'status'];

/** All codes, and all codes with each of their variants. */
const keys = Object.entries(errors).flatMap(([code, texts]) => [
  code,
  ...[...Object.keys(texts), ...Object.keys(variants)]
    .filter((name) => !parts.includes(name))
    .map((name) => `${code}.${name}`),
]);

function isKey(key: string): key is ErrorKey {
  return isErrorCode(key.split('.')[0] ?? '');
}

describe('the errors in a bug report', () => {
  it('show no address, no path of a file and no value of a setting', () => {
    const values = Object.fromEntries(secrets.map((name) => [name, PLANTED]));
    const nested = {
      why: { key: 'errors.BROKER_UNREACHABLE.noListener.text', values },
      reason: [values['reason'] ?? ''],
    };
    for (const key of keys.filter(isKey)) {
      const [code = ''] = key.split('.');
      if (!isErrorCode(code)) continue;
      for (const each of [values, { ...values, ...nested }]) {
        const said = maskError({ code, key, values: each }).join(' ');
        assert.ok(!said.includes(PLANTED), `${key}: ${said}`);
      }
    }
  });

  it('show what happened, and to which device', () => {
    const [message] = maskError({ code: 'DEVICE_BUSY', key: 'DEVICE_BUSY.device', values: { id: 'lamp' } });
    assert.match(message, /lamp/);
    const [unreachable, hint] = maskError({
      code: 'BROKER_UNREACHABLE',
      key: 'BROKER_UNREACHABLE.noListener',
      values: { url: 'mqtt://x', code: 'ECONNREFUSED' },
    });
    assert.match(unreachable, /•••/);
    assert.notEqual(hint, '');
  });
});

describe('the MAC addresses in a bug report', () => {
  for (const [text, masked] of [
    ['5C:CF:7F:00:00:01, again 5ccf7f000001, and a0-20-a6-00-00-01', '•••1, again •••1, and •••2'],
    ['lamp-ab-5ccf7f000001 is ready', 'lamp-ab-•••1 is ready'],
    ['MD5 1cf0d2e3a4b5c6d7e8f901234567890a', 'MD5 1cf0d2e3a4b5c6d7e8f901234567890a'],
  ] as const) {
    it(`are numbered in: ${text}`, () => assert.equal(maskMacs(text), masked));
  }
});
