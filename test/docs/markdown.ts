import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../support/node-red';

/** A block of code in a page. */
export interface Block {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  /** What stands behind the language. */
  readonly about: string;
  readonly text: string;
}

/** A link or picture in a page. */
interface Link {
  readonly text: string;
  readonly target: string;
  readonly isPicture: boolean;
}

/** All pages for people, by their paths in the project. */
export const pages: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...readdirSync(path.join(root, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];

export function read(page: string): string {
  return readFileSync(path.join(root, page), 'utf8');
}

/** The blocks of code of a page, each without the indentation of its fence. */
export function blocksOf(page: string): Block[] {
  const lines = read(page).split('\n');
  const blocks: Block[] = [];
  for (let i = 0; i < lines.length; i++) {
    const [, indent = '', language = '', about = ''] = /^( *)```(\S*) ?(.*)$/.exec(lines[i] ?? '') ?? [];
    if (!/^ *```/.test(lines[i] ?? '')) continue;
    const end = lines.indexOf(`${indent}\`\`\``, i + 1);
    if (end < 0) throw new Error(`${page}: the block of line ${i + 1} has no end`);
    const text = lines.slice(i + 1, end).map((line) => line.slice(indent.length));
    blocks.push({ page, line: i + 1, language, about, text: text.join('\n') });
    i = end;
  }
  return blocks;
}

export const blocks: readonly Block[] = pages.flatMap(blocksOf);

/** A page without its blocks of code. */
export function prose(page: string): string {
  return withoutBlocks(read(page));
}

function withoutBlocks(text: string): string {
  return text.replaceAll(/^( *)```[\s\S]*?^\1```$/gm, '');
}

/** The links of a page, none of which stands in code. */
export function linksOf(page: string): Link[] {
  return linksIn(read(page));
}

/** The links of a text, none of which stands in code. */
export function linksIn(markdown: string): Link[] {
  const text = withoutBlocks(markdown).replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]]/g, ' '));
  return [...text.matchAll(/(!?)\[([^\]]*)\]\(([^)\s]+)\)/g)].map(([, mark, label = '', target = '']) => ({
    text: label,
    target,
    isPicture: mark === '!',
  }));
}

/** The anchors of the headings of a page, as GitHub and GitLab make them. */
export function anchorsOf(page: string): string[] {
  return [...prose(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** What stands between backticks in a text. */
export function codesIn(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}

/** The rows of all tables of a page, without their heads: the text of each cell. */
export function rowsOf(page: string): string[][] {
  const tables = prose(page).matchAll(/^\|.*\n\| *-.*\n((?:\|.*(?:\n|$))+)/gm);
  return [...tables].flatMap(([, body = '']) =>
    body
      .trimEnd()
      .split('\n')
      .map((line) =>
        line
          .slice(1, -1)
          .split(/(?<!\\)\|/)
          .map((cell) => cell.trim()),
      ),
  );
}
