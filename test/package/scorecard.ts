/**
 * What the Flow Library of Node-RED looks at, check by check. A repository URL is left out: there is none before the
 * project is published (see "Release" in CONTRIBUTING.md).
 */
import semver from 'semver';

export interface Manifest {
  readonly name: string;
  readonly license?: string;
  readonly keywords?: readonly string[];
  readonly engines?: { readonly node?: string };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly 'node-red'?: { readonly version?: string; readonly nodes?: Readonly<Record<string, string>> };
}

/** The package as it is looked at. */
export interface Subject {
  readonly manifest: Manifest;
  /** Names of files at its root. */
  readonly files: readonly string[];
  /** What the editor is given of each node, by the name in the manifest. */
  readonly html: Readonly<Record<string, string>>;
  /** The types that the nodes of each example have, by its name. */
  readonly examples: Readonly<Record<string, readonly string[]>>;
  /** Types of the nodes that Node-RED itself brings. */
  readonly core: ReadonlySet<string>;
  /** Examples that are about nodes of others. */
  readonly aboutOthers: readonly string[];
  /** The latest versions: of Node-RED 5, and of the dependencies by name. */
  readonly latest: { readonly nodeRed: string; readonly dependencies: Readonly<Record<string, string>> };
}

/** One check: what is wrong, in sentences. */
export type Check = (subject: Subject) => string[];

const when = (wrong: boolean, sentence: string): string[] => (wrong ? [sentence] : []);

/** The types that a file for the editor registers, each with whether it is a config node. */
export function registered(html: string): { type: string; isConfig: boolean }[] {
  const scripts = [...html.matchAll(/<script type="text\/javascript">([\s\S]*?)<\/script>/g)].map(
    ([, code = '']) => code,
  );
  const calls = scripts.flatMap((code) => [
    ...code.matchAll(/RED\.nodes\.registerType\(\s*'([\w-]+)',\s*\{([\s\S]*)/g),
  ]);
  return calls.map(([, type = '', definition = '']) => ({
    type,
    isConfig: /^\s*category: 'config'/m.test(definition.slice(0, 200)),
  }));
}

export const checks: Readonly<Record<string, Check>> = {
  'it has a licence, in the manifest and as a file': ({ manifest, files }) => [
    ...when(!manifest.license, 'The manifest names no licence.'),
    ...when(!files.includes('LICENSE'), 'There is no file LICENSE.'),
  ],

  'its name has a scope': ({ manifest: { name } }) =>
    when(!/^@[a-z0-9-]+\/[a-z0-9-]+$/.test(name), `${name} has none.`),

  'it has the keyword node-red': ({ manifest }) =>
    when(!manifest.keywords?.includes('node-red'), 'The keyword is missing.'),

  'it admits the latest Node-RED 5': ({ manifest, latest }) => {
    const range = manifest['node-red']?.version ?? '';
    return when(
      range === '' || !semver.satisfies(latest.nodeRed, range),
      `"${range}" does not admit ${latest.nodeRed}.`,
    );
  },

  'it admits Node.js 22.9 and up': ({ manifest: { engines } }) => {
    const range = engines?.node ?? '';
    const versions = ['22.9.0', '22.99.0', '24.0.0', '26.0.0'];
    return versions.flatMap((version) =>
      when(range === '' || !semver.satisfies(version, range), `"${range}" does not admit ${version}.`),
    );
  },

  'each of its nodes is registered once, by a script with an inline object': ({ manifest, html }) => {
    const nodes = Object.keys(manifest['node-red']?.nodes ?? {});
    const types = nodes.flatMap((node) => registered(html[node] ?? '').map(({ type }) => type));
    return [
      ...nodes.flatMap((node) => when(!types.includes(node), `${node} is not registered.`)),
      ...types.flatMap((type, i) => when(types.indexOf(type) !== i, `${type} is registered twice.`)),
    ];
  },

  'each node of the palette is in an example': ({ html, examples }) => {
    const used = new Set(Object.values(examples).flat());
    return Object.values(html)
      .flatMap(registered)
      .flatMap(({ type, isConfig }) => when(!isConfig && !used.has(type), `${type} is in none.`));
  },

  'its examples have no nodes of others, but where they are about them': ({ html, examples, core, aboutOthers }) => {
    const own = new Set(
      Object.values(html)
        .flatMap(registered)
        .map(({ type }) => type),
    );
    return Object.entries(examples)
      .filter(([name]) => !aboutOthers.includes(name))
      .flatMap(([name, types]) =>
        types.flatMap((type) => when(!own.has(type) && !core.has(type), `${name} has a ${type}.`)),
      );
  },

  'it has at most six dependencies': ({ manifest }) => {
    const { length } = Object.keys(manifest.dependencies ?? {});
    return when(length > 6, `There are ${length}.`);
  },

  'its dependencies admit their latest versions': ({ manifest, latest }) =>
    Object.entries(manifest.dependencies ?? {}).flatMap(([name, range]) => {
      const version = latest.dependencies[name] ?? '';
      return when(!semver.satisfies(version, range), `${name} "${range}" does not admit "${version}".`);
    }),
};
