/** What the help of a node names, and what its page does: neither has anything that the other has not. */
import assert from 'node:assert/strict';
import { configSettingNames } from '../../src/config/settings';
import { errors } from '../../src/texts/en-US.json';
import { otaSettingNames } from '../../src/ota/settings';
import { queryNames } from '../../src/devices/query';
import { rolloutSettingNames } from '../../src/rollout/settings';
import { sourceSettingNames } from '../../src/sources/settings';
import { ota as otaTable, rollout as rolloutTable } from '../../src/settings/table';
import { editorFiles } from '../support/editor-files';
import { codesIn, pages, prose, rowsOf } from './markdown';

/** What each node lets its messages say, by the code. */
const nodes = [
  {
    type: 'homie-ota',
    more: ['docs/rollouts.md', 'docs/messages-and-states.md'],
    settings: [...otaSettingNames, ...rolloutSettingNames, 'device'],
    message: ['payload', 'matchFirmware', 'replace', 'options', 'action', 'checksum', 'job'],
    actions: [
      'update',
      'check',
      'offer',
      'withdraw',
      'rollback',
      'status',
      'history',
      'pause',
      'resume',
      'retry',
      'cancel',
    ],
  },
  {
    type: 'homie-config',
    more: ['docs/rollouts.md', 'docs/messages-and-states.md'],
    settings: [...configSettingNames, ...rolloutSettingNames, 'device'],
    message: ['payload', 'options', 'action', 'job'],
    actions: ['set', 'get', 'check', 'status', 'history', 'pause', 'resume', 'retry', 'cancel'],
  },
  {
    type: 'homie-devices',
    more: [],
    settings: [...queryNames],
    message: ['payload', 'options', 'action', 'checksum'],
    actions: ['list', 'forget', 'report'],
  },
  {
    type: 'homie-firmware',
    more: [],
    settings: [...sourceSettingNames],
    message: ['options'],
    actions: [],
  },
];

/** The names of message properties in a part of the help, and what it has in code. */
function helped(help: string, title: string): Set<string> {
  const [, part = ''] = new RegExp(`<h3>${title}</h3>([\\s\\S]*?)(?:<h3>|</script>)`).exec(help) ?? [];
  return new Set([...part.matchAll(/<dt[^>]*>(\w+) </g)].map(([, name = '']) => name));
}

/** The settings of the tables of a page, each with what it is unless it is set. */
function settingsOf(page: string): Map<string, string> {
  const settings = new Map<string, string>();
  for (const [names = '', usual = '', meaning] of rowsOf(page)) {
    const codes = codesIn(names);
    if (meaning === undefined || codes.length === 0 || !codes.every((code) => /^[a-zA-Z]+$/.test(code))) continue;
    const values = codes.length > 1 ? usual.split(', ') : [usual];
    for (const [i, name] of codes.entries()) settings.set(name, values[i] ?? '');
  }
  return settings;
}

/** A default of a table as the editor has it: without its unit. */
function plain(usual: string): string {
  return usual
    .replaceAll('`', '')
    .replace(/^([\d.]+) (?:s|days)$/, '$1')
    .trim();
}

