import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { root } from '../support/node-red';
import { checks, registered, type Manifest, type Subject } from './scorecard';

const run = promisify(execFile);

const text = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const manifest: Manifest = JSON.parse(text('package.json'));
const { version: nodeRed }: { version: string } = JSON.parse(text('node_modules/node-red-5/package.json'));
const nodes = Object.keys(manifest['node-red']?.nodes ?? {});
const html = Object.fromEntries(nodes.map((node) => [node, text(`nodes/${node}.html`)]));
const examples = Object.fromEntries(
  readdirSync(path.join(root, 'examples'))
    .filter((file) => file.endsWith('.json'))
    .map((file) => {
      const flow: { type: string }[] = JSON.parse(text(`examples/${file}`));
      return [path.basename(file, '.json'), flow.map(({ type }) => type)];
    }),
);

/** The types of the nodes that a Node-RED has by itself, by the files that it gives to the editor. */
function coreTypes(): Set<string> {
  const folder = path.join(path.dirname(require.resolve('@node-red/nodes/package.json')), 'core');
  const files = readdirSync(folder, { recursive: true }).map(String);
  const types = files
    .filter((file) => file.endsWith('.html') && !file.includes('locales'))
    .flatMap((file) => [
      ...readFileSync(path.join(folder, file), 'utf8').matchAll(/registerType\(\s*['"]([^'"]+)['"]/g),
    ])
    .map(([, type = '']) => type);
  return new Set(['tab', 'group', 'subflow', ...types]);
}

/** The latest version of a package by the registry; undefined when that does not answer. */
async function latestOf(name: string): Promise<string | undefined> {
  try {
    const { stdout } = await run('npm', ['view', '--json', name, 'version'], { timeout: 30_000 });
    const version: unknown = JSON.parse(stdout);
    return typeof version === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}

const asked = 'its dependencies admit their latest versions';

const subject: Subject = {
  manifest,
  files: readdirSync(root),
  html,
  examples,
  core: coreTypes(),
  aboutOthers: Object.keys(examples).filter((name) => /dashboard/i.test(name)),
  latest: { nodeRed, dependencies: {} },
};

describe('the package as the Flow Library looks at it', () => {
  for (const [title, check] of Object.entries(checks)) {
    if (title === asked) continue;
    it(title, () => assert.deepEqual(check(subject), []));
  }

  it(asked, async function () {
    this.timeout(120_000);
    const names = Object.keys(manifest.dependencies ?? {});
    const versions = await Promise.all(names.map(async (name) => [name, await latestOf(name)] as const));
    const silent = versions.filter(([, version]) => version === undefined).map(([name]) => name);
    // Nobody needs the registry to run the tests, but there it must be.
    if (silent.length > 0 && process.env['CI'] === undefined) return this.skip();
    assert.deepEqual(silent, [], 'the registry does not answer');
    const dependencies = Object.fromEntries(versions.map(([name, version]) => [name, version ?? '']));
    assert.deepEqual(checks[asked]?.({ ...subject, latest: { ...subject.latest, dependencies } }), []);
  });
});

/** For each check, packages that do not pass it. */
const spoiled: Readonly<Record<string, readonly Partial<Subject>[]>> = {
  'it has a licence, in the manifest and as a file': [
    { manifest: { ...manifest, license: '' } },
    { files: subject.files.filter((file) => file !== 'LICENSE') },
  ],
  'its name has a scope': [{ manifest: { ...manifest, name: 'node-red-homie-ota' } }],
  'it has the keyword node-red': [{ manifest: { ...manifest, keywords: ['node-red-contrib'] } }],
  'it admits the latest Node-RED 5': [
    { manifest: { ...manifest, 'node-red': { nodes: {} } } },
    { manifest: { ...manifest, 'node-red': { version: '^4.0.0' } } },
    { latest: { ...subject.latest, nodeRed: '3.1.0' } },
  ],
  'it admits Node.js 22.9 and up': [
    { manifest: { ...manifest, engines: {} } },
    { manifest: { ...manifest, engines: { node: '20.x || 22.x' } } },
    { manifest: { ...manifest, engines: { node: '>=22.10' } } },
  ],
  'each of its nodes is registered once, by a script with an inline object': [
    { html: { ...html, 'homie-ota': '' } },
    { html: { ...html, 'homie-ota': html['homie-config'] ?? '' } },
    {
      html: { ...html, 'homie-ota': (html['homie-ota'] ?? '').replace('<script type="text/javascript">', '<script>') },
    },
    {
      html: {
        ...html,
        'homie-ota': (html['homie-ota'] ?? '').replace("('homie-ota', {", "('homie-ota', definition, {"),
      },
    },
  ],
  'each node of the palette is in an example': [
    { examples: {} },
    { examples: { one: ['homie-ota', 'homie-devices', 'homie-broker'] } },
  ],
  'its examples have no nodes of others, but where they are about them': [
    { examples: { ...examples, 'Update one device': ['ui-button'] } },
    { aboutOthers: [], examples: { Dashboard: ['ui-button'] } },
  ],
  'it has at most six dependencies': [
    { manifest: { ...manifest, dependencies: { a: '1', b: '1', c: '1', d: '1', e: '1', f: '1', g: '1' } } },
  ],
  [asked]: [
    {
      manifest: { ...manifest, dependencies: { mqtt: '^4.0.0' } },
      latest: { nodeRed: '5.0.0', dependencies: { mqtt: '5.0.0' } },
    },
    { latest: { nodeRed: '5.0.0', dependencies: {} } },
  ],
};

describe('each of these checks', () => {
  for (const [title, check] of Object.entries(checks)) {
    it(`finds what is wrong: ${title}`, () => {
      const bad = spoiled[title] ?? [];
      assert.ok(bad.length > 0);
      for (const [i, part] of bad.entries()) assert.ok(check({ ...subject, ...part }).length > 0, `${title} ${i}`);
    });
  }

  it('knows the nodes of the package, and which of them are for configuration', () => {
    const found = Object.values(html).flatMap(registered);
    assert.deepEqual(new Set(found.map(({ type }) => type)), new Set(nodes));
    assert.deepEqual(
      found.filter(({ isConfig }) => isConfig).map(({ type }) => type),
      ['homie-broker'],
    );
  });
});
