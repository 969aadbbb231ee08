import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as config from '../../src/config/settings';
import * as ota from '../../src/ota/settings';

const nodes = path.resolve(__dirname, '../../nodes');
const types = ['homie-broker', 'homie-ota', 'homie-config'];

for (const type of types) {
  const html = readFileSync(path.join(nodes, `${type}.html`), 'utf8');
  const locale: unknown = JSON.parse(readFileSync(path.join(nodes, `locales/en-US/${type}.json`), 'utf8'));
  const help = readFileSync(path.join(nodes, `locales/en-US/${type}.html`), 'utf8');

  describe(`what the editor is given of ${type}`, () => {
    it('has a text for each key that the dialog uses', () => {
      const attributes = [...html.matchAll(/data-i18n="(?:\[\w+\])?([^"]+)"/g)].map(([, key = '']) => key);
      const calls = [...html.matchAll(/\bt\('([\w.]+)'\)/g)].map(([, key = '']) => `${type}.${key}`);
      assert.ok(attributes.length > 10 && calls.length > 1);
      for (const key of [...attributes, ...calls]) assert.equal(typeof lookUp(locale, key), 'string', key);
    });

    it('has a field in the dialog for each property', () => {
      const prefix = type === 'homie-broker' ? 'node-config-input' : 'node-input';
      const names = [...defaults(html).keys(), ...(type === 'homie-broker' ? ['user', 'password'] : [])];
      assert.ok(names.length >= 11);
      for (const name of names) assert.ok(html.includes(`id="${prefix}-${name}"`), name);
    });

    it('has help that begins with one sentence, and the usual parts', () => {
      assert.match(help, new RegExp(`^<script type="text/html" data-help-name="${type}">\\s*<p>[^<]+\\.</p>`));
      for (const part of ['Details', 'References']) assert.ok(help.includes(`<h3>${part}</h3>`), part);
    });
  });
}

for (const [type, names, read, usual] of [
  [
    'homie-ota',
    ota.settingNames,
    (own: object) => ota.readSettings(ota.defaultSettings, { ...own }),
    ota.defaultSettings,
  ],
  [
    'homie-config',
    config.settingNames,
    (own: object) => config.readSettings(config.defaultSettings, { ...own }),
    config.defaultSettings,
  ],
] as const) {
  describe(`a new ${type} in the editor`, () => {
    const html = readFileSync(path.join(nodes, `${type}.html`), 'utf8');

    it('has the settings that the package has by itself', () => {
      const values = defaults(html);
      const own = Object.fromEntries(names.map((name) => [name, values.get(name)]));
      assert.ok(names.every((name) => values.has(name)));
      assert.deepEqual(read(own), usual);
    });

    it('has help for each of them', () => {
      const help = readFileSync(path.join(nodes, `locales/en-US/${type}.html`), 'utf8');
      for (const name of names) assert.ok(help.includes(`>${name} <span class="property-type">`), name);
    });
  });
}

/** The properties of a node and their first values, as they stand in the definition. */
function defaults(html: string): Map<string, string> {
  const begin = html.indexOf('defaults: {');
  const end = html.indexOf('\n      },', begin);
  const text = html.slice(begin, end);
  return new Map(
    [...text.matchAll(/^ {8}(\w+): \{\s*value: (?:'([^'\n]*)'|([^,}\n]*))/gm)].map(
      ([, name = '', quoted = '', other = '']) => [name, (quoted || other).trim()],
    ),
  );
}

function lookUp(locale: unknown, key: string): unknown {
  return key.split('.').reduce<unknown>((value, name) => Reflect.get(Object(value), name), locale);
}
