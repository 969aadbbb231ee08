import assert from 'node:assert/strict';
import type { Json, Keys } from '../../src/config/json';
import { keyAt, schema, STRIPPED } from '../../src/config/schema';
import { dialects } from '../support/dialects';

const HEX = '0123456789abcdefABCD0123456789abcdefABCD';

/** Returns why the device would not work with a value that it accepts. */
function harm(keys: Keys, value: Json): string | undefined {
  const found = keyAt(keys)?.unsafe?.(value, dialects.original);
  return typeof found === 'object' ? found[0] : found;
}

function risk(keys: Keys, to: Json, from: Json = null): string | undefined {
  const found = keyAt(keys)?.risk;
  return typeof found === 'function' ? found(to, from) : found;
}

const values: [path: string, safe: Json[], unsafe: Json[], harm: string][] = [
  ['device_id', ['lamp', 'lamp-1', '0', 5], ['Lamp', 'a/b', '', ' lamp', 'lamp '], 'deviceId'],
  ['device_stats_interval', [1, 60, 994, '0', null], [0, 995, -1], 'statsInterval'],
  [
    'wifi.bssid',
    ['00:11:22:33:44:55', 'aA:Bb:cC:dD:eE:fF'],
    ['00:11:22:33:44', '00:11:22:33:44:5', '000:11:22:33:44:55', '00:11:22:33:44:555', '00:11:22:33:44:5g', ''],
    'bssid',
  ],
  ['wifi.channel', [1, 14], [0, 15], 'channel'],
  ['wifi.ip', ['10.0.0.2'], ['0.0.0.0', '255.255.255.255'], 'hostAddress'],
  ['wifi.ip', [5], ['10.0.0', 'lamp'], 'address'],
  ['wifi.gw', ['10.0.0.1'], ['0.0.0.0'], 'hostAddress'],
  ['wifi.mask', ['255.255.255.0'], ['255.0.255.0'], 'netmask'],
  ['wifi.mask', [], ['255.255.255'], 'address'],
  ['wifi.dns1', ['10.0.0.1'], ['resolver'], 'address'],
  ['wifi.dns2', ['10.0.0.1'], ['resolver'], 'address'],
  ['mqtt.host', ['broker', '10.0.0.1'], ['mqtt://broker', 'broker:1883'], 'host'],
  ['mqtt.port', [1, 65_535, null], [0], 'port'],
  ['mqtt.ssl_fingerprint', ['', HEX], [HEX.slice(1), `${HEX}0`, HEX.replace('0', 'g')], 'fingerprint'],
  ['mqtt.base_topic', ['a/', 'home/ground/'], ['', '/', 'a', '$a/', '+/', '#/', 'a+/', 'a#b/', 'a/b'], 'baseTopic'],
  ['settings', [{}, { a: 1 }], [[1], 'x', 7], 'settings'],
];

const risks: [path: string, to: Json, from: Json, risk: string | undefined][] = [
  ['device_id', 'hall', 'lamp', 'idChanged'],
  ['device_id', null, 'lamp', 'idRemoved'],
  ['mqtt.base_topic', 'a/', 'b/', 'baseTopicChanged'],
  ['mqtt.base_topic', null, 'b/', 'baseTopicRemoved'],
  ['wifi', {}, {}, 'network'],
  ['mqtt', {}, {}, 'broker'],
  ['wifi.password', null, '12345678', 'noPassword'],
  ['wifi.password', '', null, 'network'],
  ['wifi.password', 5, null, 'network'],
  ['wifi.password', '1234567', null, 'badPassword'],
  ['wifi.password', '12345678', null, 'network'],
  ['wifi.password', 'x'.repeat(63), null, 'network'],
  ['wifi.password', 'x'.repeat(64), null, 'badPassword'],
  ['wifi.password', 'aF'.repeat(32), null, 'network'],
  ['wifi.password', 'a'.repeat(65), null, 'badPassword'],
  ['ota', { enabled: false }, { enabled: true }, 'otaDisabled'],
  ['ota', {}, { enabled: true }, 'otaDisabled'],
  ['ota', null, { enabled: true }, 'otaDisabled'],
  ['ota', { enabled: true }, { enabled: true }, undefined],
  ['ota', { enabled: false }, { enabled: false }, undefined],
  ['ota', { enabled: false }, null, undefined],
  ['ota.enabled', false, true, 'otaDisabled'],
  ['ota.enabled', null, true, 'otaDisabled'],
  ['ota.enabled', true, true, undefined],
  ['ota.enabled', false, null, undefined],
  ['name', 'a', 'b', undefined],
];

describe('the keys of config.json', () => {
  for (const [path, safe, unsafe, name] of values) {
    it(`${path}: refuses what would break the device (${name})`, () => {
      const keys = path.split('.');
      for (const value of safe) assert.equal(harm(keys, value), undefined, JSON.stringify(value));
      for (const value of unsafe) assert.equal(harm(keys, value), `CONFIG_HARM.${name}`, JSON.stringify(value));
    });
  }

  for (const [path, to, from, name] of risks) {
    it(`${path}: ${name ?? 'no risk'} from ${JSON.stringify(from)} to ${JSON.stringify(to)}`, () => {
      assert.equal(risk(path.split('.'), to, from), name);
    });
  }

  it('are found by their path, and by nothing else', () => {
    for (const row of schema) assert.equal(keyAt(row.keys), row);
    for (const keys of [[], ['wifi', 'host'], ['ssid'], ['mqtt', 'auth', 'username']])
      assert.equal(keyAt(keys), undefined);
  });

  it('that the device needs, and that it needs together', () => {
    const paths = (rows: typeof schema): string[] => rows.map(({ keys }) => keys.join('.'));
    assert.deepEqual(paths(schema.filter(({ required }) => required)), [
      'name',
      'wifi',
      'wifi.ssid',
      'mqtt',
      'mqtt.host',
    ]);
    assert.deepEqual(
      schema.flatMap(({ keys, together }) =>
        together === undefined ? [] : [`${keys.join('.')}: ${together.join(' ')}`],
      ),
      [
        'wifi.bssid: bssid channel',
        'wifi.channel: bssid channel',
        'wifi.ip: ip mask gw',
        'wifi.mask: ip mask gw',
        'wifi.gw: ip mask gw',
      ],
    );
    assert.deepEqual(paths(schema.filter(({ needs }) => needs === 'dns1')), ['wifi.dns2']);
    assert.deepEqual(
      schema.flatMap(({ keys, when }) => (when === undefined ? [] : [[keys.join('.'), when.join('.')]])),
      [
        ['mqtt.username', 'mqtt.auth'],
        ['mqtt.password', 'mqtt.auth'],
      ],
    );
  });

  it('that the device strips, and that a split sends alone', () => {
    assert.deepEqual(
      STRIPPED.map((keys) => keys.join('.')),
      ['wifi.password', 'mqtt.username', 'mqtt.password'],
    );
    const alone = schema.filter((row) => row.alone).map(({ keys }) => keys.join('.'));
    assert.deepEqual(alone, ['device_id', 'wifi', 'mqtt']);
  });
});
