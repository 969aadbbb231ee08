import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { publint } from 'publint';
import { languages } from '../../scripts/node-files';
import { promisify } from 'node:util';
import manifest from '../../package.json';
import { root, startNodeRed, type NodeRed } from '../support/node-red';

const run = promisify(execFile);

const runtimes = [
  { title: 'Node-RED 4', options: { runtime: 'node-red' } },
  ...(process.env['NODE24'] === undefined
    ? []
    : [{ title: 'Node-RED 5', options: { runtime: 'node-red-5', node: process.env['NODE24'] } }]),
];

describe('the package', () => {
  let folder: string;
  let tarball: string;
  let packed: string[];

  before(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-pack-'));
    const { stdout } = await npm(['pack', '--json', '--pack-destination', folder], await copyOfTree(folder));
    const [{ filename, files }]: [{ filename: string; files: { path: string }[] }] = JSON.parse(stdout);
    tarball = path.join(folder, filename);
    packed = files.map((file) => file.path);
  });

  after(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('contains what a user needs, and nothing else', async () => {
    const { nodes, plugins } = manifest['node-red'];
    const types = Object.keys({ ...nodes, ...plugins });
    const texts = languages.flatMap((language) => [
      ...types.map((type) => `${language}/${type}.json`),
      ...Object.keys(nodes).map((type) => `${language}/${type}.html`),
    ]);
    const expected = [
      'package.json',
      'README.md',
      'CHANGELOG.md',
      'LICENSE',
      'dist/nodes.js',
      ...Object.values({ ...nodes, ...plugins }),
      ...types.map((type) => `dist/nodes/${type}.html`),
      ...texts.map((file) => `dist/nodes/locales/${file}`),
      ...(await list('icons')).map((file) => `dist/nodes/${file}`),
      ...(await list('examples')),
      ...(await list('resources')),
    ];
    assert.deepEqual(new Set(packed), new Set(expected));
    assert.equal(packed.length, expected.length);
  });

  it('has a manifest that fits its files', async () => {
    const { buffer } = new Uint8Array(await readFile(tarball));
    const { messages } = await publint({ pack: { tarball: buffer }, strict: true });
    assert.deepEqual(messages, []);
  });

  it('carries the license of each package whose code is in it', async () => {
    const sidebar = await readFile(path.join(root, 'resources/sidebar.js'), 'utf8');
    for (const name of ['preact', 'spark-md5']) {
      const license = await readFile(path.join(root, `node_modules/${name}/LICENSE`), 'utf8');
      assert.ok(sidebar.includes(license.trim()), name);
    }
    // A package that esbuild takes in is named in a comment.
    assert.doesNotMatch(await readFile(path.join(root, 'dist/nodes.js'), 'utf8'), /^ *\/\/ node_modules\//m);
  });

  for (const { title, options } of runtimes) {
    it(`makes its nodes appear in a fresh ${title}, without a warning`, async () => {
      const userDir = await mkdtemp(path.join(folder, 'user-dir-'));
      await writeFile(path.join(userDir, 'package.json'), JSON.stringify({ name: 'user-dir', private: true }));
      await npm(['install', '--omit=dev', '--no-audit', '--no-fund', '--prefer-offline', tarball], userDir);

      const nodeRed = await startNodeRed({ ...options, userDir });
      try {
        const types = ['homie-broker', 'homie-config', 'homie-devices', 'homie-firmware', 'homie-ota'];
        assert.deepEqual(new Set(await nodeTypes(nodeRed)), new Set(types));
        for (const [type, example] of [
          ['homie-ota', '1 - Update one device'],
          ['homie-config', 'Change a configuration'],
          ['homie-devices', 'List devices'],
          ['homie-firmware', 'Find firmware'],
        ] as const) {
          const icon = await fetch(`${nodeRed.url}/icons/@homie-ota/node-red-homie-ota/${type}.svg`);
          assert.match(await icon.text(), /^<svg/);
          const examples = `${nodeRed.url}/library/examples/flows/@homie-ota/node-red-homie-ota`;
          assert.ok((await (await fetch(`${examples}/${example}`)).text()).includes(`"type": "${type}"`));
        }
        const strange = nodeRed
          .log()
          .split('\n')
          .filter((line) => /warn|error|deprecat/i.test(line))
          // Of every new Node-RED.
          .filter((line) => !/Projects disabled|Encrypted credentials not found/.test(line));
        assert.deepEqual(strange, []);
      } finally {
        await nodeRed.stop();
      }
    });
  }
});

/** The files below a folder of the project, by their paths in it. */
async function list(below: string): Promise<string[]> {
  const entries = await readdir(path.join(root, below), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)));
}

/** The types of nodes that the package has brought, of those that work. */
async function nodeTypes({ url }: NodeRed): Promise<string[]> {
  const response = await fetch(`${url}/nodes`, { headers: { accept: 'application/json' } });
  const sets: unknown = await response.json();
  assert.ok(Array.isArray(sets));
  return sets
    .filter((set) => set.module === '@homie-ota/node-red-homie-ota' && set.enabled === true && set.err === undefined)
    .flatMap((set) => set.types);
}

/** The tree as it is built, in another place: some versions of npm build what they pack, while other tests use it. */
async function copyOfTree(folder: string): Promise<string> {
  const copy = path.join(folder, 'tree');
  const left = ['node_modules', '.git', 'artifacts', 'coverage'].map((name) => path.join(root, name));
  await cp(root, copy, { recursive: true, filter: (source) => !left.includes(source) });
  const file = path.join(copy, 'package.json');
  const { scripts: _scripts, ...rest }: Record<string, unknown> = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify(rest));
  return copy;
}

function npm(args: string[], cwd: string): Promise<{ stdout: string }> {
  return run('npm', args, { cwd, maxBuffer: 16 * 1024 * 1024 });
}
