import { readFileSync } from 'node:fs';
import path from 'node:path';
import { runInNewContext } from 'node:vm';
import { root } from './node-red';

/** A property of a node, as the editor is told of it. */
interface Property {
  readonly value: unknown;
  /** True, or a sentence that says what is wrong. */
  readonly validate?: (this: object, value: unknown, options: object) => unknown;
}

/** What the editor is given of a node. */
export interface EditorFiles {
  readonly html: string;
  readonly help: string;
  /** The text of a key in the locale file. */
  readonly text: (key: string) => string | undefined;
  readonly defaults: Readonly<Record<string, Property>>;
  /** What its validator says of a value of a property: true, or a sentence. */
  readonly validate: (name: string, value: unknown) => unknown;
}

/** Reads what the editor is given of a node, and registers its type as the editor would, without a dialog open. */
export function editorFiles(type: string): EditorFiles {
  const read = (file: string): string => readFileSync(path.join(root, 'nodes', file), 'utf8');
  const html = read(`${type}.html`);
  const locale: unknown = JSON.parse(read(`locales/en-US/${type}.json`));
  const text = (key: string): string | undefined => {
    const found = key.split('.').reduce<unknown>((value, name) => Reflect.get(Object(value), name), locale);
    return typeof found === 'string' ? found : undefined;
  };
  const defaults = register(html, text);
  const usual = Object.fromEntries(Object.entries(defaults).map(([name, { value }]) => [name, value]));
  return {
    html,
    help: read(`locales/en-US/${type}.html`),
    text,
    defaults,
    validate: (name, value) =>
      defaults[name]?.validate?.call({ ...usual, deviceType: 'str', [name]: value }, value, {}),
  };
}

function register(html: string, text: EditorFiles['text']): Record<string, Property> {
  const [, script = ''] = /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(html) ?? [];
  let defaults: Record<string, Property> = {};
  const RED = {
    _: (key: string) => text(key.slice(key.indexOf(':') + 1)),
    utils: { validatePropertyExpression: (expression: string) => /^[\w.]+$/.test(expression) },
    nodes: {
      registerType: (_type: string, definition: { readonly defaults: Record<string, Property> }) => {
        ({ defaults } = definition);
      },
    },
  };
  runInNewContext(script, { RED, $: () => ({ closest: () => [] }) });
  return defaults;
}
