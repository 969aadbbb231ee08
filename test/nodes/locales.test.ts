import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { withSettings } from '../../scripts/dialogs';
import { editorFile, languages, localeFile } from '../../scripts/node-files';
import { deviceStates } from '../../src/homie/device';
import germanErrors from '../../src/texts/de.json';
import englishErrors from '../../src/texts/en-US.json';
import { root } from '../support/node-red';
import {
  blank,
  differences,
  flatten,
  frame,
  missing,
  unused,
  uses,
  type Catalog,
  type Completed,
} from '../support/texts';

/** The completions that code adds to the beginnings of keys. */
const completed: Completed = {
  'homie-devices.state.': deviceStates,
  'homie-broker.validate.': ['seconds', 'days', 'whole', 'devices', 'times', 'someOf', 'address', 'repository'],
  'homie-broker.test.': ['running', 'forbidden', 'busy', 'failed'],
  'homie-firmware.test.': ['running', 'forbidden', 'busy', 'failed'],
  'homie-firmware.validate.': ['folder', 'url', 'releases'],
  'homie-broker.devices.': ['none', 'undeployed', 'tested', 'connecting', 'disconnected', 'forbidden', 'failed'],
  // The sentences of validators start with these labels, which the dialog uses as well.
  'homie-ota.label.': [],
  'homie-config.label.': [],
  'homie-devices.label.': [],
  'homie-firmware.label.': [],
  'homie-broker.label.': [],
};

/** Returns the files of a folder with these endings, by their paths from the root of the package. */
function files(within: string, ...endings: readonly string[]): string[] {
  return readdirSync(path.join(root, within), { encoding: 'utf8', recursive: true })
    .filter((file) => endings.some((ending) => file.endsWith(ending)))
    .map((file) => path.join(within, file))
    .sort();
}

function read(file: string): string {
  return readFileSync(path.join(root, file), 'utf8');
}

function readCatalog(language: string, name: string): Catalog {
  const json: unknown = JSON.parse(read(localeFile(name, language, 'json')));
  return new Map(flatten(Object(json)));
}

const { nodes, plugins }: { nodes: object; plugins: object } = JSON.parse(read('package.json'))['node-red'];
const types = Object.keys({ ...nodes, ...plugins });
const dialogs = types.map((type) => withSettings(type, read(editorFile(type))));
const scripts = [
  // The texts of the sidebar have a test of their own.
  ...files('nodes', '.ts', '.js').filter((file) => !file.startsWith('nodes/sidebar/ui/')),
  ...files('resources', '.html', '.js').filter((file) => file !== 'resources/sidebar.js'),
].map(read);

const used = uses([...dialogs, ...scripts]);

describe('the texts of the editor', () => {
  it('are in both languages', () => {
    for (const type of types) {
      const expected = languages.flatMap((language) => [
        localeFile(type, language, 'json'),
        // The sidebar has no help.
        ...(type in nodes ? [localeFile(type, language, 'html')] : []),
      ]);
      assert.deepEqual(files(path.dirname(localeFile(type, 'de', 'json')), ''), expected.sort());
    }
  });

  for (const name of types) {
    const [english, german] = languages.map((language) => readCatalog(language, name));

    describe(`of ${name}`, () => {
      it('have the same keys and placeholders in both languages', () => {
        assert.deepEqual(differences(english ?? new Map(), german ?? new Map()), []);
      });

      for (const [language, catalog = new Map<string, string>()] of [
        ['en-US', english],
        ['de', german],
      ] as const) {
        it(`are all there and all used: ${language}`, () => {
          assert.ok(catalog.size > 10);
          assert.deepEqual(
            {
              missing: missing(name, catalog, used, completed),
              unused: unused(catalog, used, completed),
              blank: blank(catalog),
            },
            {
              missing: [],
              unused: [],
              blank: [],
            },
          );
        });
      }
    });
  }

  it('name the fields of homie-broker as errors do', () => {
    for (const [language, { phrases }] of [
      ['en-US', englishErrors],
      ['de', germanErrors],
    ] as const) {
      const labels = readCatalog(language, 'homie-broker');
      for (const [name, label] of Object.entries(phrases.brokerField)) {
        assert.equal(label, labels.get(`homie-broker.label.${name}`), language);
      }
    }
  });

  for (const name of Object.keys(nodes)) {
    it(`have the same parts, properties and code in the help of ${name}`, () => {
      const [english = '', german = ''] = languages.map((language) => read(localeFile(name, language, 'html')));
      assert.ok(german.includes(`data-help-name="${name}"`) && german !== english);
      assert.deepEqual(frame(german), frame(english));
    });
  }
});
