import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { HomieError, saysOf } from '../../src/errors';
import german from '../../src/texts/de.json';
import english from '../../src/texts/en-US.json';
import { render } from '../../src/texts/render';
import { inEnglish, phrase } from '../../src/texts/text';
import { blank, differences, flatten } from '../support/texts';

const root = path.resolve(__dirname, '../..');
const catalogs = { 'en-US': new Map(flatten(english)), de: new Map(flatten(german)) };

/** All source files as one text. */
function source(): string {
  return ['src', 'nodes']
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { encoding: 'utf8', recursive: true, withFileTypes: true }),
    )
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => readFileSync(path.join(entry.parentPath, entry.name), 'utf8'))
    .join('\n');
}

describe('the texts of errors', () => {
  it('have the same keys and placeholders in both languages', () => {
    assert.deepEqual(differences(catalogs['en-US'], catalogs.de), []);
  });

  for (const [language, catalog] of Object.entries(catalogs)) {
    it(`are all written, as plain text with our placeholders only (${language})`, () => {
      assert.ok(catalog.size > 300);
      assert.deepEqual(blank(catalog), []);
      for (const [key, text] of catalog) assert.doesNotMatch(text, /\{\{|\$t\(|\$\{|\s\s|^\s|\s$/, key);
    });

    it(`have a status of at most 19 characters for each code (${language})`, () => {
      const statuses = [...catalog].filter(([key]) => key.endsWith('.status'));
      assert.equal(statuses.length, Object.keys(english.errors).length);
      for (const [key, text] of statuses) assert.ok(text.length < 20, `${key}: ${text}`);
    });
  }

  it('have a sentence and a hint for each code', () => {
    for (const [code, { text, hint }] of Object.entries(english.errors)) assert.ok(text !== '' && hint !== '', code);
  });

  it('are all used, each variant and each phrase', () => {
    const code = source();
    // Also where code completes the code or the variant.
    const isUsed = (name: string): boolean => {
      const [whole = '', variant = ''] = name.split('.');
      return [`'${name}'`, `\`${name}\``, `\`${whole}.\${`, `'${variant}'`].some((use) => code.includes(use));
    };
    const variants = [...catalogs['en-US'].keys()].flatMap((key) => /^errors\.(\w+\.\w+)\.\w+$/.exec(key)?.[1] ?? []);
    const phrases = Object.entries(english.phrases).flatMap(([name, text]) => (typeof text === 'string' ? [name] : []));
    assert.deepEqual([...new Set([...variants, ...phrases])].filter((name) => !isUsed(name)).sort(), []);
    for (const shared of Object.keys(english.variants)) assert.ok(code.includes(`}.${shared}\``), shared);
  });
});

describe('an error for another language', () => {
  const inGerman = (error: HomieError): string[] =>
    saysOf(error).map((said) =>
      render(said, (key, values) =>
        (catalogs.de.get(key) ?? key).replaceAll(/__(\w+?)__/g, (_, name: string) => values[name] ?? ''),
      ),
    );

  it('has its values put in, also texts in texts', () => {
    const topics = phrase('andMore', { shown: ['a/b', 'c/d'], count: 2 });
    const error = new HomieError('SUBSCRIBE_REFUSED.quota', { topics });
    assert.equal(
      error.message,
      'The broker does not allow this user to subscribe to a/b, c/d and 2 more: a quota is exceeded.',
    );
    assert.match(String(inGerman(error)[0]), /a\/b, c\/d und 2 weitere/);
  });

  it('has the hint of its code where its variant has none', () => {
    const error = new HomieError('SUBSCRIBE_REFUSED.topics', { topics: 'a/b' });
    assert.equal(error.hint, english.errors.SUBSCRIBE_REFUSED.hint);
    assert.equal(inGerman(error)[1], german.errors.SUBSCRIBE_REFUSED.hint);
  });

  it('stays in English where its sentence came from elsewhere', () => {
    const error = new HomieError('NOT_CONNECTED', {}, { message: 'Composed.' });
    assert.deepEqual([error.text, inEnglish(error.text)], ['Composed.', 'Composed.']);
    assert.equal(inGerman(error)[0], 'Composed.');
  });

  it('puts a value in as it is, even if it looks like a placeholder or a replacement pattern', () => {
    const error = new HomieError('SUBSCRIBE_REFUSED.topics', { topics: '__topics__ $& $1' });
    assert.match(error.message, /subscribe to __topics__ \$& \$1\.$/);
  });

  it('holds nothing that turns the direction of writing or breaks the line, in any language', () => {
    const shown = ['a\u202Eb', phrase('andMore', { shown: 'c\nd', count: 1 })];
    const error = new HomieError('SUBSCRIBE_REFUSED.topics', { topics: shown });
    assert.doesNotMatch(JSON.stringify([error.values, saysOf(error)]), /\u202E|\\n/);
    assert.match(String(inGerman(error)[0]), /a\uFFFDb, c\uFFFDd und 1 weitere/);
  });
});
