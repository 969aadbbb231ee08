import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  draftPatch,
  invalidFields,
  isDirty,
  noDraft,
  switched,
  withEdit,
  type Edits,
} from '../../nodes/sidebar/ui/config-draft';
import {
  groupOf,
  isChanged,
  isOffered,
  problemOf,
  textOf,
  valueOf,
  type Edit,
} from '../../nodes/sidebar/ui/config-fields';
import type { ConfigField } from '../../nodes/sidebar/form-fields';
import { MASK, type Json, type JsonObject } from '../../src/config/json';
import { maskObject } from '../../src/config/secrets';
import { inEnglish } from '../../src/texts/text';

type Rest = Omit<ConfigField, 'keys' | 'path' | 'type'>;

function field(path: string, type: ConfigField['type'], more: Rest = {}): ConfigField {
  return { keys: path.split('.'), path, type, ...more };
}

const name = field('name', 'text', { value: 'Kitchen', required: true, min: 1, max: 64 });
const ssid = field('wifi.ssid', 'text', { value: 'home', required: true, min: 1, max: 32 });
const password = field('wifi.password', 'text', { secret: true, max: 8 });
const bssid = field('wifi.bssid', 'mac');
const dns = field('wifi.dns1', 'ipv4', { value: '192.168.1.1' });
const port = field('mqtt.port', 'whole', { value: 1883 });
const auth = field('mqtt.auth', 'flag');
const user = field('mqtt.username', 'text', { secret: true, max: 32 });
const enabled = field('ota.enabled', 'flag', { value: true });
const bright = field('settings.bright', 'whole', { value: 7 });
const fade = field('settings.fade', 'number', { value: 0.5 });
const label = field('settings.label', 'text', { value: 'hall' });
const none = field('settings.none', 'text', { value: null });
const fields = [name, ssid, password, bssid, dns, port, auth, user, enabled, bright, fade, label, none];

const edits = (entries: Record<string, Edit>): Edits => new Map(Object.entries(entries));

/** Returns the patch that the form makes. */
function patchOf(of: readonly ConfigField[], entered: Edits): JsonObject {
  return draftPatch(of, { edits: entered }) ?? assert.fail();
}

/** What is said about an edit. */
function said(of: ConfigField, edit: Edit): string {
  const problem = problemOf(of, edit);
  return problem === undefined ? '' : inEnglish(problem);
}

