import assert from 'node:assert/strict';
import {
  budgetOf,
  canRewrite,
  isWithinBudget,
  overBudget,
  topicPrefixBytes,
  unsafeSize,
  type Budget,
} from '../../src/config/budget';
import { patchFile, readFile, type DeviceFile } from '../../src/config/file';
import type { JsonObject } from '../../src/config/json';
import { PatchStep } from '../../src/config/patch-step';

function fileOf(content: JsonObject, secretBytes?: number): DeviceFile {
  return readFile(JSON.stringify(content), secretBytes) ?? assert.fail('unreadable');
}

const text = (length: number): string => 'x'.repeat(length);
const members = (count: number): JsonObject =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 0]));

/** Returns the budget of a patch for a file. */
const budget = (file: DeviceFile, patch: JsonObject): Budget => budgetOf(file, patchFile(file, patch), patch);

/** Has one member, and may have the three secrets that the device does not publish. */
const small = fileOf({ name: 'n' });

describe('the memory to read a patch', () => {
  const rows: [patch: JsonObject, bytes: number][] = [
    [{}, 0],
    [{ a: 1 }, 16 + 2],
    [{ a: null }, 16 + 2],
    [{ a: 'xy' }, 16 + 2 + 3],
    [{ ü: '☕' }, 16 + 3 + 4],
    [{ a: { bc: true } }, 16 + 2 + 16 + 3],
    [{ a: [1, 'x', { b: 2 }] }, 16 + 2 + 16 + 16 + 2 + 16 + 16 + 2],
  ];
  for (const [patch, bytes] of rows) {
    it(`is ${bytes} bytes for ${JSON.stringify(patch)}`, () => assert.equal(budget(small, patch).patch.used, bytes));
  }
});

describe('the memory to merge a patch', () => {
  const file = fileOf({ name: 'n', wifi: { ssid: 's' }, mqtt: { host: 'h', auth: true } });
  const rows: [what: string, patch: JsonObject, bytes: number][] = [
    ['a new member', { a: 'xy' }, 16 + 2 + 3],
    ['a new value', { name: 'xy' }, 3],
    ['a new value below an object', { wifi: { ssid: 'xy' } }, 3],
    ['a number in place of a text', { name: 7 }, 0],
    ['a removal', { name: null }, 0],
    ['an object in place of a text', { name: { b: null } }, 16 + 2],
    ['a text in place of an object', { wifi: 'xy' }, 3],
    ['a secret that may be in the file', { wifi: { password: 'xy' } }, 9 + 3],
    ['a secret that is in the file', { mqtt: { username: 'xy' } }, 3],
    ['a new member that has the name of a secret elsewhere', { username: 'xy' }, 16 + 9 + 3],
  ];
  for (const [what, patch, bytes] of rows) {
    it(`is ${bytes} bytes for ${what}`, () => assert.equal(budget(file, patch).merge.used, bytes));
  }

  const pool = (content: DeviceFile): number => budget(content, {}).merge.limit;

  it('is what the members of the file leave of it, and never less than nothing', () => {
    assert.equal(pool(small), 512 - 4 * 16);
    assert.equal(pool(fileOf({ name: 'n' }, 0)), 512 - 2 * 16);
    assert.equal(pool(fileOf(members(40))), 0);
  });

  it('leaves room for the secrets that may be in the file, also without auth, unless secretBytes is 0', () => {
    const content = (auth: boolean) => ({ name: 'n', wifi: { ssid: 's' }, mqtt: { host: 'h', auth } });
    for (const auth of [true, false]) assert.equal(pool(fileOf(content(auth))), 512 - 16 * (6 + 3));
    assert.equal(pool(fileOf(content(false), 0)), 512 - 16 * (6 + 1));
  });
});

