import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { editorFile, localeFile } from '../../scripts/node-files';
import { deviceStates } from '../../src/homie/device';
import { root } from '../support/node-red';

/** Returns the texts of a locale file by their keys. */
function texts(language: string): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (value: unknown, key: string): void => {
    if (typeof value === 'string') found.set(key, value);
    else for (const [name, inner] of Object.entries(Object(value))) walk(inner, key === '' ? name : `${key}.${name}`);
  };
  const file: unknown = JSON.parse(
    readFileSync(path.join(root, localeFile('homie-sidebar', language, 'json')), 'utf8'),
  );
  walk(Reflect.get(Object(file), 'homie-sidebar'), '');
  return found;
}

describe('the texts of the sidebar', () => {
  const [english, german] = [texts('en-US'), texts('de')];
  const folder = path.join(root, 'nodes/sidebar/ui');
  const scripts = readdirSync(folder).filter((file) => /\.tsx?$/.test(file));
  const source = [
    readFileSync(path.join(root, editorFile('homie-sidebar')), 'utf8'),
    ...scripts.map((file) => readFileSync(path.join(folder, file), 'utf8')),
  ].join('\n');

  it('are the same in both languages, with the same values in them', () => {
    assert.deepEqual([...german.keys()], [...english.keys()]);
    for (const [key, text] of english) {
      const values = (each = ''): string[] => (each.match(/__\w+?__/g) ?? []).sort();
      assert.deepEqual(values(german.get(key)), values(text), key);
      assert.ok(text.trim() !== '' && german.get(key)?.trim() !== '', key);
    }
  });

  it('are there for all that the scripts ask for, and for nothing else', () => {
    const asked = [...source.matchAll(/\b(?:t|known)\(\s*'([\w.]+)'/g)].map(([, key = '']) => key);
    const counted = [...source.matchAll(/\bcount\(\s*'([\w.]+)'/g)].flatMap(([, key = '']) => [
      `${key}.one`,
      `${key}.other`,
    ]);
    const groups = [...source.matchAll(/\b(?:t|known|count)\(\s*`([\w.]+)\.\$\{/g)].map(([, group = '']) => group);
    const exact = new Set([...asked, ...counted]);
    assert.ok(exact.size > 40 && groups.length > 7);
    for (const key of exact) assert.ok(english.has(key), `${key} is missing`);
    for (const group of groups)
      assert.ok(
        [...english.keys()].some((key) => key.startsWith(`${group}.`)),
        group,
      );
    // A key in a condition is found as a quoted text.
    const isUsed = (key: string): boolean =>
      exact.has(key) || groups.some((group) => key.startsWith(`${group}.`)) || source.includes(`'${key}'`);
    assert.deepEqual(
      [...english.keys()].filter((key) => !isUsed(key)),
      [],
    );
  });

  it('know every state, phase, reason and verdict', () => {
    const waits = ['offline', 'never_seen', 'busy', 'window', 'canary', 'paused', 'stopped'];
    const known: Record<string, readonly string[]> = {
      state: deviceStates,
      connection: ['none', 'loading', 'undeployed', 'connecting', 'disconnected', 'forbidden', 'failed'],
      update: ['available', 'queued', 'waiting', 'succeeded', 'skipped', 'failed', 'timed_out', 'rejected', 'canceled'],
      phase: ['sending', 'accepted', 'flashing', 'received', 'rebooting', 'verifying'],
      reason: [
        'up_to_date',
        'older',
        'ota_disabled',
        'no_change',
        'held',
        'excluded',
        'withdrawn',
        'superseded',
        ...waits,
      ],
      verdict: [
        'update',
        'up_to_date',
        'older',
        'ota_disabled',
        'offline',
        'incompatible',
        'held',
        'stopped',
        'excluded',
        'busy',
        'unknown',
      ],
    };
    for (const [group, names] of Object.entries(known)) {
      for (const name of names) assert.ok(english.has(`${group}.${name}`), `${group}.${name}`);
    }
  });

  it('are never put in as HTML', () => {
    assert.doesNotMatch(
      source,
      /innerHTML|outerHTML|insertAdjacentHTML|\.html\(|document\.write|\beval\b|dangerouslySet/,
    );
  });
});
