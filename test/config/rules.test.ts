import assert from 'node:assert/strict';
import { checkPatch, type Check } from '../../src/config/check';
import type { Json } from '../../src/config/json';
import { inEnglish } from '../../src/texts/text';
import { dialects } from '../support/dialects';

const CONFIG = JSON.stringify({
  name: 'Lamp',
  device_id: 'lamp',
  wifi: { ssid: 'net' },
  mqtt: { host: 'broker', base_topic: 'homie/' },
  ota: { enabled: true },
  settings: { brightness: 42, zone: 'hall' },
});

function check(patch: Json, more: Partial<Parameters<typeof checkPatch>[0]> = {}): Check {
  return checkPatch({ config: CONFIG, patch, allowRisky: true, dialect: dialects.original, ...more });
}

function found(patch: Json): string[] {
  return check(patch).problems.map(({ code, path }) => `${code} ${path}`);
}

const text = (length: number): string => 'x'.repeat(length);

/** Each with a value at the edge that passes and one beyond it that does not. */
const rules: [path: string, rule: string, passes: Json, fails: Json][] = [
  ['name', '1 to 64 bytes', { name: text(64) }, { name: text(65) }],
  ['name', 'not empty', { name: 'n' }, { name: '' }],
  ['name', 'required', { name: 'n' }, { name: null }],
  ['name', 'bytes of UTF-8', { name: 'ü'.repeat(32) }, { name: 'ü'.repeat(33) }],
  ['device_id', 'at most 32 bytes', { device_id: text(32) }, { device_id: text(33) }],
  ['device_id', 'text', { device_id: 'a' }, { device_id: 5 }],
  ['device_stats_interval', 'a whole number', { device_stats_interval: 60 }, { device_stats_interval: 60.5 }],
  ['device_stats_interval', 'no text', { device_stats_interval: 1 }, { device_stats_interval: '60' }],
  ['device_stats_interval', 'at most 65535', { device_stats_interval: 994 }, { device_stats_interval: 65_536 }],
  ['device_stats_interval', 'not negative', { device_stats_interval: 1 }, { device_stats_interval: -1 }],
  ['wifi', 'an object', {}, { wifi: 'net' }],
  ['wifi', 'required', {}, { wifi: null }],
  ['wifi.ssid', '1 to 32 bytes', { wifi: { ssid: text(32) } }, { wifi: { ssid: text(33) } }],
  ['wifi.ssid', 'not empty', { wifi: { ssid: 's' } }, { wifi: { ssid: '' } }],
  ['wifi.password', 'at most 64 bytes', { wifi: { password: text(64) } }, { wifi: { password: text(65) } }],
  ['wifi.password', 'null for an open network', { wifi: { password: null } }, { wifi: { password: 5 } }],
  [
    'wifi.channel',
    'with bssid',
    { wifi: { bssid: '00:11:22:33:44:55', channel: 6 } },
    { wifi: { bssid: '00:11:22:33:44:55' } },
  ],
  ['wifi.bssid', 'with channel', {}, { wifi: { channel: 6 } }],
  ['wifi.bssid', 'a MAC address', {}, { wifi: { bssid: '00:11:22:33:44', channel: 6 } }],
  ['wifi.bssid', 'hexadecimal digits', {}, { wifi: { bssid: '00:11:22:33:44:5z', channel: 6 } }],
  ['wifi.channel', 'a whole number', {}, { wifi: { bssid: '00:11:22:33:44:55', channel: '6' } }],
  [
    'wifi.gw',
    'with ip and mask',
    { wifi: { ip: '10.0.0.2', mask: '255.0.0.0', gw: '10.0.0.1' } },
    { wifi: { ip: '10.0.0.2', mask: '255.0.0.0' } },
  ],
  ['wifi.ip', 'an IPv4 address', {}, { wifi: { ip: '10.0.0.256', mask: '255.0.0.0', gw: '10.0.0.1' } }],
  ['wifi.dns1', 'an IPv4 address', { wifi: { dns1: '10.0.0.1' } }, { wifi: { dns1: 'resolver' } }],
  ['wifi.dns2', 'with dns1', { wifi: { dns1: '10.0.0.1', dns2: '10.0.0.2' } }, { wifi: { dns2: '10.0.0.2' } }],
  ['mqtt', 'an object', {}, { mqtt: [1] }],
  ['mqtt.host', '1 to 255 bytes', { mqtt: { host: text(255) } }, { mqtt: { host: text(256) } }],
  ['mqtt.host', 'required', { mqtt: { host: 'h' } }, { mqtt: { host: null } }],
  ['mqtt.port', 'at most 65535', { mqtt: { port: 65_535 } }, { mqtt: { port: 65_536 } }],
  ['mqtt.port', 'no text', { mqtt: { port: 1883 } }, { mqtt: { port: '1883' } }],
  ['mqtt.ssl', 'true or false', { mqtt: { ssl: true } }, { mqtt: { ssl: 1 } }],
  [
    'mqtt.ssl_fingerprint',
    'at most 40 bytes',
    { mqtt: { ssl_fingerprint: 'a'.repeat(40) } },
    { mqtt: { ssl_fingerprint: 'a'.repeat(41) } },
  ],
  [
    'mqtt.base_topic',
    'at most 48 bytes',
    { mqtt: { base_topic: `${text(47)}/` } },
    { mqtt: { base_topic: `${text(48)}/` } },
  ],
  ['mqtt.auth', 'true or false', { mqtt: { auth: false } }, { mqtt: { auth: 'yes' } }],
  [
    'mqtt.username',
    'with auth',
    { mqtt: { auth: true, username: 'u', password: 'p' } },
    { mqtt: { auth: true, password: 'p' } },
  ],
  ['mqtt.password', 'with auth', {}, { mqtt: { auth: true, username: 'u' } }],
  ['mqtt.password', 'at most 32 bytes', {}, { mqtt: { auth: true, username: 'u', password: text(33) } }],
  ['ota', 'an object', { ota: {} }, { ota: true }],
  ['ota.enabled', 'true or false', { ota: { enabled: false } }, { ota: { enabled: 'false' } }],
];

