import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import ts from 'typescript';
import { root } from '../support/node-red';

/** So long are the texts that are tried: what is linear takes a fraction of a ms for one, what is quadratic hundreds. */
const LENGTH = 20_000;

/** In ms. */
const FAR_TOO_LONG = 50;

/** What is tried where no text that fits an expression can be made up. */
const ALPHABET = ['a', 'A', '7', ' ', '\n', '.', '/', '-', '=', '$', '{', '}', '[', '\0', 'é', '\u{202E}'];

interface Found {
  readonly place: string;
  readonly expression: RegExp;
}

/** The script of a file: the file itself, or the scripts in a page. */
function scriptOf(file: string): string {
  const text = readFileSync(path.join(root, file), 'utf8');
  if (!file.endsWith('.html')) return text;
  return [...text.matchAll(/<script type="text\/javascript">([^]*?)<\/script>/g)]
    .map(([, script]) => script)
    .join('\n');
}

function find(node: ts.Node, take: (literal: ts.RegularExpressionLiteral) => void): void {
  if (ts.isRegularExpressionLiteral(node)) take(node);
  ts.forEachChild(node, (child) => find(child, take));
}

function expressionsOf(file: string): Found[] {
  const found: Found[] = [];
  const source = ts.createSourceFile(file, scriptOf(file), ts.ScriptTarget.Latest);
  find(source, ({ text }) => {
    const end = text.lastIndexOf('/');
    found.push({ place: `${file} ${text}`, expression: new RegExp(text.slice(1, end), text.slice(end + 1)) });
  });
  return found;
}

/** Whether something that repeats without end holds more than one character or class: only then is it exponential. */
function repeatsGroups({ source }: RegExp): boolean {
  const bare = source.replaceAll(/\\./g, 'x').replaceAll(/\[[^\]]*\]/g, 'x');
  return /\)(?:[*+]|\{\d+,\})/.test(bare) || /\\[1-9k]/.test(source);
}

/** Texts that fit an expression. */
function fitting({ source, flags }: RegExp): string[] {
  // Classes of Unicode and what is not to follow are not known there.
  if (/\\p\{|\(\?[!=<]/i.test(source)) return [];
  const known = new RegExp(source, flags.replaceAll(/[gi]/g, ''));
  return fc.sample(fc.stringMatching(known, { size: 'xsmall' }), { numRuns: 4, seed: 1 });
}

/** Long texts that fit an expression for long, and then do not. */
function* hostile(expression: RegExp): Generator<string> {
  for (const unit of ALPHABET) yield `${unit.repeat(LENGTH)}\u0001`;
  for (const text of fitting(expression)) {
    for (let begin = 0; begin < Math.min(text.length, 40); begin += 1) {
      for (const length of [1, 2, 3]) {
        const unit = text.slice(begin, begin + length);
        yield `${text.slice(0, begin)}${unit.repeat(LENGTH / unit.length)}\u0001`;
      }
    }
  }
}

/** ms that an expression takes for a text: the least of some tries, since a machine may be busy. */
function timeOf(expression: RegExp, text: string): number {
  let least = Infinity;
  for (let tries = 0; tries < 10 && least > FAR_TOO_LONG; tries += 1) {
    const begin = performance.now();
    text.replace(expression, '');
    least = Math.min(least, performance.now() - begin);
  }
  return least;
}

/** Why an expression is not known to be linear. */
function complaint(expression: RegExp): string | undefined {
  if (repeatsGroups(expression)) return 'it repeats a group without end';
  for (const text of hostile(expression)) {
    const ms = timeOf(expression, text);
    if (ms > FAR_TOO_LONG) return `${Math.round(ms)} ms for ${JSON.stringify(text.slice(0, 30))}…`;
  }
  return undefined;
}

describe('A regular expression of the package takes a time in proportion to the text', () => {
  const files = ['src', 'nodes', 'resources'].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|js|html)$/.test(file))
      .map((file) => path.join(folder, file)),
  );
  const found = files.flatMap(expressionsOf);

  it('whatever the text is', () => {
    assert.ok(found.length > 40, `${found.length} expressions`);
    for (const { place, expression } of found) assert.equal(complaint(expression), undefined, place);
  });

  it('and one that does not is found', () => {
    for (const bad of [/(a+)+$/, /^(?:a|a)*$/, /(?:\d+,?){2,}x/, /\$\{[^}]+\}/, /\s+$/, /(.*),\1/]) {
      assert.notEqual(complaint(bad), undefined, String(bad));
    }
  });

  it('and none is made of a text that is not known here', () => {
    for (const file of files.filter((each) => !each.endsWith('.html')))
      assert.doesNotMatch(scriptOf(file), /\bRegExp\(/, file);
  });
});