describe('the budget of a patch', () => {
  it('names what it needs of each limit', () => {
    const patch = { name: 'xy' };
    assert.deepEqual(budget(small, patch), {
      patch: { used: 16 + 5 + 3, limit: 512 },
      merge: { used: 3, limit: 448 },
      file: { used: '{"name":"xy"}'.length + 15 + 14 + 14 + 64 + 32 + 32 - 1, limit: 999 },
      members: { used: 4, limit: 32 },
    });
  });

  it('suffices up to the last byte', () => {
    const file = fileOf({ a: 'x' }, 0);
    const patch = (length: number): JsonObject => ({ a: text(length), b: null });
    const { patch: read, merge } = budget(file, patch(475));
    assert.deepEqual([read.used, merge.used, merge.limit], [512, 476, 480]);
    assert.deepEqual([isWithinBudget(file, patch(475)), isWithinBudget(file, patch(476))], [true, false]);
    assert.deepEqual(
      [479, 480].map((length) => isWithinBudget(file, { a: text(length) })),
      [true, false],
    );
  });

  /** The problems with a new text: of 440 bytes it would fit without secrets, of 470 bytes it would not. */
  const problems = (length: number, steps?: readonly JsonObject[]) =>
    overBudget(
      small,
      { x: text(length) },
      steps?.map((step) => new PatchStep(small, step)),
      {},
    );
  const noSecrets = /^If the file of the device has no wifi\.password, .* set secretBytes to 0/;

  it('says that it may be the secrets that are too much', () => {
    assert.equal(problems(429).length, 0);
    const [problem] = problems(440);
    assert.equal(
      problem?.message,
      'The merge needs 459 bytes of memory, but the device has only 448 and would silently lose values.',
    );
    assert.equal(problem.path, '');
    assert.match(problem.hint, noSecrets);
  });

  it('says how the patch would fit', () => {
    const hint = (length: number, steps?: readonly JsonObject[]): string => problems(length, steps)[0]?.hint ?? '';
    assert.equal(hint(470), 'Send a smaller patch, or let it be split (split).');
    assert.equal(hint(470, []), 'Send a smaller patch, or shorten its texts: no split of it would fit.');
    assert.equal(
      hint(470, [{ a: { b: 1, c: 2 } }]),
      'Use split: true, which leaves out what the device already has; the rest would fit: a.b, a.c.',
    );
    const two = 'Use split: true to send it as 2 patches, with a reboot after each: a | b.';
    assert.equal(hint(470, [{ a: 1 }, { b: 2 }]), two);
    const both = hint(440, [{ a: 1 }, { b: 2 }]);
    assert.ok(both.startsWith(`${two} `));
    assert.match(both.slice(two.length + 1), noSecrets);
  });

  it('says what a patch needs that is too much to read', () => {
    const tooLong = problems(500);
    assert.deepEqual(
      tooLong.map(({ code, path, message, hint }) => [code, path, message, hint]),
      [
        [
          'PATCH_TOO_LARGE',
          '',
          'The patch needs 519 bytes of memory, but the device has only 512 to read it.',
          'Send a smaller patch, or let it be split (split).',
        ],
        [
          'MERGE_TOO_LARGE',
          '',
          'The merge needs 519 bytes of memory, but the device has only 448 and would silently lose values.',
          'Send a smaller patch, or let it be split (split).',
        ],
      ],
    );
    assert.match(problems(500, [])[0]?.hint ?? '', /no split of it would fit/);
  });
});