for (const { type, more, settings, message, actions } of nodes) {
  const page = `docs/${type}.md`;
  const { help, defaults } = editorFiles(type);
  const text = prose(page);
  const own = settingsOf(page);
  const all = new Map([...own, ...(more.includes('docs/rollouts.md') ? settingsOf('docs/rollouts.md') : [])]);
  const named = new Set(codesIn(text));

  describe(`the page of ${type}`, () => {
    it('names every setting and message property that the help names, and each is one that the node has', () => {
      const inputs = helped(help, 'Inputs');
      assert.deepEqual(inputs, new Set([...settings, ...message]));
      for (const name of inputs) assert.ok(named.has(name) || named.has(`msg.${name}`), name);
    });

    it('has no setting that the help has not, here or where it leads to', () => {
      const inputs = helped(help, 'Inputs');
      for (const name of settingsOf(page).keys()) assert.ok(inputs.has(name), name);
      for (const name of settings) assert.ok(all.has(name), name);
      for (const name of named) {
        const [, property] = /^msg\.(\w+)$/.exec(name) ?? [];
        if (property === undefined || property === 'topic') continue;
        assert.ok(inputs.has(property), name);
      }
    });

    it('says of each what it is unless it is set, as the editor does', () => {
      for (const [name, usual] of all) {
        if (['device', 'matchFirmware', 'replace', 'state', 'firmware'].includes(name)) continue;
        const value = defaults[name]?.value;
        // What is empty there has a default of its own: it is told of in the help, too.
        if (value === '') assert.ok(usual === '' || help.includes(plain(usual)), name);
        else assert.equal(plain(usual), String(value), name);
      }
    });

    it('names every action of the help, and no other', () => {
      const [, part = ''] = /<b>(?:The action|Actions)<\/b>([\s\S]*?)<b>When/.exec(help) ?? [];
      for (const action of actions) {
        assert.ok(part.includes(`<code>${action}</code>`) || help.includes(`<code>${action}</code> unless`), action);
        assert.ok(named.has(action), action);
      }
      const listed = /`msg\.action` may be (.*?)[:.]/.exec(text)?.[1] ?? '';
      assert.deepEqual(new Set(codesIn(listed)), new Set(actions));
      const shared = rowsOf('docs/messages-and-states.md').map(([cell = '']) => codesIn(cell)[0] ?? '');
      for (const action of actions) assert.ok(shared.includes(action), action);
    });

    it('has, with the pages that it leads to, all that an answer may hold by the help', () => {
      const told = new Set([page, ...more].flatMap((file) => codesIn(prose(file))));
      for (const name of helped(help, 'Outputs')) {
        assert.ok(told.has(name) || told.has(`msg.${name}`), name);
      }
      for (const file of more) assert.ok(text.includes(file.replace('docs/', '')), file);
    });
  });
}

describe('the page of homie-broker', () => {
  const { text, defaults } = editorFiles('homie-broker');
  const page = prose('docs/homie-broker.md');
  // They are those of homie-ota, with a part of the dialog of their own.
  const updates = { ...otaTable, ...rolloutTable };

  it('names every field of its dialog as the dialog does', () => {
    for (const name of [...Object.keys(defaults), 'user', 'password']) {
      if (['name', 'mqttBroker', 'settingsVersion'].includes(name) || name in updates) continue;
      const label = text(`homie-broker.label.${name}`);
      assert.ok(label !== undefined && page.includes(`_${label}_`), `${name}: ${label}`);
    }
    assert.ok(page.includes(`_${text('homie-broker.section.updates')}_`));
  });

  it('has the answers of the test as the dialog gives them', () => {
    const answers = ['found', 'none', 'elsewhere'].map((key) => text(`homie-broker.test.${key}`) ?? '');
    for (const answer of answers) {
      const pattern = answer.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/__\w+__/g, '\\S+');
      assert.match(page, new RegExp(`_${pattern}_`));
    }
  });
});

describe('the states, reasons and codes in the documentation', () => {
  it('are those of the code', () => {
    const known = new Set(Object.keys(errors));
    for (const page of pages) {
      if (page === 'CHANGELOG.md') continue;
      for (const code of codesIn(prose(page)).filter((name) => /^[A-Z][A-Z0-9]*_[A-Z0-9_]+$/.test(name))) {
        assert.ok(
          known.has(code) ||
            /^(NODE_RED|NODE_EXTRA_CA_CERTS|NODE_USE_ENV_PROXY|TEST_\w+|NPM_TOKEN|MQTT_HOST|BUILD_TOKEN|FIRMWARE_FOLDER|DISCOVERY_PREFIX|DEVICE_IDENTIFIER)$/.test(
              code,
            ),
          `${page}: ${code}`,
        );
      }
    }
  });
});
