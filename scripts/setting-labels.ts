/** The labels of the dialogs beside the names of the settings, in the tables of the docs. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { catalogueOf, nodes } from '../src/settings/table';

/** The pages with a table of settings, each with a node whose dialog has these settings. */
export const settingPages = {
  'docs/homie-ota.md': 'homie-ota',
  'docs/rollouts.md': 'homie-ota',
  'docs/homie-config.md': 'homie-config',
  'docs/homie-devices.md': 'homie-devices',
  'docs/homie-firmware.md': 'homie-firmware',
} as const;

/** How the head of a table of settings starts. */
const HEAD = '| setting of the node';

/** Returns the label of each setting of a node, as its dialog shows it in English. */
function labelsOf(root: string, type: string): ReadonlyMap<string, string> {
  const { own = {}, sections = {} } = nodes[type] ?? {};
  const inCatalogue = (catalogue: string): Record<string, string> =>
    JSON.parse(readFileSync(path.join(root, `nodes/${catalogue}/locales/en-US.json`), 'utf8'))[catalogue].label;
  const all = Object.values(sections).map((section) => [section, inCatalogue(catalogueOf(type, section))] as const);
  const names = [
    ...['device', ...Object.keys(own)].map((name) => [name, inCatalogue(type)[name]] as const),
    ...all.flatMap(([section, labels]) => Object.keys(section).map((name) => [name, labels[name]] as const)),
  ];
  return new Map(names.flatMap(([name, label]) => (label === undefined ? [] : [[name, label]])));
}

/**
 * Returns a page with the label of the dialog after each name of a setting in the first column of its tables of settings,
 * in place of the label that is there. A setting without a label, which only messages have, gets none.
 *
 * @param root the folder of the project
 * @param type the node whose dialog has the settings
 */
export function withLabels(page: string, root: string, type: string): string {
  const labels = labelsOf(root, type);
  let isInTable = false;
  const lines = page.split('\n').map((line) => {
    isInTable = line.startsWith(HEAD) || (isInTable && line.startsWith('|'));
    if (!isInTable || line.startsWith(HEAD)) return line;
    const [, first = '', ...rest] = line.split('|');
    const labeled = first.replaceAll(/`(\w+)`(?: \(_[^_]*_\))?/g, (_, name: string) => {
      const label = labels.get(name);
      return label === undefined ? `\`${name}\`` : `\`${name}\` (_${label}_)`;
    });
    return ['', labeled, ...rest].join('|');
  });
  return lines.join('\n');
}