describe('the fields of the configuration form', () => {
  it('belong to the group that their path starts with, and otherwise to the device', () => {
    assert.deepEqual([name, ssid, port, enabled, bright].map(groupOf), ['device', 'wifi', 'mqtt', 'ota', 'settings']);
  });

  it('are offered if they are set, edited, required, secret, or a checkbox', () => {
    const offered = (given: Edits): string[] =>
      fields.filter((each) => isOffered(each, given, {})).map(({ path }) => path);
    const others = offered(new Map());
    assert.deepEqual(
      fields.map(({ path }) => path).filter((path) => !others.includes(path)),
      ['wifi.bssid', 'mqtt.username'],
    );
    assert.ok(offered(edits({ 'wifi.bssid': '' })).includes('wifi.bssid'));
  });

  it('offer the login of the broker only where the device uses one', () => {
    const login = (given: Edits, published: boolean): boolean => isOffered(user, given, { mqtt: { auth: published } });
    assert.deepEqual([login(new Map(), true), login(new Map(), false)], [true, false]);
    assert.deepEqual(
      [login(edits({ 'mqtt.auth': false }), true), login(edits({ 'mqtt.auth': true }), false)],
      [false, true],
    );
  });

  it('show the published value as text', () => {
    assert.deepEqual([name, port, fade, password, none].map(textOf), ['Kitchen', '1883', '0.5', '', '']);
  });

  it('take an empty field as the removal of a value, except for a text', () => {
    assert.deepEqual(
      [dns, port, fade, label].map((each) => valueOf(each, '')),
      [null, null, null, ''],
    );
  });

  for (const [of, edit, text] of [
    [name, '', 'It must be text of 1 to 64 bytes; it has 0.'],
    [name, null, 'It is required: text of 1 to 64 bytes.'],
    [ssid, 'ü'.repeat(17), 'It must be text of 1 to 32 bytes; it has 34.'],
    [ssid, 'ü'.repeat(16), ''],
    [password, 'x'.repeat(9), 'It must be text of at most 8 bytes.'],
    [bssid, '5C:CF:7F:00:00', 'It must be a MAC address such as "5C:CF:7F:00:00:01".'],
    [bssid, '5C:CF:7F:00:00:01', ''],
    [dns, '192.168.1', 'It must be an IPv4 address such as "192.168.1.20".'],
    [dns, ' 192.168.1.2 ', ''],
    [dns, '', ''],
    [port, '65536', 'It must be a whole number from 0 to 65535, without quotes.'],
    [port, '1.5', 'It must be a whole number from 0 to 65535, without quotes.'],
    [port, '-1', 'It must be a whole number from 0 to 65535, without quotes.'],
    [port, '0', ''],
    [bright, '1.5', ''],
    [bright, '-70000', ''],
    [fade, '0,5', 'It must be a number, such as 0.5.'],
    [fade, 'Infinity', 'It must be a number, such as 0.5.'],
    [label, '', ''],
    [enabled, false, ''],
  ] as const) {
    it(`${text === '' ? 'accept' : 'refuse'} ${JSON.stringify(edit)} in ${of.path}`, () => {
      assert.equal(said(of, edit), text);
    });
  }
});

describe('the patch of the configuration form', () => {
  it('sets what was changed, and nothing else', () => {
    const given = edits({
      name: 'Hall',
      'wifi.password': 'secret',
      'wifi.dns1': '',
      'mqtt.port': '1884',
      'mqtt.auth': true,
      'settings.fade': '0.25',
      'settings.label': null,
    });
    assert.deepEqual(patchOf(fields, given), {
      name: 'Hall',
      wifi: { password: 'secret', dns1: null },
      mqtt: { port: 1884, auth: true },
      settings: { fade: 0.25, label: null },
    });
    assert.ok(isDirty(fields, { edits: given }));
  });

  it('is empty where the fields are as published', () => {
    const same = new Map(fields.map((each) => [each.path, each.type === 'flag' ? each.value === true : textOf(each)]));
    assert.deepEqual(patchOf(fields, same), {});
    assert.deepEqual(patchOf(fields, edits({ 'mqtt.port': ' 1883 ', 'wifi.bssid': null, 'settings.none': null })), {});
    assert.ok(!isDirty(fields, { edits: same }));
  });

  it('ignores what was entered in a field that there is no more', () => {
    assert.deepEqual(patchOf([name], edits({ 'settings.gone': '1' })), {});
  });

  it('removes a secret only on request', () => {
    assert.deepEqual(patchOf(fields, edits({ 'wifi.password': '' })), {});
    assert.deepEqual(patchOf(fields, edits({ 'wifi.password': null })), { wifi: { password: null } });
  });

  it('keeps hostile names of settings as names', () => {
    const hostile = field('settings.__proto__', 'whole', { value: 1 });
    assert.equal(JSON.stringify(patchOf([hostile], edits({ [hostile.path]: '2' }))), '{"settings":{"__proto__":2}}');
  });

  it('takes an edit back', () => {
    const given = withEdit(edits({ name: 'Hall' }), 'mqtt.port', '1');
    assert.deepEqual([...given.keys()], ['name', 'mqtt.port']);
    assert.deepEqual([...withEdit(given, 'name', undefined).keys()], ['mqtt.port']);
  });
});