describe('the rules of the device', () => {
  for (const [path, rule, passes, fails] of rules) {
    it(`${path}: ${rule}`, () => {
      assert.deepEqual(
        found(passes).filter((problem) => problem.startsWith('CONFIG_RULE')),
        [],
      );
      assert.ok(found(fails).includes(`CONFIG_RULE ${path}`), found(fails).join());
    });
  }

  it('takes 10 settings and refuses 11', () => {
    assert.deepEqual(found({ settings: settings(8) }), []);
    assert.deepEqual(found({ settings: settings(9) }), ['CONFIG_RULE settings']);
  });

  it('names all that is wrong at once', () => {
    assert.deepEqual(found({ name: '', mqtt: { port: -1 } }), ['CONFIG_RULE name', 'CONFIG_RULE mqtt.port']);
  });

  it('asks for no new credentials where auth is on already', () => {
    const config = JSON.stringify({ name: 'n', wifi: { ssid: 's' }, mqtt: { host: 'h', auth: true } });
    assert.deepEqual(check({ mqtt: { username: 'u' } }, { config }).problems, []);
    assert.deepEqual(
      check({ mqtt: { username: null } }, { config }).problems.map(({ path }) => path),
      ['mqtt.username'],
    );
  });

  it('says nothing of what the device has already and boots with', () => {
    const config = JSON.stringify({
      name: 'n',
      wifi: { ssid: 's', dns1: '10...1' },
      mqtt: { host: 'h', base_topic: 'home' },
    });
    assert.deepEqual(check({ name: 'm' }, { config }).problems, []);
  });
});

/** The device accepts it, and it breaks the device. */
const harms: [path: string, why: string, patch: Json][] = [
  ['device_id', 'a capital', { device_id: 'Lamp' }],
  ['device_id', 'a slash', { device_id: 'x/y' }],
  ['device_id', 'empty', { device_id: '' }],
  ['mqtt.base_topic', 'no slash at the end', { mqtt: { base_topic: 'home' } }],
  ['mqtt.base_topic', 'empty', { mqtt: { base_topic: '' } }],
  ['mqtt.base_topic', 'a wildcard', { mqtt: { base_topic: 'home/+/' } }],
  ['mqtt.base_topic', 'a dollar', { mqtt: { base_topic: '$SYS/' } }],
  ['device_stats_interval', '0', { device_stats_interval: 0 }],
  ['device_stats_interval', '995', { device_stats_interval: 995 }],
  ['mqtt.port', '0', { mqtt: { port: 0 } }],
  ['mqtt.ssl_fingerprint', 'too short', { mqtt: { ssl_fingerprint: 'ab' } }],
  ['wifi.bssid', 'hyphens', { wifi: { bssid: '00-11-22-33-44-55', channel: 6 } }],
  ...[
    'mqtt://broker',
    'tcp://10.0.0.1',
    'broker:1883',
    '10.0.0.1:1883',
    'broker/mqtt',
    'user@broker',
    '[::1]',
    'fe80::1',
    ' broker',
    'broker ',
    'my broker',
    'bröker',
    'broker.',
    '.broker',
    'broker..local',
    '192.168.1.256',
    '192.168.1',
    '192.168.1.2.3',
    '192.168.001.002',
    '0x7f.1',
    '12345',
    '0.0.0.0',
    '255.255.255.255',
    '224.0.0.1',
  ].map((host): [string, string, Json] => ['mqtt.host', JSON.stringify(host), { mqtt: { host } }]),
  ...[0, 15, 65_535].map((channel): [string, string, Json] => [
    'wifi.channel',
    String(channel),
    { wifi: { bssid: '00:11:22:33:44:55', channel } },
  ]),
  ...(
    [
      ['ip', '0.0.0.0', '255.255.255.0', '10.0.0.1'],
      ['ip', '255.255.255.255', '255.255.255.0', '10.0.0.1'],
      ['ip', '10.0.0.0', '255.255.255.0', '10.0.0.1'],
      ['ip', '10.0.0.255', '255.255.255.0', '10.0.0.1'],
      ['ip', '10.0.0.02', '255.255.255.0', '10.0.0.1'],
      ['mask', '10.0.0.2', '0.0.0.0', '10.0.0.1'],
      ['mask', '10.0.0.2', '255.0.255.0', '10.0.0.1'],
      ['mask', '10.0.0.2', '255.255.255.255', '10.0.0.1'],
      ['mask', '10.0.0.2', '10.0.0.1', '10.0.0.1'],
      ['gw', '10.0.0.2', '255.255.255.0', '0.0.0.0'],
      ['gw', '10.0.0.2', '255.255.255.0', '255.255.255.0'],
    ] as const
  ).map(([key, ip, mask, gw]): [string, string, Json] => [
    `wifi.${key}`,
    [ip, mask, gw].join(' '),
    { wifi: { ip, mask, gw } },
  ]),
  ['wifi.dns1', 'an empty part', { wifi: { dns1: '10..0.1' } }],
  ['settings', 'an array', { settings: [1] }],
  ['settings', 'a text', { settings: 'x' }],
];

