/**
 * Writes the error catalogue of src/errors.ts into docs/errors.md, between its markers.
 * With --check it writes nothing, and fails if the page is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { catalogue, type CatalogueEntry } from '../src/errors';

const root = path.resolve(__dirname, '..');
const begin = '<!-- errors: made by `npm run docs` -->';
const end = '<!-- end of errors -->';

/** The codes of each section, by the comment above them in the source. */
type Sections = ReadonlyMap<string, readonly string[]>;

function sections(source: string): Sections {
  const result = new Map<string, string[]>();
  for (const [, title, code] of source.matchAll(/^ {2}(?:\/\/ (.+)|([A-Z][A-Z0-9_]+): entry\()/gm)) {
    if (title !== undefined) result.set(title, []);
    else if (code !== undefined) [...result.values()].at(-1)?.push(code);
  }
  return result;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

/** Returns a table for each section, with the meaning and the hint of each code. */
function inFull(found: Sections, entries: ReadonlyMap<string, CatalogueEntry>): string {
  const row = (code: string): string[] => {
    const entry = entries.get(code);
    if (entry === undefined) throw new Error(`${code} is not in the catalogue`);
    return [`\`${code}\``, escaped(`${entry.meaning} ${entry.hint}`), entry.retryable ? 'yes' : ''];
  };
  const head = ['code', 'what it means, and what to do', 'may work later'];
  return [...found].map(([title, codes]) => `## ${title}\n\n${table(head, codes.map(row))}`).join('\n\n');
}

/** Returns a table of the codes alone, with links to the sections. */
function inShort(found: Sections): string {
  const rows = [...found].map(([title, codes]) => {
    const anchor = title
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-');
    return [`[${title}](#${anchor})`, codes.map((code) => `\`${code}\``).join(' ')];
  });
  return table(['about', 'codes'], rows);
}

function replaced(text: string, errors: string): string {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error('there are no markers for the errors');
  return `${text.slice(0, from)}${begin}\n<!-- prettier-ignore-start -->\n\n${errors}\n\n<!-- prettier-ignore-end -->\n${text.slice(to)}`;
}

const entries = new Map<string, CatalogueEntry>(Object.entries(catalogue));
const found = sections(readFileSync(path.join(root, 'src/errors.ts'), 'utf8'));
const known = new Set([...found.values()].flat());
const missing = [...entries.keys()].filter((code) => !known.has(code));
if (missing.length > 0) throw new Error(`not found in src/errors.ts: ${missing.join(', ')}`);

const file = path.join(root, 'docs/errors.md');
const before = readFileSync(file, 'utf8');
const after = replaced(before, `${inShort(found)}\n\n${inFull(found, entries)}`);
if (after !== before && process.argv.includes('--check')) {
  console.error('docs/errors.md is out of date: run `npm run docs`.');
  process.exitCode = 1;
} else if (after !== before) {
  writeFileSync(file, after);
}
