import assert from 'node:assert/strict';
import fc from 'fast-check';
import { configDefaults, configSettingNames, readConfigSettings } from '../../src/config/settings';
import { deviceStates } from '../../src/homie/device';
import { otaDefaults, otaSettingNames, readOtaSettings } from '../../src/ota/settings';
import { everyDevice, queryNames, readQuery } from '../../src/devices/query';
import { readRolloutSettings, rolloutDefaults, rolloutSettingNames } from '../../src/rollout/settings';
import type { Setting } from '../../src/settings/setting';
import { config as configTable, ota as otaTable, rollout as rolloutTable } from '../../src/settings/table';
import { editorFiles } from '../support/editor-files';

const types = ['homie-broker', 'homie-ota', 'homie-config', 'homie-devices', 'homie-firmware'];

for (const type of types) {
  const { html, help, text, defaults } = editorFiles(type);

  describe(`what the editor is given of ${type}`, () => {
    it('has a text for each key that the dialog uses', () => {
      const attributes = [...html.matchAll(/data-i18n="(?:\[\w+\])?([^"]+)"/g)].map(([, key = '']) => key);
      assert.ok(attributes.length > 10);
      for (const key of attributes) assert.equal(typeof text(key), 'string', key);
    });

    it('has in its help every part that it takes from that of homie-ota', () => {
      assert.deepEqual(help.match(/<!-- (?!start of |end of ).*?-->/g) ?? [], []);
    });

    it('has a field in the dialog for each property', () => {
      const prefix = type === 'homie-broker' ? 'node-config-input' : 'node-input';
      const names = [...Object.keys(defaults), ...(type === 'homie-broker' ? ['user', 'password'] : [])];
      assert.ok(names.length >= 7);
      for (const name of names) assert.ok(html.includes(`id="${prefix}-${name}"`), name);
    });

    it('has a label for each field, and a hint unless it needs none', () => {
      const labels = [...html.matchAll(/<label for="([^"]+)"/g)].map(([, id]) => id);
      const fields = [...html.matchAll(/<(?:input|select)[^>]* id="([^"]+)"/g)].map(([, id = '']) => id);
      const plain = ['name', 'connection', 'user', 'port', 'deviceType'];
      for (const id of fields.filter((field) => !/(?:Type|-settingsVersion)$/.test(field))) {
        assert.ok(labels.includes(id), id);
        const property = id.replace(/^node-(config-)?input-/, '');
        if (plain.includes(property)) continue;
        const hint = text(`${type}.hint.${property}`) ?? text(`${type}.hint.${property}.other`);
        assert.ok(hint !== undefined && hint.endsWith('.') && hint.length > 9, id);
        assert.ok(html.includes(`id="${type}-${property}-hint"`) || html.includes(`.hint.${property}"`), id);
      }
    });

    it('has help that begins with one sentence, and the usual parts', () => {
      assert.match(help, new RegExp(`^<script type="text/html" data-help-name="${type}">\\s*<p>[^<]+\\.</p>`));
      for (const part of ['Details', 'References']) assert.ok(help.includes(`<h3>${part}</h3>`), part);
    });
  });
}

