import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { isWithinBudget } from '../../src/config/budget';
import { readFile, type DeviceFile } from '../../src/config/file';
import type { JsonObject } from '../../src/config/json';
import { mergePatch, tryReadPatch } from '../../src/config/patch';
import { file, patch } from './arbitraries';
import { mergedFile } from '../simulator/configuration';
import { parse, publishedText, recording, type PatchResult } from './recordings';

/** All of the file is known. */
function known(content: JsonObject): DeviceFile {
  return { ...(readFile(JSON.stringify(content)) ?? assert.fail()), hidden: [], certain: [] };
}

describe('the merge', () => {
  it('has an oracle that writes what the firmware wrote', () => {
    const { config, result } = recording<Record<string, PatchResult>>('config_variants');
    const written = Object.values(result).flatMap(({ patch: text, file_after: after }) => {
      const read = tryReadPatch(text);
      return 'problem' in read || after === null ? [] : [[mergedFile(config, text), after]];
    });
    assert.equal(written.length, 23);
    for (const [expected, after] of written) assert.equal(expected, after);
  });

  it('has an oracle that loses what the firmware lost', () => {
    const { config, result } = recording<Record<string, { file: string }>>('config_limits');
    const lost = { settings: { greeting: 'A'.repeat(247) } };
    assert.equal(mergedFile(config, JSON.stringify(lost)), result['merge_new_greeting_one_more']?.file);
    assert.equal(mergedFile(config, JSON.stringify({ x: 'A'.repeat(254) })), result['merge_new_root_one_more']?.file);
    const full = recording<Record<string, { file: string }>>('config_file_members_31');
    const damaged = mergedFile(full.config, '{"settings":{"greeting":"hi"}}');
    assert.ok(damaged?.endsWith(full.result['patch_new_setting']?.file ?? '-'));
  });

  it('is what the firmware makes of it whenever the memory suffices, and never otherwise', () => {
    fc.assert(
      fc.property(file, patch, (content, change) => {
        const expected = mergePatch(content, change);
        const got = mergedFile(JSON.stringify(content), JSON.stringify(change));
        const isWhole = got !== undefined && !got.includes('null:null') && isDeepStrictEqual(parse(got), expected);
        assert.equal(isWithinBudget(known(content), change), isWhole);
      }),
      { numRuns: 1000 },
    );
  });

  it('changes neither of its arguments', () => {
    fc.assert(
      fc.property(file, patch, (content, change) => {
        const before = JSON.stringify([content, change]);
        mergePatch(content, change);
        assert.equal(JSON.stringify([content, change]), before);
      }),
    );
  });

  it('keeps a null within a new object, and removes by one within an old object', () => {
    assert.deepEqual(mergePatch({ old: { a: 1 } }, { old: { a: null }, fresh: { a: null } }), {
      old: {},
      fresh: { a: null },
    });
  });

  it('takes __proto__ for a key like any other', () => {
    const hostile = parse(
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"settings":{"__proto__":2}}',
    );
    const merged = mergePatch(mergePatch({ settings: {} }, hostile), hostile);
    assert.equal(
      JSON.stringify(merged),
      '{"settings":{"__proto__":2},"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
    );
    assert.equal(Reflect.get({}, 'polluted'), undefined);
    assert.equal(Reflect.get(merged, 'polluted'), undefined);
  });

  it('needs no more memory than foreseen for a file with hidden secrets, whether they are set or not', () => {
    fc.assert(
      fc.property(file, patch, (content, change) => {
        const device = readFile(publishedText(JSON.stringify(content))) ?? assert.fail();
        if (isWithinBudget(device, change)) assert.ok(isWithinBudget(known(content), change));
      }),
      { numRuns: 1000 },
    );
  });
});
