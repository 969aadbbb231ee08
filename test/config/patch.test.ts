import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { HomieError } from '../../src/errors';
import { readPatch, tryReadPatch, writePatch } from '../../src/config/patch';
import { json, patch } from './arbitraries';
import { parse } from './recordings';
import { anyText } from '../support/any-text';

function codeOf(input: unknown): string {
  try {
    readPatch(input);
    return 'read';
  } catch (error) {
    assert.ok(error instanceof HomieError);
    return error.code;
  }
}

describe('reading a patch', () => {
  it('takes an object and its JSON text alike', () => {
    const value = { name: 'Küche', settings: { a: [1, null, { b: true }] } };
    assert.deepEqual(readPatch(value), value);
    assert.deepEqual(readPatch(JSON.stringify(value)), value);
  });

  it('takes an object of a function node, which comes from another realm', () => {
    assert.deepEqual(readPatch(runInNewContext('({ settings: { list: [1] } })')), { settings: { list: [1] } });
  });

  it('gives a copy that does not follow the original', () => {
    const settings = { a: 1 };
    const read = readPatch({ settings });
    settings.a = 2;
    assert.deepEqual(read, { settings: { a: 1 } });
  });

  for (const input of [
    '[]',
    'null',
    '5',
    '"x"',
    [],
    null,
    5,
    undefined,
    true,
    new Map(),
    new Date(),
    Buffer.from('{}'),
  ]) {
    it(`refuses ${JSON.stringify(input) ?? 'undefined'} as no object`, () => assert.equal(codeOf(input), 'PATCH_TYPE'));
  }

  for (const text of ['', '{"name":', '{"a":1,}', '\ufeff{}', "{'a':1}", '{a:1}', '{"a":1} x', '/**/{}']) {
    it(`refuses the text ${JSON.stringify(text)} as no JSON`, () => assert.equal(codeOf(text), 'PATCH_JSON'));
  }

  it('does not quote broken text, which may hold a secret', () => {
    for (const text of [
      '{"wifi":{"password":hunter2}}',
      '{"wifi":{"password":"hunter2"},}',
      '{"password":"hunter2',
      'hunter2',
    ]) {
      assert.throws(
        () => readPatch(text),
        (error: HomieError) => !/hunt|wifi/.test(`${error.message}${error.hint}${String(error.cause)}`),
      );
    }
  });

  it('says where the text is broken, if the engine tells', () => {
    assert.throws(() => readPatch('{"a":1,}'), /position 7/);
  });

  for (const value of [Number.NaN, Infinity, undefined, 5n, Symbol('s'), () => 1, new Date(), [undefined]]) {
    it(`refuses ${String(value)} within a patch`, () => assert.equal(codeOf({ a: value }), 'PATCH_VALUE'));
  }

  for (const masked of [
    { wifi: { password: '•••' } },
    { settings: { token: 'Bearer •••' } },
    { settings: { list: ['a', { key: '••••' }] } },
    { name: '•••' },
  ]) {
    it(`refuses the mask of a secret in ${JSON.stringify(masked)}`, () => {
      assert.equal(codeOf(masked), 'PATCH_MASKED');
      assert.equal(codeOf(JSON.stringify(masked)), 'PATCH_MASKED');
      assert.equal(codeOf(JSON.stringify(masked).replaceAll('•', '\\u2022')), 'PATCH_MASKED');
    });
  }

  it('takes dots that are no mask', () => assert.equal(codeOf({ name: '•• Hall ••' }), 'read'));

  it('names the path of what it refuses', () => {
    const masked = tryReadPatch({ settings: { list: [{ key: '•••' }] } });
    assert.equal('problem' in masked && masked.problem.path, 'settings.list.0.key');
    const result = tryReadPatch({ settings: { list: [1, undefined] } });
    assert.ok('problem' in result);
    assert.equal(result.problem.path, 'settings.list.1');
  });

  for (const text of ['\u0000', '\u001b', 'a\u000bb', '\ud800', '\udc00\ud800']) {
    it(`refuses ${JSON.stringify(text)} in a text and in a key`, () => {
      assert.equal(codeOf({ a: text }), 'PATCH_CHARACTER');
      assert.equal(codeOf({ [text]: 1 }), 'PATCH_CHARACTER');
      assert.equal(codeOf(JSON.stringify({ a: text })), 'PATCH_CHARACTER');
    });
  }

  it('takes 10 levels and refuses 11', () => {
    assert.equal(codeOf(levels(10)), 'read');
    assert.equal(codeOf(levels(11)), 'PATCH_NESTING');
    assert.equal(codeOf(`{"a":${'['.repeat(10)}${']'.repeat(10)}}`), 'PATCH_NESTING');
  });

  it('refuses an object that holds itself', () => {
    const loop: Record<string, unknown> = {};
    loop['loop'] = loop;
    assert.equal(codeOf(loop), 'PATCH_NESTING');
  });

  it('refuses an object whose members throw', () => {
    const trap = {
      get name(): string {
        throw new TypeError('no');
      },
    };
    assert.equal(codeOf(trap), 'PATCH_VALUE');
  });

  it('throws nothing but a HomieError, whatever it gets', () => {
    const anything = fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withObjectString: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
    });
    fc.assert(fc.property(fc.oneof(anything, anyText(), fc.json()), (input) => codeOf(input) !== ''));
  });
});

describe('writing a patch', () => {
  it('writes text that reads back as the same', () => {
    fc.assert(
      fc.property(patch, (value) => assert.deepEqual(readPatch(writePatch(readPatch(value))), readPatch(value))),
    );
  });

  it('never writes a \\u escape for what was read', () => {
    fc.assert(
      fc.property(fc.dictionary(anyText(), fc.oneof(json, anyText())), (value) => {
        const read = tryReadPatch(value);
        // An escaped backslash before a u is no escape of that u.
        if ('patch' in read) assert.doesNotMatch(writePatch(read.patch).replaceAll('\\\\', ''), /\\u/);
      }),
      { numRuns: 500 },
    );
  });

  it('writes letters for the escapes of a text', () => {
    assert.equal(writePatch(readPatch('{"name":"K\\u00fcche \\n"}')), '{"name":"Küche \\n"}');
  });

  it('keeps __proto__ as a key', () => {
    assert.equal(writePatch(readPatch('{"__proto__":{"a":1}}')), '{"__proto__":{"a":1}}');
    assert.equal(Object.getPrototypeOf(readPatch(parse('{"__proto__":{"a":1}}'))), Object.prototype);
  });
});

function levels(count: number): string {
  return `${'{"a":'.repeat(count)}1${'}'.repeat(count)}`;
}