describe('a file that the device would not start with or not publish', () => {
  const messages = (before: DeviceFile, after: DeviceFile, context = {}): string[] =>
    unsafeSize(before, after, context).map(({ path, message, hint }) => `${path}${message} ${hint}`);

  it('has too many bytes, with or without secrets', () => {
    const known = { wifi: { password: 'p' }, mqtt: { username: 'u', password: 'p' } };
    const empty = JSON.stringify({ ...known, note: '' }).length;
    const full = fileOf({ ...known, note: text(999 - empty) });
    assert.deepEqual(messages(full, full), []);
    const over = fileOf({ ...known, note: text(1000 - empty) });
    assert.deepEqual(messages(over, over), [
      'The file would have 1000 bytes, but the device starts with at most 999. ' +
        'Remove settings that are not needed, or shorten texts.',
    ]);
    const after = patchFile(fileOf({ name: 'n', note: text(800) }), { more: text(100) });
    assert.match(messages(after, after).join(), /^The file would have \d+ bytes, including up to \d+ for secrets/);
  });

  it('has too many members, or may have because of secrets', () => {
    const before = fileOf(members(30));
    const after = (count: number): DeviceFile => patchFile(before, members(30 + count));
    assert.deepEqual(messages(before, after(0)), []);
    const [perhaps = ''] = messages(before, after(1));
    assert.ok(perhaps.startsWith('The file would have 33 members, but the device starts with at most 32. If the file'));
    assert.deepEqual(messages(before, after(2)), [
      'The file would have 34 members, but the device starts with at most 32. ' +
        'Remove settings that are not needed, or shorten texts.',
    ]);
  });

  it('is too long to publish, unless the device publishes one already that is', () => {
    // 7 bytes of header, `homie/`, an id of 12 bytes and `/$implementation/config`, of 2 segments of 100 bytes.
    const room = 200 - 7 - 6 - 12 - 23;
    const long = (bytes: number): DeviceFile => fileOf({ note: text(bytes - '{"note":""}'.length) });
    const context = { segment: 100 };
    assert.deepEqual(messages(long(room), long(room), context), []);
    const [problem = ''] = messages(long(room), long(room + 1), context);
    assert.ok(
      problem.startsWith('Publishing the configuration would take 201 bytes, but the send buffer may have only 200.'),
    );
    assert.deepEqual(messages(long(room + 1), long(room + 2), context), []);
  });
});

describe('the length of base topic and device id', () => {
  const rows: [content: JsonObject, mac: string | undefined, bytes: number][] = [
    [{}, undefined, 'homie/'.length + 12],
    [{}, '5C:CF:7F:00:00:01', 'homie/5ccf7f000001'.length],
    [{ device_id: 'lamp', mqtt: { base_topic: 'ü/' } }, undefined, 3 + 4],
    [{ device_id: 'lamp', mqtt: { base_topic: 7 } }, undefined, 4],
    [{ device_id: 7, mqtt: { base_topic: 'a/' } }, undefined, 2 + 12],
  ];
  for (const [content, mac, bytes] of rows) {
    it(`is ${bytes} bytes for ${JSON.stringify(content)}${mac === undefined ? '' : ` and ${mac}`}`, () => {
      assert.equal(topicPrefixBytes(fileOf(content), mac), bytes);
    });
  }
});

describe('a file whose fractions may be shorter than they are published', () => {
  /** Returns what a device publishes of a file of about 990 bytes, in which each number is `number`. */
  const publishedWith = (number: string): string => {
    const head = `{"name":"x","wifi":{"ssid":"s"},"settings":{"a":${number},"b":${number},"c":${number},"greeting":"`;
    return `${head}${text(960 - head.length)}"}}`;
  };

  it('cannot be written again if it may then be too large', () => {
    assert.equal(canRewrite(publishedWith('8.679999'), {}), false);
    assert.equal(canRewrite(publishedWith('8.5'), {}), true);
    assert.equal(canRewrite(publishedWith('8679999'), {}), true);
  });

  it('cannot be written again as long as it is not known', () => {
    assert.equal(canRewrite(undefined, {}), false);
    assert.equal(canRewrite('{', {}), false);
  });

  it('takes no patch after which it may be too large', () => {
    const sizeOf = (number: string): readonly string[] => {
      const before = readFile(publishedWith(number)) ?? assert.fail('unreadable');
      return unsafeSize(before, patchFile(before, { name: 'y' }), {}).map(({ code }) => code);
    };
    assert.deepEqual(sizeOf('8.679999'), ['CONFIG_TOO_LARGE']);
    assert.deepEqual(sizeOf('8.5'), []);
  });
});
