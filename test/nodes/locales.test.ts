import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { withSettings } from '../../scripts/dialogs';
import { deviceStates } from '../../src/homie/device';
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

const languages = ['en-US', 'de'];

/** Of the jobs of both nodes: states, phases, reasons. */
const states = (
  'queued waiting running succeeded skipped failed timed_out rejected canceled ' +
  'sending rebooting verifying excluded offline never_seen busy window canary paused stopped'
).split(' ');

/** What code makes of the beginnings of keys. */
const completed: Completed = {
  'homie-devices.state.': deviceStates,
  'homie-broker.validate.': ['seconds', 'days', 'whole', 'devices', 'times', 'someOf'],
  'homie-broker.devices.': ['none', 'undeployed', 'connecting', 'disconnected', 'forbidden', 'failed'],
  'homie-ota.status.': [
    ...states,
    'already_sent',
    'accepted',
    'silent',
    'up_to_date',
    'older',
    'ota_disabled',
    'held',
    'superseded',
  ],
  'homie-config.status.': [...states, 'already_sent', 'received', 'no_change', 'unknown_key'],
  // Sentences of validators begin with them. They stand in the dialog, too.
  'homie-ota.label.': [],
  'homie-config.label.': [],
  'homie-devices.label.': [],
  'homie-broker.label.': [],
};

const folder = 'nodes/locales';

/** The files of a folder that end so, each by its path from the root of the package. */
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
  const json: unknown = JSON.parse(read(`${folder}/${language}/${name}.json`));
  return new Map(flatten(Object(json)));
}

function namesOf(ending: string): string[] {
  return [...new Set(files(folder, ending).map((file) => path.basename(file, ending)))];
}

const used = uses(
  [...files('nodes', '.html', '.ts', '.js'), ...files('resources', '.html', '.js')]
    .filter((file) => !file.startsWith(folder))
    .map((file) => (file.endsWith('.html') ? withSettings(path.basename(file, '.html'), read(file)) : read(file))),
);

describe('the texts of the editor', () => {
  it('are in both languages', () => {
    assert.ok(namesOf('.json').length >= 4 && namesOf('.html').length >= 4);
    assert.deepEqual(readdirSync(path.join(root, folder)).sort(), [...languages].sort());
    for (const ending of ['.json', '.html']) {
      const [first, second] = languages.map((language) =>
        files(`${folder}/${language}`, ending).map((file) => path.basename(file)),
      );
      assert.deepEqual(first, second);
    }
  });

  for (const name of namesOf('.json')) {
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

  for (const name of namesOf('.html')) {
    it(`have the same parts, properties and code in the help of ${name}`, () => {
      const [english = '', german = ''] = languages.map((language) => read(`${folder}/${language}/${name}.html`));
      assert.ok(german.includes(`data-help-name="${name}"`) && german !== english);
      assert.deepEqual(frame(german), frame(english));
    });
  }
});
