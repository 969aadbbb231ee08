import { readFileSync } from 'node:fs';
import path from 'node:path';
import { runInNewContext } from 'node:vm';
import { buildSync } from 'esbuild';
import { dialogScript, withShared, withSettings } from '../../scripts/dialogs';
import { editorFile, localeFile } from '../../scripts/node-files';
import { root } from './node-red';

const script = buildSync({ ...dialogScript, absWorkingDir: root, write: false }).outputFiles?.[0]?.text;

/** A property of a node as it is registered in the editor. */
interface Property {
  readonly value: unknown;
  /** Returns true, or a sentence that says what is wrong. */
  readonly validate?: (this: object, value: unknown, options: object) => unknown;
}

/** What the editor loads for a node. */
interface EditorFiles {
  readonly html: string;
  readonly help: string;
  /** Returns the text of a key from the node's locale file, or from that of homie-broker, which all nodes share. */
  readonly text: (key: string) => string | undefined;
  readonly defaults: Readonly<Record<string, Property>>;
  /** Validates a value of a property. Returns true, or a sentence that says what is wrong. */
  readonly validate: (name: string, value: unknown) => unknown;
}

/**
 * Reads what the editor loads for a node, and registers the node type as the editor does, without an open dialog.
 *
 * @param language of the texts
 */
export function editorFiles(type: string, language = 'en-US'): EditorFiles {
  const html = dialogHtml(type);
  const locales = new Map<string, unknown>();
  const textOf = (of: string, key: string): string | undefined => {
    if (!locales.has(of)) locales.set(of, JSON.parse(read(localeFile(of, language, 'json'))));
    const found = key.split('.').reduce<unknown>((value, name) => Reflect.get(Object(value), name), locales.get(of));
    return typeof found === 'string' ? found : undefined;
  };
  const help = (of: string): string => read(localeFile(of, language, 'html'));
  const defaults = register(html, textOf);
  const usual = Object.fromEntries(Object.entries(defaults).map(([name, { value }]) => [name, value]));
  return {
    html,
    help: withShared(help(type), help('homie-ota')),
    text: (key) => {
      const [, of = '', rest = ''] = /(?:^|:)(homie-\w+)\.(.+)$/.exec(key) ?? [];
      return textOf(of, `${of}.${rest}`) ?? textOf('homie-broker', `homie-broker.${rest}`);
    },
    defaults,
    validate: (name, value) =>
      defaults[name]?.validate?.call({ ...usual, deviceType: 'str', [name]: value }, value, {}),
  };
}

/** Returns the HTML of a node as the build creates it. */
export function dialogHtml(type: string): string {
  return withSettings(type, read(editorFile(type)));
}

function read(file: string): string {
  return readFileSync(path.join(root, file), 'utf8');
}

function register(html: string, textOf: (type: string, key: string) => string | undefined): Record<string, Property> {
  const loaded = [...html.matchAll(/<script src="(resources\/)@homie-ota\/node-red-homie-ota\/([^"]+)"/g)].map(
    ([, folder = '', file = '']) => (file === 'dialogs.js' ? script : read(folder + file)),
  );
  const [, inline = ''] = /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(html) ?? [];
  let defaults: Record<string, Property> = {};
  const RED = {
    _: (key: string, values: Readonly<Record<string, unknown>> = {}) => {
      const [, type = '', name = ''] = /([\w-]+):(.+)$/.exec(key) ?? [];
      return textOf(type, name)?.replace(/__(\w+)__/g, (_all, value: string) => String(values[value])) ?? key;
    },
    utils: { validatePropertyExpression: (expression: string) => /^[\w.]+$/.test(expression) },
    nodes: {
      registerType: (_type: string, definition: { readonly defaults: Record<string, Property> }) => {
        ({ defaults } = definition);
      },
    },
  };
  const context: Record<string, unknown> = { RED, TextEncoder, URL, $: () => ({ closest: () => [] }) };
  context['window'] = context;
  runInNewContext([...loaded, inline].join('\n'), context);
  return defaults;
}
