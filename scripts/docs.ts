/**
 * Writes the error catalogue of src/errors.ts into the README, between its markers.
 * With --check it writes nothing, and fails when the README is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { catalogue, type CatalogueEntry } from '../src/errors';

const root = path.resolve(__dirname, '..');
const readme = path.join(root, 'README.md');
const begin = '<!-- errors: made by `npm run docs` -->';
const end = '<!-- end of errors -->';

/** The codes below the comment that heads them in the source, in its order. */
function sections(source: string): Map<string, string[]> {
  const result = new Map<string, string[]>();
  for (const [, title, code] of source.matchAll(/^ {2}(?:\/\/ (.+)|([A-Z][A-Z0-9_]+): entry\()/gm)) {
    if (title !== undefined) result.set(title, []);
    else if (code !== undefined) [...result.values()].at(-1)?.push(code);
  }
  return result;
}

function table(codes: readonly string[], entries: ReadonlyMap<string, CatalogueEntry>): string {
  const rows = codes.map((code) => {
    const entry = entries.get(code);
    if (entry === undefined) throw new Error(`${code} is not in the catalogue`);
    const cells = [`\`${code}\``, `${entry.meaning} ${entry.hint}`, entry.retryable ? 'yes' : ''];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('<', '&lt;')).join(' | ')} |`;
  });
  return ['| code | what it means, and what to do | may work later |', '| --- | --- | --- |', ...rows].join('\n');
}

function documentation(): string {
  const entries = new Map<string, CatalogueEntry>(Object.entries(catalogue));
  const found = sections(readFileSync(path.join(root, 'src/errors.ts'), 'utf8'));
  const known = new Set([...found.values()].flat());
  const missing = [...entries.keys()].filter((code) => !known.has(code));
  if (missing.length > 0) throw new Error(`not found in src/errors.ts: ${missing.join(', ')}`);
  return [...found].map(([title, codes]) => `#### ${title}\n\n${table(codes, entries)}`).join('\n\n');
}

function replaced(text: string): string {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error('the README has no markers for the errors');
  return `${text.slice(0, from)}${begin}\n<!-- prettier-ignore-start -->\n\n${documentation()}\n\n<!-- prettier-ignore-end -->\n${text.slice(to)}`;
}

const before = readFileSync(readme, 'utf8');
const after = replaced(before);
if (process.argv.includes('--check')) {
  if (after !== before) {
    console.error('README.md is out of date: run `npm run docs`.');
    process.exitCode = 1;
  }
} else {
  writeFileSync(readme, after);
}
