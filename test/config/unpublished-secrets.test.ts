import assert from 'node:assert/strict';
import { checkPatch } from '../../src/config/check';
import type { JsonObject } from '../../src/config/json';
import { mergedFile } from '../simulator/configuration';
import { codes, parse, publishedText } from './recordings';

/** Credentials stay in the file when auth is switched off; the device does not publish them. */
const STALE = { auth: false, username: 'u'.repeat(32), password: 'p'.repeat(32) };

describe('secrets that a device may have and does not publish', () => {
  it('count in the size of the file, so that no patch makes one that the device does not start with', () => {
    const settings = { percentage: 42, note: 'n'.repeat(700) };
    const file = fileOf({ mqtt: STALE, settings });
    const change = { settings: { greeting: 'g'.repeat(60) } };
    const published = publishedText(JSON.stringify(file));
    assert.ok(Buffer.byteLength(mergedFile(JSON.stringify(file), JSON.stringify(change)) ?? '') > 999);

    const check = checkPatch({ config: published, patch: change, split: true });
    assert.deepEqual(codes(check), ['CONFIG_TOO_LARGE']);
    assert.match(check.problems[0]?.hint ?? '', /secretBytes .*0 if there are none/);
    assert.deepEqual(codes(checkPatch({ config: published, patch: change, split: true, secretBytes: 0 })), []);
  });

  it('count as members, so that a new Wi-Fi password is not lost in the merge', () => {
    const settings = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`s${n}`, n]));
    const wifi = { ip: '10.0.0.2', mask: '255.0.0.0', gw: '10.0.0.1', dns1: '10.0.0.1', dns2: '10.0.0.3' };
    const mqtt = { ...STALE, port: 1883, base_topic: 'home/' };
    const file = fileOf({
      device_id: 'lamp',
      device_stats_interval: 60,
      wifi,
      mqtt,
      ota: { enabled: true },
      settings: { ...settings, a: 1, b: 2 },
    });
    const change = { wifi: { ssid: 'new network', password: 'a new password' } };
    const merged = parse(mergedFile(JSON.stringify(file), JSON.stringify(change)) ?? '');
    assert.deepEqual(merged['wifi'], { ...asObject(file['wifi']), ssid: 'new network', password: null });

    const published = publishedText(JSON.stringify(file));
    const check = checkPatch({ config: published, patch: change, allowRisky: true, split: true });
    assert.deepEqual(codes(check), ['MERGE_TOO_LARGE']);
    assert.match(check.problems[0]?.hint ?? '', /set secretBytes to 0/);
  });

  it('are removed when a patch removes them, though nobody sees them', () => {
    const published = publishedText(JSON.stringify(fileOf({ mqtt: STALE })));
    const patch = { mqtt: { username: null, password: null } };
    const { steps, verdict, unverified } = checkPatch({ config: published, patch, allowRisky: true, split: true });
    assert.equal(verdict, 'set');
    assert.equal(steps[0]?.text(), JSON.stringify(patch));
    assert.deepEqual(unverified, ['mqtt.username', 'mqtt.password']);
  });

  it('are no reason to switch auth on without credentials, since they may be missing', () => {
    const published = publishedText(JSON.stringify(fileOf({ mqtt: STALE })));
    const { problems } = checkPatch({ config: published, patch: { mqtt: { auth: true } }, allowRisky: true });
    assert.deepEqual(
      problems.map(({ code, path }) => `${code} ${path}`),
      ['CONFIG_RULE mqtt.username', 'CONFIG_RULE mqtt.password'],
    );
  });

  it('cannot be more than the file has room for', () => {
    // 30 members are known: the device could not start with three more.
    const settings = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`s${n}`, n]));
    const extra = Object.fromEntries(Array.from({ length: 14 }, (_, n) => [`x${n}`, n]));
    const config = JSON.stringify(fileOf({ settings, ...extra }));
    const { verdict, budget } = checkPatch({ config: publishedText(config), patch: { settings: { s0: 1 } } });
    assert.equal(budget?.members.used, 32);
    assert.equal(verdict, 'unknown');
  });
});