describe('what the device would accept although it would break the device', () => {
  for (const [path, why, patch] of harms) {
    it(`is refused: ${path}, ${why}`, () => assert.deepEqual(found(patch), [`CONFIG_HARM ${path}`]));
  }

  for (const host of [
    'broker',
    'broker.local',
    'mqtt-1.example.org',
    'my_broker',
    '10.0.0.1',
    '127.0.0.1',
    '7days',
    'x',
  ]) {
    it(`is not the host ${host}`, () => assert.deepEqual(found({ mqtt: { host } }), []));
  }

  it('is not a network with an address in it', () => {
    for (const [ip, mask, gw] of [
      ['192.168.1.5', '255.255.255.0', '192.168.1.1'],
      ['10.0.1.0', '255.0.0.0', '10.0.0.1'],
      ['172.16.0.2', '255.255.255.252', '172.16.0.1'],
    ] as const) {
      assert.deepEqual(found({ wifi: { ip, mask, gw } }), []);
    }
    for (const channel of [1, 14]) assert.deepEqual(found({ wifi: { bssid: '00:11:22:33:44:55', channel } }), []);
  });

  it('is not told of a Wi-Fi password that no network takes, which is a risk', () => {
    const risksOf = (password: Json): string[] =>
      check({ wifi: { password } }).risks.map((risk) => inEnglish(risk.text));
    for (const password of ['1', '1234567', 'x'.repeat(64)]) {
      assert.deepEqual(check({ wifi: { password } }).problems, []);
      const [risk] = risksOf(password);
      assert.match(risk ?? '', /No WPA network accepts such a password/);
      assert.ok(risk?.includes(password) === false || password === '1');
    }
    for (const password of ['12345678', 'ü'.repeat(4), 'x'.repeat(63), 'aF'.repeat(32), '', null]) {
      assert.doesNotMatch(risksOf(password).join(), /WPA/);
    }
  });

  it('is the id of another device, set or fallen back to', () => {
    const surroundings = { otherDeviceIds: ['hall', '5ccf7f000001'], mac: '5C:CF:7F:00:00:01' };
    for (const id of ['hall', null]) {
      assert.deepEqual(
        check({ device_id: id }, surroundings).problems.map(({ code }) => code),
        ['DEVICE_ID_TAKEN'],
      );
    }
    assert.deepEqual(check({ device_id: 'kitchen' }, surroundings).problems, []);
  });

  for (const number of [16_777.217, 4.14159265, 0.0012345, 4_294_967_297, -2_147_483_649, 1e39, 1e-40, 52.520006]) {
    it(`is the number ${number}, of which digits would be lost`, () => {
      assert.deepEqual(found({ settings: { list: [{ value: number }] } }), ['NUMBER_PRECISION settings.list.0.value']);
    });
  }

  for (const number of [0, -2_147_483_648, 4_294_967_295, 0.1, 21.5, 52.52, 0.000_123, 1.5e-7, 1e10]) {
    it(`is not the number ${number}`, () => assert.deepEqual(found({ settings: { value: number } }), []));
  }

  it('is not a number that the device has already', () => {
    const config = CONFIG.replace('42', '52.520006');
    assert.deepEqual(check({ settings: { brightness: 52.520006, zone: 'attic' } }, { config }).problems, []);
  });
});

function settings(count: number): Json {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`s${n}`, n]));
}
