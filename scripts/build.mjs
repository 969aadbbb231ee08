// Compiles nodes/ and src/ to dist/ and puts what Node-RED looks for beside the .js: html, locales, icons.
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const tsc = path.join(path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');

rmSync(path.join(root, 'dist'), { recursive: true, force: true });
execFileSync(process.execPath, [tsc, '-p', path.join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
cpSync(path.join(root, 'nodes'), path.join(root, 'dist/nodes'), {
  recursive: true,
  filter: (source) => !source.endsWith('.ts'),
});
cpSync(path.join(root, 'icons'), path.join(root, 'dist/nodes/icons'), { recursive: true });

// What the sidebar knows of firmware, as one module for the browser.
const require = createRequire(import.meta.url);
const modules = {
  'spark-md5': require.resolve('spark-md5/spark-md5.min.js'),
  './format': path.join(root, 'dist/src/firmware/format.js'),
  './glance': path.join(root, 'dist/src/firmware/glance.js'),
};
const bundled = Object.entries(modules).map(
  ([name, file]) => `${JSON.stringify(name)}(module, exports, require, define) {\n${readFileSync(file, 'utf8')}\n},`,
);
writeFileSync(
  path.join(root, 'resources/sidebar-firmware.js'),
  `// Made by the build from src/firmware/glance.ts and spark-md5.
const modules = {
${bundled.join('\n')}
};
const loaded = {};
function require(name) {
  if (!(name in loaded)) {
    const module = { exports: {} };
    modules[name](module, module.exports, require);
    loaded[name] = module.exports;
  }
  return loaded[name];
}
export const { glance } = require('./glance');
`,
);
