/** Makes the dialogs of the nodes: their rows and defaults from the table of settings, and the script that they share. */
import type { BuildOptions } from 'esbuild';
import { catalogueOf, nodes, type Section } from '../src/settings/table';
import type { Setting } from '../src/settings/setting';

/** What esbuild makes the script of the dialogs from. */
export const dialogScript: BuildOptions = {
  entryPoints: ['nodes/shared/dialogs.js'],
  bundle: true,
  format: 'iife',
  banner: { js: '// Made by the build from nodes/shared/dialogs.js.' },
};

/** Puts into the html of a node what dialogs have in common, and its settings: their rows and their defaults. */
export function withSettings(type: string, html: string): string {
  const sections = Object.entries(nodes[type]?.sections ?? {});
  return html
    .replace('<!-- name and broker -->', () => nameAndBroker(type))
    .replace('<!-- devices -->', () => devices(type))
    .replace('<!-- settings -->', () => sections.map(([name, section]) => sectionHtml(type, name, section)).join('\n'))
    .replace('// settings', () =>
      sections
        .flatMap(([, section]) => Object.entries(section).map(([name, each]) => defaultOf(name, each)))
        .join('\n'),
    );
}

/** Puts the settings of a rollout into the help of a node, as the help of homie-ota has them. */
export function withRollout(help: string, ofOta: string): string {
  const [, part = ''] = /<!-- start of rollout -->([^]*)<!-- end of rollout -->/.exec(ofOta) ?? [];
  return help.replace('<!-- rollout -->', () => part);
}

function nameAndBroker(type: string): string {
  return `<div class="form-row">
<label for="node-input-name"><i class="fa fa-tag"></i> <span data-i18n="${type}.label.name"></span></label>
<input type="text" id="node-input-name" data-i18n="[placeholder]${type}.label.name" />
</div>
<div class="form-row">
<label for="node-input-broker"><i class="fa fa-globe"></i> <span data-i18n="${type}.label.broker"></span></label>
<input type="text" id="node-input-broker" style="width: calc(100% - 145px);" />
<div class="homie-hint" data-i18n="${type}.hint.broker"></div>
</div>`;
}

/** The device field of a node with jobs, whose hint depends on what is chosen in it. */
function devices(type: string): string {
  return `<div class="form-row">
<label for="node-input-device"><i class="fa fa-microchip"></i> <span data-i18n="${type}.label.device"></span></label>
<input type="text" id="node-input-device" style="width: calc(100% - 145px);" />
<input type="hidden" id="node-input-deviceType" />
<div class="homie-hint" id="${type}-device-hint"></div>
</div>`;
}

function sectionHtml(type: string, name: string, section: Section): string {
  const catalogue = catalogueOf(type, section);
  const key: Key = (rest, of = catalogue) =>
    `${of === type ? '' : `@homie-ota/node-red-homie-ota/${of}:`}${of}.${rest}`;
  const prefix = type === 'homie-broker' ? 'node-config-input' : 'node-input';
  return `<details id="${type}-${name}">
<summary data-i18n="${key(`section.${name}`)}"></summary>
${Object.entries(section)
  .map(([setting, each]) => rowHtml(`${prefix}-${setting}`, setting, each, key))
  .join('\n')}
</details>`;
}

/** The key of a text, with its catalogue where that is another one. */
type Key = (rest: string, catalogue?: string) => string;

function rowHtml(id: string, name: string, setting: Setting, key: Key): string {
  const { kind, unit, icon, placeholder = usualText(setting), choices = [] } = setting;
  const label = `<label for="${id}" data-i18n="${key(`label.${name}`)}"></label>`;
  const hint = `<div class="homie-hint" data-i18n="${key(`hint.${name}`)}"></div>`;
  if (kind === 'flag') {
    return `<div class="homie-check"><input type="checkbox" id="${id}" /><div>${label}${hint}</div></div>`;
  }
  if (unit !== undefined) {
    return `<div class="homie-number-row"><div>${label}${hint}</div>
<input type="text" inputmode="numeric" class="homie-number" id="${id}" />
<span class="homie-unit" data-i18n="${key(`unit.${unit}`, 'homie-broker')}"></span></div>`;
  }
  const options = choices.map((each) => `<option value="${each}" data-i18n="${key(`${name}.${each}`)}"></option>`);
  const field =
    kind === 'choice'
      ? `<select id="${id}">${options.join('')}</select>`
      : `<input type="text" id="${id}"${placeholder === '' ? '' : ` placeholder="${placeholder}"`} />`;
  return `<div class="form-row">
<label for="${id}"><i class="fa fa-${icon}"></i> <span data-i18n="${key(`label.${name}`)}"></span></label>
${field}
${hint}</div>`;
}

/** A line of the defaults. */
function defaultOf(name: string, setting: Setting): string {
  const { kind, usual } = setting;
  if (kind === 'flag') return `${name}: { value: ${String(usual)} },`;
  const validate = kind === 'choice' || kind === 'names' ? '' : `, validate: setting('${name}')`;
  return `${name}: { value: '${usualText(setting)}'${validate} },`;
}

/** What is usual, as a field has it: empty where it depends on other settings. */
function usualText({ usual, withWindow }: Setting): string {
  if (withWindow !== undefined) return '';
  return typeof usual === 'object' ? usual.join(', ') : String(usual ?? '');
}