describe('the JSON view of a configuration change', () => {
  const given = edits({ 'wifi.ssid': 'other', 'wifi.password': 'secret' });
  const patchText = (entered: Edits): string => switched(fields, { edits: entered })?.json ?? assert.fail();

  it('masks secrets as Node-RED does', () => {
    const patch = { wifi: { ssid: 'other', password: 'secret' } };
    assert.deepEqual(JSON.parse(patchText(given)), maskObject(patch));
  });

  it('sends the secret that was entered where its mask stayed', () => {
    assert.deepEqual(draftPatch(fields, { edits: given, json: patchText(given) }), {
      wifi: { ssid: 'other', password: 'secret' },
    });
    const json = JSON.stringify({ wifi: { password: MASK }, settings: { token: MASK } });
    const sent = { wifi: { password: 'secret' }, settings: { token: MASK } };
    assert.deepEqual(draftPatch(fields, { edits: given, json }), sent);
    assert.deepEqual(draftPatch(fields, { ...noDraft, json }), JSON.parse(json));
  });

  for (const text of ['', '{', '[]', '"text"', 'null', '1']) {
    it(`has no patch for ${JSON.stringify(text)}, which counts as unsaved`, () => {
      const draft = { edits: given, json: text };
      assert.equal(draftPatch(fields, draft), undefined);
      assert.ok(isDirty(fields, draft));
    });
  }

  it('is not shown while the form has a value that is refused', () => {
    const wrong = edits({ 'mqtt.port': 'x' });
    assert.deepEqual(invalidFields(fields, wrong), [port]);
    assert.equal(switched(fields, { edits: wrong }), undefined);
  });

  for (const json of [
    '{"wifi":{"channel":6}}',
    '{"unknown":1}',
    '{"mqtt":{"port":"1884"}}',
    '{"ota":{"enabled":"yes"}}',
    '{"wifi":{}}',
    '{"settings":{"label":["a"]}}',
    '{"wifi":{"password":""}}',
    '{"wifi":{"dns1":""}}',
    `{"mqtt":{"username":"${MASK}"}}`,
    '{',
  ]) {
    it(`stays where the form cannot show ${json}`, () => {
      assert.equal(switched(fields, { ...noDraft, json }), undefined);
    });
  }

  it('changes nothing that is entered, back and forth', () => {
    const text = fc.string({ maxLength: 8 });
    const edit: fc.Arbitrary<[string, Edit]> = fc.constantFrom(...fields).chain((of) => {
      const number = fc.oneof(fc.integer({ min: 0, max: 65_535 }), fc.double({ noNaN: true, noDefaultInfinity: true }));
      const entered: fc.Arbitrary<Edit> =
        of.type === 'flag' ? fc.boolean() : of.type === 'text' ? text : fc.oneof(number.map(String), fc.ipV4());
      return fc.tuple(fc.constant(of.path), fc.oneof(entered, fc.constant(null)));
    });
    fc.assert(
      fc.property(fc.array(edit), (entries) => {
        const entered = new Map(entries);
        const shown = switched(fields, { edits: entered });
        if (shown === undefined) {
          assert.ok(invalidFields(fields, entered).length > 0);
          return;
        }
        const patch = patchOf(fields, entered);
        assert.deepEqual(draftPatch(fields, { ...shown, edits: entered }), patch);
        const back = switched(fields, shown);
        assert.deepEqual(back && patchOf(fields, back.edits), patch);
      }),
    );
  });

  it('has an edit for each value that the form can show', () => {
    const patch: Record<string, Json> = { name: 'Hall', wifi: { dns1: null }, mqtt: { auth: true, port: 1 } };
    assert.deepEqual(
      switched(fields, { ...noDraft, json: JSON.stringify(patch) })?.edits,
      edits({ name: 'Hall', 'wifi.dns1': null, 'mqtt.auth': true, 'mqtt.port': '1' }),
    );
    assert.ok(isChanged(auth, true) && !isChanged(auth, false));
  });
});
