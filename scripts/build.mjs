// Bundles the nodes into dist/nodes.js, and writes the files that Node-RED looks for to dist/nodes/: .js and html of
// each node, locales, icons.
import { build } from 'esbuild';
import { appendFile, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dialogScript, withShared, withSettings } from './dialogs.ts';
import { editorFile, folderOf, languages, localeFile, translations } from './node-files.ts';

const root = path.resolve(import.meta.dirname, '..');
const at = (...parts) => path.join(root, ...parts);
const { nodes, plugins } = JSON.parse(await readFile(at('package.json'), 'utf8'))['node-red'];
const entries = Object.entries({ ...nodes, ...plugins });

await rm(at('dist'), { recursive: true, force: true });
await cp(at('icons'), at('dist/nodes/icons'), { recursive: true });

// One file for all, because Node-RED finds, reads and compiles each file when it starts.
await bundle({
  stdin: {
    contents: entries.map(([name]) => `exports['${name}'] = require('./${folderOf(name)}');`).join('\n'),
    resolveDir: root,
  },
  packages: 'external',
  platform: 'node',
  target: 'node20',
  outfile: at('dist/nodes.js'),
});
for (const [name, file] of entries) await writeFile(at(file), `module.exports = require('../nodes.js')['${name}'];\n`);

for (const [type] of entries) {
  await writeFile(at('dist/nodes', `${type}.html`), withSettings(type, await read(editorFile(type))));
}
const english = JSON.parse(await read('src/texts/en-US.json'));
for (const language of languages) {
  const texts = JSON.parse(await read(`src/texts/${language}.json`));
  const folder = at('dist/nodes/locales', language);
  await mkdir(folder, { recursive: true });
  for (const [type] of entries) {
    const own = JSON.parse(await read(localeFile(type, language, 'json')));
    // The texts of errors are in the catalog of homie-broker, which is always there.
    const shared = type === 'homie-broker' ? texts : {};
    await writeFile(
      path.join(folder, `${type}.json`),
      JSON.stringify({ ...own, ...shared, ...translations(english, texts) }),
    );
  }
  const ofOta = await read(localeFile('homie-ota', language, 'html'));
  for (const type of Object.keys(nodes)) {
    const help = await read(localeFile(type, language, 'html'));
    await writeFile(path.join(folder, `${type}.html`), withShared(help, ofOta));
  }
}
await bundle({ ...dialogScript, outfile: at('resources/dialogs.js') });

// A module for the browser.
await bundle({
  entryPoints: [at('nodes/sidebar/ui/main.tsx')],
  minify: true,
  format: 'esm',
  target: 'es2022',
  outfile: at('resources/sidebar.js'),
  banner: { js: '// Made by the build from nodes/sidebar/ui.' },
});

/** Returns the text of a file of the package. */
function read(file) {
  return readFile(at(file), 'utf8');
}

/** Bundles code into one file, and appends the licenses of the packages whose code it contains. */
async function bundle(options) {
  const { metafile } = await build({ ...options, absWorkingDir: root, bundle: true, metafile: true });
  const names = Object.keys(metafile.inputs).flatMap(
    (file) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [],
  );
  const licenses = await Promise.all([...new Set(names)].map(licenseOf));
  if (licenses.length > 0) await appendFile(options.outfile, licenses.join(''));
}

/** Returns a comment with the license of a package. @throws {Error} if the package has none */
async function licenseOf(name) {
  const folder = at('node_modules', name);
  const { version } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e(\.(md|txt))?$/i.test(entry));
  if (file === undefined) throw new Error(`${name} has no file LICENSE`);
  const text = await readFile(path.join(folder, file), 'utf8');
  return `\n/*! ${name} ${version}\n\n${text.trim()}\n*/\n`;
}
