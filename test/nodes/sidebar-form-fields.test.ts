import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formFields, type ConfigField } from '../../nodes/sidebar/form-fields';
import type { JsonObject } from '../../src/config/json';
import { SECRET_NAMES } from '../../src/config/secrets';

const content = {
  name: 'Kitchen',
  wifi: { ssid: 'home', channel: 6 },
  mqtt: { host: 'broker', auth: true },
  ota: { enabled: false },
  settings: { label: 'on', bright: 7, factor: 0.5, dim: true, apiToken: 'pl4nted', scene: { a: 1 }, none: null },
};

function fields(of: JsonObject): Map<string, ConfigField> {
  return new Map(formFields(of, SECRET_NAMES).map((field) => [field.path, field]));
}

describe('the form of a configuration', () => {
  const form = fields(content);

  it('has a field for each key of Homie, also those that the device has not published', () => {
    assert.deepEqual(
      [...form.keys()].filter((path) => !path.startsWith('settings')),
      [
        ['name', 'device_id', 'device_stats_interval'],
        ['ssid', 'password', 'bssid', 'channel', 'ip', 'mask', 'gw', 'dns1', 'dns2'].map((key) => `wifi.${key}`),
        ['host', 'port', 'ssl', 'ssl_fingerprint', 'base_topic', 'auth', 'username', 'password'].map(
          (key) => `mqtt.${key}`,
        ),
        ['ota.enabled'],
      ].flat(),
    );
    assert.deepEqual(form.get('name'), {
      keys: ['name'],
      path: 'name',
      type: 'text',
      value: 'Kitchen',
      required: true,
      min: 1,
      max: 64,
    });
    assert.deepEqual(form.get('mqtt.port'), { keys: ['mqtt', 'port'], path: 'mqtt.port', type: 'whole' });
  });

  it('has a field for each published setting, with the type of its value', () => {
    const settings = [...form.values()].filter(({ keys }) => keys[0] === 'settings');
    assert.deepEqual(
      settings.map(({ path, type, value }) => [path, type, value]),
      [
        ['settings.label', 'text', 'on'],
        ['settings.bright', 'whole', 7],
        ['settings.factor', 'number', 0.5],
        ['settings.dim', 'flag', true],
        ['settings.apiToken', 'text', undefined],
        ['settings.none', 'text', null],
      ],
    );
  });

  it('says which fields are secret', () => {
    const secret = [...form.values()].filter((field) => field.secret).map(({ path }) => path);
    assert.deepEqual(secret, ['wifi.password', 'mqtt.username', 'mqtt.password', 'settings.apiToken']);
  });

  it('never shows a secret, even in a wrong place', () => {
    const secret = 'pl4nted';
    const wrong: fc.Arbitrary<JsonObject> = fc.record(
      {
        wifi: fc.oneof(
          fc.constant(secret),
          fc.record({ password: fc.constant(secret), ssid: fc.constant({ secret }) }),
        ),
        mqtt: fc.oneof(fc.constant([secret]), fc.record({ username: fc.constant(secret) })),
        settings: fc.oneof(
          fc.constant(secret),
          fc.constantFrom(...SECRET_NAMES).map((name) => ({ [`my-${name.toUpperCase()}`]: secret })),
        ),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(wrong, (file) => {
        assert.doesNotMatch(JSON.stringify(formFields(file, SECRET_NAMES)), /pl4nted/);
      }),
    );
  });
});
