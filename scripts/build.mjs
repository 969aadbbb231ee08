// Bundles the nodes into dist/nodes.js, and makes dist/nodes/ of what Node-RED looks for: a .js for each, html, locales, icons.
import { build } from 'esbuild';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const at = (...parts) => path.join(root, ...parts);
const { nodes, plugins } = JSON.parse(await readFile(at('package.json'), 'utf8'))['node-red'];
const entries = Object.entries({ ...nodes, ...plugins });

await rm(at('dist'), { recursive: true, force: true });
await cp(at('nodes'), at('dist/nodes'), { recursive: true, filter: (source) => !source.endsWith('.ts') });
await cp(at('icons'), at('dist/nodes/icons'), { recursive: true });

// One file, since each is found, read and compiled when Node-RED starts.
await build({
  stdin: {
    contents: entries.map(([name]) => `exports['${name}'] = require('./nodes/${name}');`).join('\n'),
    resolveDir: root,
  },
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  outfile: at('dist/nodes.js'),
});
for (const [name, file] of entries) await writeFile(at(file), `module.exports = require('../nodes.js')['${name}'];\n`);

// What the sidebar knows of firmware, as one module for the browser.
await build({
  entryPoints: [at('src/firmware/glance.ts')],
  bundle: true,
  minify: true,
  format: 'esm',
  outfile: at('resources/sidebar-firmware.js'),
  banner: { js: '// Made by the build from src/firmware/glance.ts and spark-md5.' },
});