for (const [type, own, table] of [
  ['homie-ota', otaSettingNames, otaTable],
  ['homie-config', configSettingNames, configTable],
] as const) {
  const { html, help, text, defaults, validate } = editorFiles(type);
  const names = [...own, ...rolloutSettingNames];
  const values = Object.fromEntries(Object.entries(defaults).map(([name, { value }]) => [name, value]));

  describe(`a new ${type} in the editor`, () => {
    it('has the settings that the package has by itself, and no others', () => {
      const more = ['settingsVersion', 'name', 'broker', 'device', 'deviceType'];
      assert.deepEqual(new Set(Object.keys(values)), new Set([...names, ...more]));
      const read = type === 'homie-ota' ? readOtaSettings(otaDefaults, values) : undefined;
      if (read !== undefined) assert.deepEqual(read, otaDefaults);
      else assert.deepEqual(readConfigSettings(configDefaults, values), configDefaults);
      assert.deepEqual(readRolloutSettings(rolloutDefaults, values), rolloutDefaults);
    });

    it('says where they stand, except where what is usual depends on others', () => {
      const empty = names.filter((name) => values[name] === '');
      const expected = ['window', 'exclude', 'expires', ...(type === 'homie-config' ? ['secretBytes'] : [])];
      assert.deepEqual(new Set(empty), new Set(expected));
    });

    it('has a label for each of them', () => {
      for (const name of names) {
        assert.ok(html.includes(`<label for="node-input-${name}"`), name);
        assert.ok(html.includes(`.label.${name}"`), name);
        assert.ok((text(`${type}.label.${name}`) ?? '').length > 3, name);
      }
    });

    it('has a hint for each that is about several devices or about when', () => {
      for (const name of rolloutSettingNames) {
        assert.ok(html.includes(`.hint.${name}"`), name);
        assert.ok((text(`${type}.hint.${name}`) ?? '').length > 10, name);
      }
    });

    it('has help for each of them, with its type', () => {
      const plain = { flag: 'boolean', whole: 'number', seconds: 'number', days: 'number', times: 'string' };
      for (const [name, { kind, usual }] of Object.entries<Setting>({ ...table, ...rolloutTable })) {
        const ofKind: Readonly<Record<string, string>> = {
          ...plain,
          choice: typeof usual,
          names: 'string | array',
          devices: 'string | array',
        };
        const expected = `>${name} <span class="property-type">${ofKind[kind] ?? ''}</span></dt>`;
        assert.ok(help.includes(expected), expected);
      }
    });

    it('keeps what a text field holds when it makes sense', () => {
      const sensible = {
        device: ['my-light', 'a, b', 'kitchen-*', '*', '*-light, hall'],
        exclude: ['', 'a', 'a, kitchen-*', '*'],
        window: ['', '01:00-05:00', '22:30 - 6:00', '0:00-24:00', '01:00-05:00, 13:00-14:00'],
        concurrency: ['', '1', '20000'],
        canary: ['0', '3'],
        maxFailures: ['0', '1'],
        soak: ['0', '1.5'],
        expires: ['', '0', '3600'],
        keep: ['', '0', '0.5', '30'],
      };
      for (const [name, all] of Object.entries(sensible)) {
        for (const value of all) assert.equal(validate(name, value), true, `${name} ${value}`);
      }
    });

    it('keeps an environment variable in every field', () => {
      const textual = Object.entries(defaults).flatMap(([name, property]) => (property.validate ? [name] : []));
      assert.ok(textual.length >= 10);
      for (const name of textual.filter((each) => each !== 'settingsVersion')) {
        for (const value of ['${NAME}', '$(NAME)', 'a, ${NAME}']) {
          assert.equal(validate(name, value), true, `${name} ${value}`);
        }
      }
    });

    it('says of what makes no sense what it must be, in a sentence that names the field', () => {
      const senseless = {
        device: ['', 'a/b', '$a', 'a b', '*/a', 'a,,b', 'a'.repeat(65)],
        exclude: ['a/b', '+', '$*', '*$', 'a b', 'a'.repeat(65)],
        window: ['night', '01:00', '01:00-25:00', '24:00-01:00', '1:00-01:00', '01:60-02:00', '01:00-02:00,'],
        concurrency: ['0', '-1', '1.5', 'all', '20001'],
        canary: ['-1', 'one', '20001'],
        maxFailures: ['-1', '20001'],
        soak: ['-1', 'soon'],
        spacing: ['1e'],
        expires: ['tomorrow'],
        keep: ['-1', 'week'],
      };
      for (const [name, all] of Object.entries(senseless)) {
        for (const value of all) {
          const said = validate(name, value);
          const label = text(`${type}.label.${name}`) ?? '';
          assert.ok(
            typeof said === 'string' && said.startsWith(`${label}: `) && said.endsWith('.'),
            `${name} ${value}`,
          );
          if (name === 'device') continue;
          assert.throws(
            () => readRolloutSettings(rolloutDefaults, { [name]: value }),
            { code: 'INVALID_SETTING' },
            `${name} ${value}`,
          );
        }
      }
    });

    it('lets nothing pass that the node then refuses', () => {
      const textual = rolloutSettingNames.filter((name) => defaults[name]?.validate !== undefined);
      assert.equal(textual.length, 9);
      const anything = fc.string({ unit: fc.constantFrom(...'ab-*+#/ $,:.0123459'.split('')), maxLength: 14 });
      const span = fc
        .tuple(fc.nat(30), fc.nat(70), fc.nat(30), fc.nat(70))
        .map(([a, b, c, d]) => `${a}:${b}-${c}:${d}`);
      let passed = 0;
      fc.assert(
        fc.property(fc.constantFrom(...textual), fc.oneof(anything, span), (name, value) => {
          if (validate(name, value) !== true) return;
          passed += 1;
          readRolloutSettings(rolloutDefaults, { [name]: value });
        }),
        { numRuns: 1000 },
      );
      assert.ok(passed > 100);
    });
  });
}

