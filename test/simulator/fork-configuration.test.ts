import assert from 'node:assert/strict';
import { Configuration, patchedFile, publishedFile } from './configuration';
import { accepts, DIALECTS } from './dialects';
import { fileOf } from './options';

const dialect = DIALECTS[4];
const config = fileOf({ url: '', id: 'lamp', image: Buffer.alloc(0) });
const patched = (patch: object | string, convention: 3 | 5 = 3, file = config) =>
  patchedFile(file, typeof patch === 'string' ? patch : JSON.stringify(patch), undefined, dialect, convention);

describe('the configuration of a simulated device of the fork', () => {
  const settingAfter = (text: string) =>
    new Configuration(patched(`{"settings":{"x":${text}}}`) ?? '', undefined, undefined, dialect).setting('x');
  const numbers = [
    ['8.68', '8.68'],
    ['3.14159265', '3.14159265'],
    ['3.14159265358979', '3.141592654'],
    ['0.1', '0.1'],
    ['1e10', '1e10'],
    ['4294967296', '4294967296'],
    ['9000000000', '9000000000'],
    ['0.00001', '1e-5'],
    ['50.0', '50'],
    ['18446744073709551615', '18446744073709551615'],
    ['1e-39', '1e-39'],
    ['"\\u00e4\\ud83d\\udca1"', '"ä💡"'],
  ] as const;
  for (const [sent, kept] of numbers) {
    it(`keeps ${sent} as ${kept}: floats are double, with nine digits (ran)`, () =>
      assert.equal(settingAfter(sent), kept));
  }

  it('refuses comments and unknown escapes, which the original takes (ran)', () => {
    for (const patch of ['{/**/"name":"x"}', '{"name":"x"//\n}', '{"name":"\\q"}', '{"name":"\\u00g0"}']) {
      assert.equal(patched(patch), undefined, patch);
    }
    assert.notEqual(patchedFile(config, '{/**/"name":"\\q"}'), undefined);
    assert.equal(patchedFile(config, '{"name":"\\u00e4"}'), undefined);
  });

  it('refuses TLS in a patch (ran) and in its file (read)', () => {
    assert.equal(patched({ mqtt: { ssl: true } }), undefined);
    assert.equal(patched({ mqtt: { ssl_fingerprint: '0'.repeat(40) } }), undefined);
    assert.notEqual(patched({ mqtt: { ssl: false, ssl_fingerprint: '' } }), undefined);
    const withTls = patchedFile(config, '{"mqtt":{"ssl":true}}') ?? '';
    assert.equal(new Configuration(withTls, undefined, undefined, dialect).loadable, false);
    assert.equal(new Configuration(withTls).loadable, true);
  });

  it('takes a device_stats_interval of up to 65535 (ran)', () => {
    assert.notEqual(patched({ device_stats_interval: 65_535 }), undefined);
    assert.equal(patched({ device_stats_interval: 65_536 }), undefined);
  });

  it('has pools of 512 bytes and files of 999 like the original (ran)', () => {
    const members = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`x${i}`, 0]));
    assert.doesNotMatch(patched(members(26)) ?? '"x25"', /"x25"/);
    assert.equal(patched(members(27)), undefined);
    const padded = (length: number) => new Configuration(config.padEnd(length, ' '), undefined, undefined, dialect);
    assert.equal(padded(999).loadable, true);
    assert.equal(padded(1000).loadable, false);
  });

  it('accepts a base topic and an id that it cannot start with (ran)', () => {
    assert.notEqual(patched({ mqtt: { base_topic: 'home/iot/' } }), undefined);
    assert.notEqual(patched({ device_id: 'My_Light' }), undefined);
    assert.equal(patched({ device_id: 'x'.repeat(33) }), undefined);
  });

  it('starts with a base topic of one level, and ids of small letters, digits and hyphens (read)', () => {
    const good = { baseTopic: 'homie/', deviceId: 'lamp-1', firmware: 'my-light' };
    assert.equal(accepts(good, 3), true);
    assert.equal(accepts({ ...good, baseTopic: 'homie' }, 3), true);
    for (const bad of [
      { baseTopic: 'home/iot/' },
      { baseTopic: '/' },
      { deviceId: 'My_Light' },
      { deviceId: '-lamp' },
      { firmware: 'my_light' },
    ]) {
      assert.equal(accepts({ ...good, ...bad }, 3), false, JSON.stringify(bad));
    }
    assert.equal(accepts({ ...good, baseTopic: 'homie/5/' }, 5), true);
    assert.equal(accepts({ ...good, baseTopic: 'homie/5/' }, 3), false);
    assert.equal(accepts({ ...good, baseTopic: 'home/iot/' }, 5), false);
  });

  it('shows where it publishes in convention 5, and never stores that (ran)', () => {
    assert.match(
      publishedFile(config, dialect, 'homie/5/'),
      /"base_topic":"homie\/","auth":false,"effective_base_topic":"homie\/5\/"}/,
    );
    const file = patched({ mqtt: { base_topic: 'other/', effective_base_topic: 'x/5/' } }, 5) ?? '';
    assert.match(file, /"base_topic":"other\/"/);
    assert.doesNotMatch(file, /effective/);
  });
});
