/**
 * Generates parts of the dialogs: rows and defaults from the table of settings, and the script that all dialogs share.
 */
import type { BuildOptions } from 'esbuild';
import { catalogueOf, nodes, type Section } from '../src/settings/table';
import { SETTINGS_VERSION } from '../src/settings/migrations';
import type { Setting } from '../src/settings/setting';

/** Options of esbuild for the script of the dialogs. */
export const dialogScript: BuildOptions = {
  entryPoints: ['nodes/shared/dialogs.js'],
  bundle: true,
  format: 'iife',
  banner: { js: '// Made by the build from nodes/shared/dialogs.js.' },
};

/**
 * Inserts the common rows of dialogs, the rows and defaults of the settings, and the version of the settings, into the
 * HTML of a node.
 */
export function withSettings(type: string, html: string): string {
  const sections = Object.entries(nodes[type]?.sections ?? {});
  return html
    .replace(/<div class="homie-form [^>]*>/, (form) => `${form}\n${version(type)}`)
    .replace('<!-- name and broker -->', () => nameAndBroker(type))
    .replace('<!-- devices -->', () => devices(type))
    .replace('<!-- settings -->', () => sections.map(([name, section]) => sectionHtml(type, name, section)).join('\n'))
    .replace('// version', () => versionDefaults(type))
    .replace('// settings', () =>
      sections
        .flatMap(([, section]) => Object.entries(section).map(([name, each]) => defaultOf(name, each)))
        .join('\n'),
    );
}

/** Inserts the parts that the help of homie-ota marks by a name into the help of a node, where that has their names. */
export function withShared(help: string, ofOta: string): string {
  const parts = ofOta.matchAll(/<!-- start of (\w+) -->([^]*?)<!-- end of \1 -->/g);
  return [...parts].reduce((text, [, name = '', part = '']) => text.replace(`<!-- ${name} -->`, () => part), help);
}

/** Returns the field that writes the version of the settings when a node is edited. */
function version(type: string): string {
  return `<input type="hidden" id="${type === 'homie-broker' ? 'node-config-input' : 'node-input'}-settingsVersion" />`;
}

function versionDefaults(type: string): string {
  return `settingsVersion: { value: ${SETTINGS_VERSION}, validate: homieDialogs.validators('${type}').version },`;
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

/** Returns the device field of a node with jobs. Its hint depends on the selection. */
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

/** Returns the key of a text, with its catalogue if that is not the node's own. */
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

/** Returns a line of the defaults. */
function defaultOf(name: string, setting: Setting): string {
  const { kind, usual } = setting;
  if (kind === 'flag') return `${name}: { value: ${String(usual)} },`;
  const validate = kind === 'choice' || kind === 'names' ? '' : `, validate: setting('${name}')`;
  return `${name}: { value: '${usualText(setting)}'${validate} },`;
}

/** Returns the default as text of a field: empty if it depends on other settings. */
function usualText({ usual, withWindow }: Setting): string {
  if (withWindow !== undefined) return '';
  return typeof usual === 'object' ? usual.join(', ') : String(usual ?? '');
}