describe('a new homie-devices in the editor', () => {
  const { html, help, text, defaults, validate } = editorFiles('homie-devices');
  const values = Object.fromEntries(Object.entries(defaults).map(([name, { value }]) => [name, value]));

  it('asks for every device, as the package does by itself', () => {
    assert.deepEqual(
      new Set(Object.keys(values)),
      new Set([...queryNames, 'settingsVersion', 'name', 'broker', 'events']),
    );
    assert.deepEqual(readQuery(everyDevice, values), everyDevice);
    assert.equal(values['events'], false);
  });

  it('keeps an environment variable in every field', () => {
    for (const name of ['device', 'state']) {
      for (const value of ['${NAME}', '$(NAME)']) assert.equal(validate(name, value), true, `${name} ${value}`);
    }
  });

  it('has a label, a hint and help for each of its settings', () => {
    for (const name of [...queryNames, 'events']) {
      for (const kind of ['label', 'hint']) {
        assert.ok(html.includes(`data-i18n="homie-devices.${kind}.${name}"`), name);
        assert.ok((text(`homie-devices.${kind}.${name}`) ?? '').length > 4, name);
      }
      if (name === 'events') continue;
      assert.match(help, new RegExp(`>${name} <span class="property-type">\\w[^<]*</span></dt>\\s*<d[dt]`), name);
    }
  });

  it('has a text for each state that a device may have', () => {
    for (const state of deviceStates) {
      assert.equal(typeof text(`homie-devices.state.${state}`), 'string', state);
      assert.equal(validate('state', state), true);
    }
    assert.equal(validate('state', ''), true);
  });

  it('says of what makes no sense what it must be, in a sentence that names the field', () => {
    for (const [name, all] of Object.entries({ device: ['a/b', '+', '$*', 'a b'], state: ['online', 'ready, off'] })) {
      for (const value of all) {
        assert.match(String(validate(name, value)), /^(Devices|State): .+\.$/, value);
        assert.throws(() => readQuery(everyDevice, { [name]: value }), { name: 'HomieError' });
      }
    }
    for (const value of ['', 'a', 'a, kitchen-*', '*']) assert.equal(validate('device', value), true, value);
  });
});

describe('a new homie-broker in the editor', () => {
  it('has every setting of homie-ota but continuous for the updates that are started in the sidebar', () => {
    const [broker, node] = ['homie-broker', 'homie-ota'].map((type) => editorFiles(type).defaults);
    assert.ok(broker !== undefined && !('continuous' in broker));
    for (const name of [...otaSettingNames, ...rolloutSettingNames].filter((each) => each !== 'continuous')) {
      assert.deepEqual(broker?.[name]?.value, node?.[name]?.value, name);
    }
  });

  it('keeps an environment variable in every field', () => {
    const { validate } = editorFiles('homie-broker');
    for (const name of ['host', 'port', 'keepalive', 'baseTopic']) {
      for (const value of ['${NAME}', '$(NAME)']) assert.equal(validate(name, value), true, `${name} ${value}`);
    }
    assert.equal(validate('host', '${SCHEME}://${HOST}'), true);
    assert.equal(validate('baseTopic', 'homie/${SITE}/'), true);
    assert.equal(validate('baseTopic', '${SITE}/homie/'), true);
  });

  it('refuses a base topic that no broker takes', () => {
    const { validate } = editorFiles('homie-broker');
    for (const value of ['$', '$SYS/', '$(SITE)/', 'homie/#', '${SITE}/+']) {
      assert.match(String(validate('baseTopic', value)), /\.$/, value);
    }
  });
});
