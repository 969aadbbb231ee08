import assert from 'node:assert/strict';
import { checkPatch, type Check } from '../../src/config/check';
import { at, type JsonObject } from '../../src/config/json';
import { codes, parse, publishedText, recording } from './recordings';

describe('check at the limits that the firmware showed', () => {
  const { config, patches, result } = recording<Record<string, number>>('config_limits');
  const check = (patch: JsonObject, file = config): Check =>
    // The devices had a wifi.password, which still counts as a member, and no credentials.
    checkPatch({ config: publishedText(file), patch, allowRisky: true, secretBytes: 0 });
  const limit = (name: string): number => result[name] ?? assert.fail(`no ${name}`);

  /** The device takes the largest; of the next one it loses values, or refuses it. */
  const limits: [name: string, patch: (size: number) => JsonObject, code: string, file?: string][] = [
    ['patch_one_root_string_max_len (key "x")', root, 'PATCH_TOO_LARGE'],
    ['patch_greeting_max_len_not_refused', greeting, 'PATCH_TOO_LARGE'],
    ['patch_members_max {"a0":0,...}', numbers, 'PATCH_TOO_LARGE'],
    ['merge_new_root_string_kept_max', root, 'MERGE_TOO_LARGE'],
    ['merge_new_greeting_kept_max', greeting, 'MERGE_TOO_LARGE'],
    ['merge_new_number_members_kept_max', numbers, 'MERGE_TOO_LARGE'],
    [
      'merge_replace_existing_greeting_kept_max',
      greeting,
      'MERGE_TOO_LARGE',
      config.replace('"percentage":42', '"percentage":42,"greeting":"hello"'),
    ],
  ];
  for (const [name, patch, code, file] of limits) {
    it(`agrees on ${name}: ${limit(name)}`, () => {
      const fits = check(patch(limit(name)), file);
      const exceeds = check(patch(limit(name) + 1), file);
      assert.ok(!codes(fits).includes(code));
      assert.ok(codes(exceeds).includes(code));
      assert.equal(exceeds.verdict, 'rejected');
      if (code === 'MERGE_TOO_LARGE') assert.notEqual(fits.verdict, 'rejected');
    });
  }

  for (const [name, parts] of [
    ['partial_application', 2],
    ['partial_then_name_lost', 2],
  ] as const) {
    it(`refuses ${name}, of which the device lost values, and offers the split`, () => {
      const refused = check(parse(patches?.[name] ?? ''));
      assert.deepEqual(codes(refused), ['MERGE_TOO_LARGE']);
      assert.equal(refused.steps.length, parts);
      assert.match(refused.problems[0]?.hint ?? '', new RegExp(`split: true to send it as ${parts} patches`));
    });
  }

  for (const [name, accepted] of [
    [
      'config_file_members_31',
      { patch_name_len1: true, patch_name_len16: false, patch_new_setting: false, patch_number: true },
    ],
    [
      'config_file_members_32',
      { patch_name_len1: false, patch_name_len16: false, patch_new_setting: false, patch_number: true },
    ],
  ] as const) {
    it(`agrees on ${name}`, () => {
      const { config: file } = recording(name);
      const tried = {
        patch_name_len1: { name: 'n' },
        patch_name_len16: { name: '0123456789abcdef' },
        patch_new_setting: { settings: { greeting: 'hi' } },
        patch_number: { settings: { percentage: 1 } },
      };
      const verdicts = Object.entries(tried).map(([key, patch]) => [key, check(patch, file).verdict !== 'rejected']);
      assert.deepEqual(Object.fromEntries(verdicts), accepted);
    });
  }

  it('takes a file of 999 bytes and refuses one of 1000', () => {
    const { config: file, patch } = recording('config_patch_grows_to_999');
    const input = { config: file, secretBytes: 0 };
    assert.deepEqual(codes(checkPatch({ ...input, patch })), []);
    assert.equal(checkPatch({ ...input, patch }).budget?.file.used, 999);
    assert.deepEqual(codes(checkPatch({ ...input, patch: patch?.replace('g"', 'gg"') })), ['CONFIG_TOO_LARGE']);
  });

  it('takes a config publish of 1072 bytes and refuses one that hangs a device with small segments', () => {
    const { config: file } = recording('config_publish_stuck_init_962');
    const { config: stuck } = recording('config_publish_stuck_init_963');
    const start = JSON.stringify({ ...parse(file), settings: { note: text(600) } });
    const input = { config: start, secretBytes: 0 };
    // Each note is longer than the merge could take at once: the size alone is looked at.
    assert.ok(!codes(checkPatch({ ...input, patch: note(file) })).includes('CONFIG_UNPUBLISHABLE'));
    assert.ok(codes(checkPatch({ ...input, patch: note(stuck) })).includes('CONFIG_UNPUBLISHABLE'));
    assert.ok(!codes(checkPatch({ ...input, patch: note(stuck), segment: 1460 })).includes('CONFIG_UNPUBLISHABLE'));
  });
});

function text(length: number): string {
  return 'A'.repeat(length);
}

function root(length: number): JsonObject {
  return { x: text(length) };
}

function greeting(length: number): JsonObject {
  return { settings: { greeting: text(length) } };
}

function numbers(count: number): JsonObject {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${String(index).padStart(2, '0')}`, index]));
}

/** A patch with the note of this file. */
function note(file: string): JsonObject {
  return { settings: { note: at(parse(file), ['settings', 'note']) ?? null } };
}
