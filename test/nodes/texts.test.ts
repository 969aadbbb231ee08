import assert from 'node:assert/strict';
import { deviceStates } from '../../src/homie/device';
import { blank, differences, flatten, frame, missing, unused, uses, type Catalog } from '../support/texts';

describe('the search for texts', () => {
  const catalog = (texts: object): Catalog => new Map(flatten(texts));
  const html = `
    <span data-i18n="homie-lamp.label.name"></span><input data-i18n="[placeholder]homie-lamp.hint.name;homie-lamp.hint.more" />
    <script>
      const t = homieDialogs.texts('homie-lamp');
      t('one'); t(bright ? 'two' : 'three', { of: 1 }); t('state.' + state);
      const say = (key, values) => RED._('@homie-ota/node-red-homie-ota/homie-lamp:homie-lamp.say.' + key, values);
      say('yes');
      RED._('@homie-ota/node-red-homie-ota/homie-lamp:homie-lamp.whole');
    </script>`;
  const texts = {
    'homie-lamp': {
      label: { name: 'Name' },
      hint: { name: 'A name', more: 'More' },
      one: '1',
      two: '2',
      three: '3',
      state: { on: 'on', off: 'off' },
      say: { yes: 'yes' },
      whole: 'whole',
    },
  };

  it('finds each use of a key', () => {
    const found = uses([html]);
    assert.deepEqual(unused(catalog(texts), found, {}), []);
    assert.deepEqual(missing('homie-lamp', catalog(texts), found, {}), []);
  });

  it('finds a key that nobody uses', () => {
    const more = { 'homie-lamp': { ...texts['homie-lamp'], label: { name: 'Name', old: 'Old' } } };
    assert.deepEqual(unused(catalog(more), uses([html]), {}), ['homie-lamp.label.old']);
  });

  for (const key of ['label', 'hint', 'one', 'two', 'three', 'state', 'say', 'whole'] as const) {
    it(`finds that a key is missing: ${key}`, () => {
      const { [key]: _, ...less } = texts['homie-lamp'];
      assert.match(
        missing('homie-lamp', catalog({ 'homie-lamp': less }), uses([html]), {}).join(),
        new RegExp(`homie-lamp\\.${key}`),
      );
    });
  }

  it('finds a state that has no text, and a text for a state that there is not', () => {
    const completed = { 'homie-devices.state.': deviceStates };
    const used = uses(["const t = homieDialogs.texts('homie-devices'); t('state.' + state);"]);
    const state = Object.fromEntries(deviceStates.map((name) => [name, name]));
    const { lost: _, ...others } = state;
    assert.deepEqual(missing('homie-devices', catalog({ 'homie-devices': { state: others } }), used, completed), [
      'homie-devices.state.lost',
    ]);
    assert.deepEqual(unused(catalog({ 'homie-devices': { state: { ...state, odd: 'odd' } } }), used, completed), [
      'homie-devices.state.odd',
    ]);
  });

  it('finds a key that only one language has, another placeholder, and an empty text', () => {
    assert.deepEqual(differences(catalog({ a: 'x', b: 'y' }), catalog({ b: 'y', c: 'z' })), [
      'a is missing in the second',
      'c is missing in the first',
    ]);
    assert.deepEqual(differences(catalog({ a: '__n__ of __m__' }), catalog({ a: '__m__ von __n__' })), []);
    assert.deepEqual(differences(catalog({ a: '__n__' }), catalog({ a: '__x__' })), ['a has other placeholders']);
    assert.deepEqual(blank(catalog({ a: ' ', b: 'x' })), ['a']);
  });

  it('finds that a help text lacks a part, a property, or names another value', () => {
    const help =
      '<h3>Details</h3><dl><dt class="optional">a <span class="property-type">string</span></dt><dd><code>x</code></dd></dl>';
    assert.deepEqual(frame(help.replace('Details', 'Einzelheiten')), frame(help));
    for (const [part, other] of [
      ['<h3>Details</h3>', ''],
      ['>a <', '>b <'],
      ['>string<', '>number<'],
      ['<code>x', '<code>y'],
      [' class="optional"', ''],
    ] as const) {
      assert.notDeepEqual(frame(help.replace(part, other)), frame(help), part);
    }
  });
});
