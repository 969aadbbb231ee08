/**
 * Writes the error catalogue of src/texts into docs/errors.md, between its markers, and the labels of the dialogs into the
 * tables of settings. With --check, writes nothing, and fails if a page is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import { HomieError } from '../src/errors';
import texts from '../src/texts/en-US.json';
import { isErrorCode, type ErrorCode } from '../src/texts/text';
import { settingPages, withLabels } from './setting-labels';

const root = path.resolve(__dirname, '..');
const begin = '<!-- errors: made by `npm run docs` -->';
const end = '<!-- end of errors -->';

/** The first code of each section, in the order of the file of texts. */
const sections: ReadonlyMap<string, string> = new Map([
  ['UNKNOWN_ACTION', 'What the flow asks for'],
  ['PAYLOAD_TYPE', 'What comes in as firmware'],
  ['SOURCE_SETTINGS', 'Firmware sources'],
  ['PATCH_TYPE', 'What comes in as configuration'],
  ['INVALID_BASE_TOPIC', "The device's topics"],
  ['BROKER_SETTINGS', 'The broker'],
  ['DEVICE_OFFLINE', 'The exchange with a device'],
  ['BAD_CHECKSUM', 'What the device answers'],
] satisfies [ErrorCode, string][]);

/** The codes of each section, with their errors. */
type Sections = ReadonlyMap<string, readonly HomieError[]>;

function readSections(): Sections {
  const result = new Map<string, HomieError[]>();
  let current: HomieError[] = [];
  for (const code of Object.keys(texts.errors).filter(isErrorCode)) {
    const title = sections.get(code);
    if (title !== undefined) result.set(title, (current = []));
    current.push(new HomieError(code));
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
function inFull(found: Sections): string {
  const row = ({ code, message, hint, retryable }: HomieError): string[] => [
    `\`${code}\``,
    escaped(`${message} ${hint}`),
    retryable ? 'yes' : '',
  ];
  const head = ['code', 'what it means, and what to do', 'may work later'];
  return [...found].map(([title, errors]) => `## ${title}\n\n${table(head, errors.map(row))}`).join('\n\n');
}

/** Returns a table of the codes alone, with links to the sections. */
function inShort(found: Sections): string {
  const rows = [...found].map(([title, errors]) => {
    const anchor = title
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-');
    return [`[${title}](#${anchor})`, errors.map(({ code }) => `\`${code}\``).join(' ')];
  });
  return table(['about', 'codes'], rows);
}

function replaced(text: string, errors: string): string {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error('there are no markers for the errors');
  return `${text.slice(0, from)}${begin}\n<!-- prettier-ignore-start -->\n\n${errors}\n\n<!-- prettier-ignore-end -->\n${text.slice(to)}`;
}

/** Writes a page, or with --check says that it is out of date. */
async function update(page: string, made: (before: string) => string): Promise<void> {
  const file = path.join(root, page);
  const before = readFileSync(file, 'utf8');
  const after = await format(made(before), { ...(await resolveConfig(file)), filepath: file });
  if (after === before) return;
  if (!process.argv.includes('--check')) return writeFileSync(file, after);
  console.error(`${page} is out of date: run \`npm run docs\`.`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const found = readSections();
  await update('docs/errors.md', (before) => replaced(before, `${inShort(found)}\n\n${inFull(found)}`));
  for (const [page, type] of Object.entries(settingPages)) {
    await update(page, (before) => withLabels(before, root, type));
  }
}

void main();
