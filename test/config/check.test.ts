import assert from 'node:assert/strict';
import fc from 'fast-check';
import { checkPatch, type Check, type CheckInput } from '../../src/config/check';
import { dialects } from '../support/dialects';
import type { Json } from '../../src/config/json';
import { inEnglish } from '../../src/texts/text';
import { file, patch } from './arbitraries';
import { codes, publishedText } from './recordings';

const CONFIG = JSON.stringify({
  name: 'Lamp',
  device_id: 'lamp',
  wifi: { ssid: 'net' },
  mqtt: { host: 'broker', base_topic: 'home/' },
  ota: { enabled: true },
  settings: { brightness: 42, zone: 'hall' },
});

function check(change: Json, more: Partial<CheckInput> = {}): Check {
  return checkPatch({ config: CONFIG, patch: change, dialect: dialects.original, ...more });
}

describe('checking a patch', () => {
  it('shows the configuration before and after, and what differs', () => {
    const { verdict, before, after, differences, steps, reboots } = check({ name: 'Hall', ota: { enabled: true } });
    assert.equal(verdict, 'set');
    assert.equal(before?.['name'], 'Lamp');
    assert.equal(after?.['name'], 'Hall');
    assert.deepEqual(differences, [{ path: 'name', from: 'Lamp', to: 'Hall' }]);
    assert.deepEqual([steps.length, reboots], [1, 1]);
    assert.equal(steps[0]?.text(), '{"name":"Hall","ota":{"enabled":true}}');
    assert.deepEqual(steps[0]?.paths, ['name', 'ota.enabled']);
  });

  it('leaves settings to the sketch, and warns of another type', () => {
    const { verdict, sketch, warnings } = check({ settings: { brightness: 42.5, zone: 'attic', fresh: 1 } });
    assert.equal(verdict, 'unknown');
    assert.deepEqual(sketch, ['settings.brightness', 'settings.zone', 'settings.fresh']);
    assert.deepEqual(
      warnings.map(({ code, path }) => `${code} ${path}`),
      ['SETTING_TYPE settings.brightness'],
    );
  });

  it('warns of keys that Homie does not know, if they are new', () => {
    const config = CONFIG.replace('"name"', '"legacy":1,"name"');
    const { warnings } = check({ legacy: 2, nmae: 'x', wifi: { pasword: 'x' } }, { config, allowRisky: true });
    assert.deepEqual(
      warnings.map(({ path }) => path),
      ['wifi.pasword', 'nmae'],
    );
  });

  for (const [change, message] of [
    [{ brightness: 5 }, 'Homie does not know brightness and ignores it; did you mean settings.brightness?'],
    [{ Brightnes: 5 }, 'Homie does not know Brightnes and ignores it; did you mean settings.brightness?'],
    [{ nmae: 'x' }, 'Homie does not know nmae and ignores it; did you mean name?'],
    [{ setings: { zone: 'attic' } }, 'Homie does not know setings and ignores it; did you mean settings?'],
    [{ ssid: 'x' }, 'Homie does not know ssid and ignores it; did you mean wifi.ssid?'],
    [{ wifi: { pasword: 'x' } }, 'Homie does not know wifi.pasword and ignores it; did you mean wifi.password?'],
    [{ password: 'x' }, 'Homie does not know password and ignores it; values of the sketch belong in settings.'],
    [{ colour: 3 }, 'Homie does not know colour and ignores it; values of the sketch belong in settings.'],
  ] as const) {
    it(`says of ${JSON.stringify(change)}: ${message}`, () => {
      const { warnings } = check(change, { allowRisky: true });
      assert.deepEqual(
        warnings.map(({ text }) => inEnglish(text)),
        [message],
      );
    });
  }

  it('warns when the device could receive no firmware any more', () => {
    const long = { device_id: 'd'.repeat(32), mqtt: { base_topic: `${'b'.repeat(35)}/` } };
    assert.deepEqual(
      check(long, { allowRisky: true }).warnings.map(({ code }) => code),
      ['NO_OTA'],
    );
    assert.deepEqual(check({ ...long, device_id: 'd'.repeat(31) }, { allowRisky: true }).warnings, []);
  });

  it('skips what changes nothing, unless forced', () => {
    for (const change of [
      {},
      { name: 'Lamp' },
      { settings: { none: null, brightness: 42 } },
      { wifi: { ssid: 'net' } },
    ]) {
      assert.equal(check(change).verdict, 'no_change');
      assert.deepEqual(check(change).steps, []);
      assert.notEqual(check(change, { force: true }).verdict, 'no_change');
      assert.equal(check(change, { force: true }).reboots, 1);
    }
  });

  it('never skips a stripped secret, which may differ and cannot be verified', () => {
    const { verdict, unverified, differences } = check({ wifi: { password: 'x' } }, { allowRisky: true });
    assert.equal(verdict, 'set');
    assert.deepEqual(unverified, ['wifi.password']);
    assert.deepEqual(differences, [{ path: 'wifi.password', from: '•••', to: '•••' }]);
    assert.deepEqual(check({ wifi: { password: null } }, { allowRisky: true }).differences, [
      { path: 'wifi.password', from: '•••', to: null },
    ]);
  });

  it('expects the stripped secrets not to be published', () => {
    const { steps } = check({ wifi: { password: 'x', ssid: 'new' } }, { allowRisky: true });
    assert.deepEqual(steps[0]?.expected()['wifi'], { ssid: 'new' });
    assert.deepEqual(steps[0]?.patch, { wifi: { password: '•••', ssid: 'new' } });
  });

  const risky: [Json, string][] = [
    [{ wifi: { ssid: 'new' } }, 'wifi.ssid'],
    [{ wifi: { password: 'x' } }, 'wifi.password'],
    [{ wifi: { password: null } }, 'wifi.password'],
    [{ mqtt: { host: 'other' } }, 'mqtt.host'],
    [{ mqtt: { username: 'u' } }, 'mqtt.username'],
    [{ mqtt: { base_topic: 'new/' } }, 'mqtt.base_topic'],
    [{ mqtt: { base_topic: null } }, 'mqtt.base_topic'],
    [{ device_id: 'new' }, 'device_id'],
    [{ device_id: null }, 'device_id'],
    [{ ota: { enabled: false } }, 'ota.enabled'],
    [{ ota: { enabled: null } }, 'ota.enabled'],
    [{ ota: null }, 'ota'],
  ];
  for (const [change, path] of risky) {
    it(`sends ${JSON.stringify(change)} only with allowRisky`, () => {
      const refused = check(change);
      assert.equal(refused.verdict, 'rejected');
      assert.deepEqual(codes(refused), ['RISK_NOT_ALLOWED']);
      assert.deepEqual(
        refused.risks.map((risk) => risk.path),
        [path],
      );
      assert.equal(check(change, { allowRisky: true }).verdict, 'set');
    });
  }

  it('finds no risk in values that stay, nor in enabling OTA', () => {
    assert.deepEqual(check({ mqtt: { host: 'broker' }, name: 'Hall' }).risks, []);
    const config = CONFIG.replace('true', 'false');
    assert.deepEqual(check({ ota: { enabled: true } }, { config }).risks, []);
    assert.deepEqual(check({ ota: null }, { config }).risks, []);
  });

  it('refuses without knowing the configuration', () => {
    assert.deepEqual(codes(check({}, { config: undefined })), ['CONFIG_UNKNOWN']);
    for (const config of ['', 'null', '[]', '{"a":', '['.repeat(50_000)]) {
      assert.deepEqual(codes(check({}, { config })), ['CONFIG_UNREADABLE']);
    }
  });

  it('refuses the mask of a secret, also with allowRisky, and in any part of a split', () => {
    const masked = { name: 'Hall', wifi: { ssid: 'net', password: '•••' }, settings: { zone: 'z'.repeat(150) } };
    const { verdict, steps, problems } = check(masked, { allowRisky: true, split: true, force: true });
    assert.deepEqual([verdict, steps], ['rejected', []]);
    assert.deepEqual(
      problems.map(({ code, path }) => `${code} ${path}`),
      ['PATCH_MASKED wifi.password'],
    );
  });

  it('changes a device that has taken the mask for a secret before', () => {
    const config = CONFIG.replace('hall', '•••');
    assert.equal(check({ name: 'Hall' }, { config }).verdict, 'set');
    assert.equal(check({ settings: { zone: 'attic' } }, { config }).verdict, 'unknown');
  });

  it('reads text that holds a null key where the device lost one', () => {
    assert.equal(check({ name: 'Hall' }, { config: CONFIG.replace('"zone"', '"null":null,"zone"') }).verdict, 'set');
  });

  describe('whether the file stays within 999 bytes', () => {
    // The published file with room for its longest secrets: 999 = bytes + ,"password":"" + 64 and twice
    // ,"username":"" or ,"password":"" + 32.
    const secrets = 14 + 64 + 2 * (14 + 32);
    const full = 999 - secrets - Buffer.byteLength(configOf(0));

    it('counts hidden secrets at their longest, the credentials also without auth', () => {
      assert.deepEqual(codes(check({ name: 'Lamps' }, { config: configOf(full - 1) })), []);
      const [problem] = check({ name: 'Lamps' }, { config: configOf(full) }).problems;
      assert.equal(problem?.code, 'CONFIG_TOO_LARGE');
      assert.match(problem.message, new RegExp(`1000 bytes, including up to ${secrets} `));
      assert.match(problem.hint, /secretBytes/);
    });

    it('uses secretBytes, if set, as the size of the hidden secrets', () => {
      assert.deepEqual(codes(check({ name: 'Lamps' }, { config: configOf(full), secretBytes: 127 })), []);
      assert.deepEqual(codes(check({ name: 'Lamps' }, { config: configOf(full + secrets - 14), secretBytes: 0 })), [
        'CONFIG_TOO_LARGE',
      ]);
      assert.deepEqual(codes(check({ name: 'Lamps' }, { config: configOf(full + secrets - 15), secretBytes: 0 })), []);
      assert.equal(check({ name: 'Lamps' }, { config: configOf(full), secretBytes: Number.NaN }).verdict, 'rejected');
    });

    it('counts hidden credentials with auth', () => {
      const auth = configOf(full).replace('"host"', '"auth":true,"host"');
      assert.equal(check({ name: 'Lamp!' }, { config: auth }).budget?.file.used, 999 + 1);
      assert.equal(
        check({ name: 'Lamp!' }, { config: auth.replace(/h{200}/, '') }).budget?.file.used,
        999 - 200 + 12 + 1,
      );
    });

    it('knows that a file which runs has no secrets beyond the limit, so what does not lengthen it passes', () => {
      assert.deepEqual(codes(check({ name: 'Lump' }, { config: configOf(full + 60) })), []);
      assert.deepEqual(codes(check({ name: 'Lumps' }, { config: configOf(full + 60) })), ['CONFIG_TOO_LARGE']);
    });

    it('counts a password that the patch sets by its own length', () => {
      const change = { wifi: { password: 'x'.repeat(10) } };
      assert.equal(
        check(change, { config: configOf(100) }).budget?.file.used,
        Buffer.byteLength(configOf(100)) + 14 + 10 + 2 * (14 + 32),
      );
    });
  });

  it('throws nothing, whatever it gets', () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withSparseArray: true,
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          file.map((content) => publishedText(JSON.stringify(content))),
        ),
        fc.oneof(anything, fc.json(), fc.string(), patch),
        fc.boolean(),
        (config, change, flag) => {
          const { verdict } = checkPatch({ config, patch: change, split: flag, force: flag, allowRisky: flag });
          assert.match(verdict, /^(set|unknown|no_change|rejected)$/);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('pollutes no prototype', () => {
    const hostile =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"settings":{"__proto__":{"polluted":1}}}';
    checkPatch({ config: CONFIG, patch: hostile, split: true });
    checkPatch({ config: hostile, patch: hostile, split: true });
    assert.equal(Reflect.get({}, 'polluted'), undefined);
  });
});

/** The configuration with a setting of a number of bytes. */
function configOf(length: number): string {
  return CONFIG.replace('"hall"', `"${'h'.repeat(length)}"`);
}