/** Configurations as the documentation of Homie shows them, from the shortest to the one with all keys. */
const examples: [string, JsonObject][] = [
  ['the shortest', { name: 'Hall light', wifi: { ssid: 'home' }, mqtt: { host: '192.168.1.2' } }],
  [
    'one with credentials and a setting',
    {
      name: 'Hall light',
      device_id: 'hall-light',
      wifi: { ssid: 'home', password: 'correct horse' },
      mqtt: { host: 'broker.local', port: 1883, base_topic: 'devices/', auth: true, username: 'lamp', password: 'pw' },
      ota: { enabled: true },
      settings: { percentage: 55 },
    },
  ],
  [
    'one with a fixed address and without auth',
    {
      name: 'Hall light',
      device_id: 'hall-light',
      device_stats_interval: 60,
      wifi: {
        ssid: 'home',
        password: 'correct horse',
        bssid: '02:00:00:00:00:01',
        channel: 6,
        ip: '192.168.1.5',
        mask: '255.255.255.0',
        gw: '192.168.1.1',
        dns1: '192.168.1.1',
        dns2: '192.168.1.3',
      },
      mqtt: { host: '192.168.1.2', port: 1883, base_topic: 'devices/', auth: false },
      ota: { enabled: true },
      settings: { percentage: 55 },
    },
  ],
  [
    'one with all keys',
    {
      name: 'Hall light',
      device_id: 'hall-light',
      device_stats_interval: 60,
      wifi: {
        ssid: 'home',
        password: 'correct horse',
        bssid: '02:00:00:00:00:01',
        channel: 6,
        ip: '192.168.1.5',
        mask: '255.255.255.0',
        gw: '192.168.1.1',
        dns1: '192.168.1.1',
        dns2: '192.168.1.3',
      },
      mqtt: {
        host: '192.168.1.2',
        port: 8883,
        base_topic: 'devices/',
        auth: true,
        username: 'lamp',
        password: 'pw',
        ssl: true,
        ssl_fingerprint: 'a277a2c2a7c2a0a2a5a2a1a4a7a6a9a8a3a2a1a0',
      },
      ota: { enabled: true },
      settings: { percentage: 55 },
    },
  ],
];

const patches: [string, JsonObject][] = [
  ['a setting', { settings: { percentage: 70 } }],
  ['a name', { name: 'Light in the hall' }],
  ['a network', { wifi: { ssid: 'new network', password: 'a new long password' } }],
  ['a broker', { mqtt: { host: 'mqtt.example.org', port: 1884 } }],
  ['OTA', { ota: { enabled: false } }],
];

describe('the example configurations of Homie', () => {
  for (const [which, file] of examples) {
    for (const [what, patch] of patches) {
      it(`take a change, or get a hint that leads on: ${what} on ${which}`, () => {
        const input = { config: publishedText(JSON.stringify(file)), patch, allowRisky: true };
        const { problems, verdict } = checkPatch(input);
        for (const { code, hint } of problems) {
          assert.match(code, /^(?:MERGE_TOO_LARGE|CONFIG_TOO_LARGE)$/);
          assert.match(hint, /split|secretBytes/);
        }
        // With split, or with what the hint names, it can be sent.
        const sent = [checkPatch({ ...input, split: true }), checkPatch({ ...input, secretBytes: 0 })];
        assert.ok(problems.length === 0 || sent.some((check) => check.verdict !== 'rejected'), verdict);
      });
    }
  }
});

function fileOf({ wifi = {}, mqtt = {}, ...more }: JsonObject): JsonObject {
  return {
    name: 'Lamp',
    wifi: { ssid: 'net', password: 'secretpw', ...asObject(wifi) },
    mqtt: { host: 'broker', ...asObject(mqtt) },
    ...more,
  };
}

function asObject(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}
